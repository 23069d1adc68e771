import type { ExecutionContext } from 'ava';
import type { StateFile } from '../../sdk/state-file.ts';
import {
  freePort,
  startSidecar,
  temporaryDirectory,
  until,
  untilPhase,
  type Running,
  type StartOptions,
} from '../helpers/processes.ts';

/** One sidecar through its versions, each a process of its own. */
export interface Line {
  readonly port: number;
  readonly directory: string;
  /** The process that serves now. */
  current(): Running;
  /** Starts the next version and waits until it serves; returns the process that was current. */
  upgrade(env?: Record<string, string>): Promise<Running>;
  /** Waits until a process has nothing left, ends it, and checks that it went at once; returns its last words. */
  retire(old: Running): Promise<StateFile>;
  /** {@link upgrade} and {@link retire}. */
  replace(env?: Record<string, string>): Promise<StateFile>;
}

/** Starts the first version; the script is test/fixtures/http-server.js unless told. */
export async function startLine(t: ExecutionContext, options: Partial<StartOptions> = {}): Promise<Line> {
  const script = options.script ?? 'test/fixtures/http-server.js';
  const port = options.port ?? (await freePort());
  const directory = options.directory ?? temporaryDirectory(t);
  let version = 100;
  const start = async (alternative: number, env: Record<string, string>): Promise<Running> => {
    const all = { ...options.env, ...env };
    const process = startSidecar(t, { ...options, script, directory, port, version, alternative, env: all });
    await untilPhase(process, 'serving', 'draining', 'drained');
    return process;
  };
  let current = await start(0, {});

  const line: Line = {
    port,
    directory,
    current: () => current,
    async upgrade(env = {}) {
      const old = current;
      version += 1;
      current = await start(version - 1, env);
      return old;
    },
    async retire(old) {
      const state = await untilPhase(old, 'drained');
      old.kill('SIGTERM');
      const { code } = await old.exited;
      t.is(code, 0, old.output());
      // The successor is busy until it has noticed.
      await until('the successor sees it go', () => (old.child.exitCode === 0 ? true : undefined));
      return state;
    },
    async replace(env = {}) {
      return line.retire(await line.upgrade(env));
    },
  };
  return line;
}
