import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Guardian } from '../../../local/guardian.ts';

/** One server of a control plane, that can be made to misbehave. Its ports and its state stay the same. */
export interface Server {
  /** While it runs. */
  pid(): number | undefined;
  /** Starts it, and waits until it answers. */
  start(): Promise<void>;
  /** Asks it to end (SIGTERM), as at an update of the machine; after ten seconds it is killed. */
  stop(): Promise<void>;
  /** Ends it at once (SIGKILL). */
  kill(): Promise<void>;
  /** {@link stop} and {@link start}. */
  restart(): Promise<void>;
  /** It hangs (SIGSTOP): connections stay open, and nothing is answered. */
  pause(): void;
  resume(): void;
}

export interface ServerOptions {
  name: string;
  program: string;
  args: readonly string[];
  /** What it prints goes there; appended at each start. */
  log: string;
  /** Ends it when this process is gone; without one, somebody else does. */
  guardian?: Guardian;
  /** Whether it answers. */
  isReady: () => Promise<boolean>;
}

const READY_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 10_000;

/** The server, not started yet. */
export function createServer({ name, program, args, log, guardian, isReady }: ServerOptions): Server {
  let child: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();

  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    // A stopped process takes no SIGTERM.
    child?.kill('SIGCONT');
    child?.kill(signal);
    const timer = setTimeout(() => child?.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  };

  const server: Server = {
    pid: () => child?.pid,
    async start() {
      if (child) throw new Error(`${name} runs already`);
      const output = openSync(log, 'a', 0o600);
      // A group of its own: Ctrl-C is for this process, which then ends the servers in order.
      const started = spawn(program, args, { detached: true, stdio: ['ignore', output, output] });
      closeSync(output);
      child = started;
      let failure = '';
      exited = new Promise((resolve) => {
        const gone = (reason: string): void => {
          failure = reason;
          child = undefined;
          if (started.pid !== undefined) guardian?.remove(started.pid);
          resolve();
        };
        started.once('error', (error) => gone(error.message));
        started.once('exit', (code, signal) => gone(`ended (${signal ?? code})`));
      });
      if (started.pid !== undefined) guardian?.add(started.pid);
      const deadline = performance.now() + READY_TIMEOUT_MS;
      while (!(await isReady())) {
        if (performance.now() > deadline) failure ||= `did not answer within ${READY_TIMEOUT_MS} ms`;
        if (failure) {
          await end('SIGKILL');
          throw new Error(`${name} ${failure}:\n${tail(log)}`);
        }
        await delay(50);
      }
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async restart() {
      await server.stop();
      await server.start();
    },
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
  };
  return server;
}

const tail = (file: string): string => readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
