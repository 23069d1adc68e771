import { spawn } from 'node:child_process';
import { closeSync, openSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Guardian } from './guardian.ts';

/** How one process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Set when the command could not be started at all. */
  startError?: string;
  at: number;
}

/** One process, the leader of its own process group, from its start to its end. */
export interface Life {
  /** 0 when it could not be started. */
  readonly pid: number;
  readonly startedAt: number;
  readonly exited: Promise<Exit>;
  /** SIGTERM to the process, SIGKILL to its whole group after `grace` milliseconds. Resolves when it is gone. */
  stop(grace: number): Promise<Exit>;
}

export interface LifeOptions {
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Output is appended here, straight from the process: the runner is not on its path. */
  logFile: string;
  guardian: Guardian;
}

/** Starts a process as a container's PID 1: what it leaves behind in its group is killed when it ends, as in a container. */
export function startLife(options: LifeOptions): Life {
  const [file = '', ...args] = options.command;
  const log = openSync(options.logFile, 'a');
  const startedAt = Date.now();
  const child = spawn(file, args, {
    detached: true,
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', log, log],
  });
  const pid = child.pid ?? 0;
  if (pid > 0) options.guardian.add(pid);
  let over = false;
  const exited = new Promise<Exit>((resolve) => {
    const end = (exit: Exit) => {
      if (over) return;
      over = true;
      if (pid > 0) {
        signal(-pid, 'SIGKILL');
        options.guardian.remove(pid);
      }
      closeSync(log);
      resolve(exit);
    };
    child.once('error', (error) => {
      if (pid > 0) return;
      writeSync(log, `cannot start ${file}: ${error.message}\n`);
      end({ code: 128, signal: null, startError: error.message, at: Date.now() });
    });
    child.once('exit', (code, signalName) => end({ code, signal: signalName, at: Date.now() }));
  });
  return {
    pid,
    startedAt,
    exited,
    async stop(grace) {
      if (pid > 0 && !over) {
        signal(pid, 'SIGTERM');
        const timer = new AbortController();
        const late = sleep(grace, 'late' as const, { signal: timer.signal }).catch(() => 'gone' as const);
        if ((await Promise.race([exited, late])) === 'late') signal(-pid, 'SIGKILL');
        timer.abort();
      }
      return exited;
    },
  };
}

function signal(target: number, name: NodeJS.Signals): void {
  try {
    process.kill(target, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
