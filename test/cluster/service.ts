import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort, until, type Scope } from '../helpers/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What Node runs to be `baton`: what was built, as it is shipped. */
export const BATON = ['dist/baton.js'];

/** One process of `baton controller` or `baton agent`. */
export interface Service {
  /** Of the one that runs now. */
  pid: () => number;
  /** Its log so far, and what else it printed. */
  output: () => string;
  /** The lines of its log at this level or above (40 is `warn`), but for an API server that is slow or away, and what follows. */
  logged: (level: number) => { msg: string; err?: { message: string; code?: string } }[];
  /** A page of its metrics or health port; undefined where nobody answers. */
  page: (
    path: '/metrics' | '/healthz' | '/readyz' | `/debug/${string}`,
  ) => Promise<{ status: number; text: string } | undefined>;
  /** Resolves with the exit status when it has ended. */
  kill: (signal: 'SIGKILL' | 'SIGTERM') => Promise<number | null>;
  /** The same, when it has ended by itself. */
  exited: Promise<number | null>;
  /** Holds it, and lets it go on. */
  suspend: (isSuspended: boolean) => void;
  /** The exit status of each that ended by itself. */
  ended: readonly (number | null)[];
}

export interface ServiceOptions {
  env?: Readonly<Record<string, string>>;
  /** When it ends by itself, another one follows it in its place, as its container would. */
  isFollowed?: boolean;
}

/** What is logged while an API server is slow or away, and what follows from it. */
const EXPECTED = ['ERR_BATON_UNAVAILABLE', 'ERR_BATON_LEASE_LOST'];

/** Starts one with what Node runs in this repository; it is killed at the end of the test. */
export async function startService(
  t: Scope,
  program: readonly string[],
  args: readonly string[],
  { env = {}, isFollowed = false }: ServiceOptions = {},
): Promise<Service> {
  const [metricsPort, healthPort] = [await freePort(), await freePort()];
  const ports = [`--metrics-port=${metricsPort}`, `--health-port=${healthPort}`];
  const ended: (number | null)[] = [];
  let output = '';
  let isWanted = true;
  const begin = (): { child: ChildProcess; exited: Promise<number | null> } => {
    const child = spawn(process.execPath, [...program, ...args, ...ports], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const exited = new Promise<number | null>((resolve) => {
      child.once('exit', (status) => {
        resolve(status);
        if (!isWanted) return;
        ended.push(status);
        if (isFollowed) current = begin();
      });
    });
    return { child, exited };
  };
  let current = begin();
  const kill = (signal: NodeJS.Signals): Promise<number | null> => {
    isWanted = false;
    current.child.kill(signal);
    return current.exited;
  };
  t.teardown(() => kill('SIGKILL'));
  return {
    pid: () => current.child.pid ?? 0,
    output: () => output,
    logged: (level) =>
      output
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line) as ReturnType<Service['logged']>[number] & { level: number })
        .filter((line) => line.level >= level && !EXPECTED.includes(line.err?.code ?? '')),
    async page(path) {
      try {
        const port = path === '/metrics' ? metricsPort : healthPort;
        const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(5_000) });
        return { status: answer.status, text: await answer.text() };
      } catch {
        return undefined;
      }
    },
    kill,
    exited: current.exited,
    suspend: (isSuspended) => void current.child.kill(isSuspended ? 'SIGSTOP' : 'SIGCONT'),
    ended,
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
