import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort, until, type Scope } from '../../helpers/processes.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** One process of `baton controller`. */
export interface Replica {
  readonly pid: number;
  readonly webhookPort: number;
  /** Its log so far, and what else it printed. */
  output: () => string;
  /** The lines of its log at this level or above (40 is `warn`), but for an API server that is slow or away. */
  logged: (level: number) => { msg: string; err?: { message: string; code?: string } }[];
  /** A page of its metrics or health port; undefined where nobody answers. */
  page: (path: '/metrics' | '/healthz' | '/readyz') => Promise<{ status: number; text: string } | undefined>;
  leads: () => Promise<boolean>;
  /** Resolves with the exit status when it has ended. */
  kill: (signal: 'SIGKILL' | 'SIGTERM') => Promise<number | null>;
}

export interface ReplicaOptions {
  /** What Node runs; the sources unless told. */
  program?: readonly string[];
  /** A free one unless told. */
  webhookPort?: number;
  /** More of the command line. */
  flags?: readonly string[];
}

/** Starts one and waits until it serves; it is killed at the end of the test. */
export async function startReplica(t: Scope, kubeconfig: string, options: ReplicaOptions = {}): Promise<Replica> {
  const { program = ['--import=tsx', 'cli/baton.ts'], webhookPort = await freePort(), flags = [] } = options;
  const [metricsPort, healthPort] = [await freePort(), await freePort()];
  const ports = [`--webhook-port=${webhookPort}`, `--metrics-port=${metricsPort}`, `--health-port=${healthPort}`];
  const args = [...program, 'controller', `--kubeconfig=${kubeconfig}`, ...ports, ...flags];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const exited = new Promise<number | null>((resolve) => void child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const page: Replica['page'] = async (path) => {
    try {
      const port = path === '/metrics' ? metricsPort : healthPort;
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
      return { status: answer.status, text: await answer.text() };
    } catch {
      return undefined;
    }
  };
  await until(
    'the controller is ready',
    async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${output}`);
      return (await page('/readyz'))?.status === 200;
    },
    60_000,
  ).catch((error: unknown) => {
    throw new Error(`it does not become ready: ${output}`, { cause: error });
  });
  return {
    pid: child.pid ?? 0,
    webhookPort,
    output: () => output,
    logged: (level) =>
      output
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line) as { level: number; msg: string; err?: { message: string; code?: string } })
        .filter((line) => line.level >= level && line.err?.code !== 'ERR_BATON_UNAVAILABLE'),
    page,
    leads: async () => /^baton_leader 1$/m.test((await page('/metrics'))?.text ?? ''),
    kill: (signal) => {
      child.kill(signal);
      return exited;
    },
  };
}
