import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort, until, type Scope } from '../../helpers/processes.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** One process of `baton controller`; when it ends by itself, another one follows it in its place, as its container would. */
export interface Replica {
  readonly webhookPort: number;
  /** Its log so far, and what else it printed. */
  output: () => string;
  /** The lines of its log at this level or above (40 is `warn`), but for an API server that is slow or away, and what follows. */
  logged: (level: number) => { msg: string; err?: { message: string; code?: string } }[];
  /** A page of its metrics or health port; undefined where nobody answers. */
  page: (path: '/metrics' | '/healthz' | '/readyz') => Promise<{ status: number; text: string } | undefined>;
  leads: () => Promise<boolean>;
  /** Resolves with the exit status when it has ended. */
  kill: (signal: 'SIGKILL' | 'SIGTERM') => Promise<number | null>;
  /** Holds it, and lets it go on. */
  suspend: (isSuspended: boolean) => void;
  /** The exit status of each that ended by itself. */
  ended: readonly (number | null)[];
}

const EXPECTED = ['ERR_BATON_UNAVAILABLE', 'ERR_BATON_LEASE_LOST'];

/** Starts one and waits until it serves; it is killed at the end of the test. */
export async function startReplica(t: Scope, kubeconfig: string): Promise<Replica> {
  const [webhookPort, metricsPort, healthPort] = [await freePort(), await freePort(), await freePort()];
  const ports = [`--webhook-port=${webhookPort}`, `--metrics-port=${metricsPort}`, `--health-port=${healthPort}`];
  const args = ['--import=tsx', 'cli/baton.ts', 'controller', `--kubeconfig=${kubeconfig}`, ...ports];
  let output = '';
  let isWanted = true;
  let child: ChildProcess;
  let exited: Promise<number | null>;
  const ended: (number | null)[] = [];
  const begin = (): void => {
    const started = (child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] }));
    for (const stream of [started.stdout, started.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    exited = new Promise((resolve) => {
      started.once('exit', (status) => {
        resolve(status);
        if (!isWanted) return;
        ended.push(status);
        begin();
      });
    });
  };
  begin();
  const kill = (signal: NodeJS.Signals): Promise<number | null> => {
    isWanted = false;
    child.kill(signal);
    return exited;
  };
  t.teardown(() => kill('SIGKILL'));
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
      if (ended.length > 0) throw new Error(`it ended with ${ended.join()}: ${output}`);
      return (await page('/readyz'))?.status === 200;
    },
    60_000,
  );
  return {
    webhookPort,
    output: () => output,
    logged: (level) =>
      output
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line) as { level: number; msg: string; err?: { message: string; code?: string } })
        .filter((line) => line.level >= level && !EXPECTED.includes(line.err?.code ?? '')),
    page,
    leads: async () => /^baton_leader 1$/m.test((await page('/metrics'))?.text ?? ''),
    kill,
    suspend: (isSuspended) => void child.kill(isSuspended ? 'SIGSTOP' : 'SIGCONT'),
    ended,
  };
}
