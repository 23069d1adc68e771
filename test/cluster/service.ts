import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort, until, type Scope } from '../helpers/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What Node runs to be `baton`: what was built, as it is shipped. */
export const BATON = ['dist/baton.js'];

/** One process of `baton controller` or `baton agent`. */
export interface Service {
  readonly pid: number;
  /** Its log so far, and what else it printed. */
  output: () => string;
  /** The lines of its log at this level or above (40 is `warn`), but for an API server that is slow or away. */
  logged: (level: number) => { msg: string; err?: { message: string; code?: string } }[];
  /** A page of its metrics or health port; undefined where nobody answers. */
  page: (path: '/metrics' | '/healthz' | '/readyz') => Promise<{ status: number; text: string } | undefined>;
  /** Resolves with the exit status when it has ended. */
  kill: (signal: 'SIGKILL' | 'SIGTERM') => Promise<number | null>;
  /** The same, when it has ended by itself. */
  exited: Promise<number | null>;
}

/** Starts one with what Node runs in this repository; it is killed at the end of the test. */
export async function startService(
  t: Scope,
  program: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Service> {
  const [metricsPort, healthPort] = [await freePort(), await freePort()];
  const ports = [`--metrics-port=${metricsPort}`, `--health-port=${healthPort}`];
  const child = spawn(process.execPath, [...program, ...args, ...ports], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const exited = new Promise<number | null>((resolve) => void child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  return {
    pid: child.pid ?? 0,
    output: () => output,
    logged: (level) =>
      output
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line) as ReturnType<Service['logged']>[number] & { level: number })
        .filter((line) => line.level >= level && line.err?.code !== 'ERR_BATON_UNAVAILABLE'),
    async page(path) {
      try {
        const port = path === '/metrics' ? metricsPort : healthPort;
        const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
        return { status: answer.status, text: await answer.text() };
      } catch {
        return undefined;
      }
    },
    kill(signal) {
      child.kill(signal);
      return exited;
    },
    exited,
  };
}

/** Waits until it says that it is ready; an early end fails with what it printed. */
export async function untilReady({ page, exited, output }: Service): Promise<void> {
  const end: { status?: number | null } = {};
  void exited.then((status) => (end.status = status));
  await until(
    'it is ready',
    async () => {
      if (end.status !== undefined) throw new Error(`it ended with ${end.status}: ${output()}`);
      return (await page('/readyz'))?.status === 200;
    },
    60_000,
  );
}
