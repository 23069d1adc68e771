import { readdirSync, readFileSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { codeOf } from './errors.ts';

/** Open descriptors, and the most that may be open. */
export interface Room {
  open: number;
  limit: number;
}

/** What a sidecar needs of its surroundings; tests replace it to run both copies in one process. */
export interface Environment {
  env: Readonly<Record<string, string | undefined>>;
  pid: number;
  uid: number;
  /** When the process started, in clock ticks since boot: with the pid it names one life of one process. */
  processStart: number;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Numeric address of a host name, of one family where it is told. */
  resolve(host: string, family?: 4 | 6): Promise<string>;
  /** Calls back at SIGTERM; returns how to stop that. */
  onTerminate(listener: () => void): () => void;
  exit(code: number): void;
  descriptors(): Room;
  /** Something to know about that is no failure. */
  warn(message: string, code: string): void;
}

/** Field 22 of `/proc/<pid>/stat` (proc(5)); `undefined` when there is no such process. */
export function processStartOf(pid: number | 'self'): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return undefined;
  }
}

function descriptors(): Room {
  try {
    return countDescriptors();
  } catch (error) {
    if (codeOf(error) !== 'EMFILE') throw error;
    // Counting takes a descriptor itself: there is no room at all.
    return { open: 0, limit: 0 };
  }
}

function countDescriptors(): Room {
  const soft = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  const limit = soft === undefined || soft === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(soft);
  return { open: readdirSync('/proc/self/fd').length, limit };
}

/** The process that this code runs in. */
export const processEnvironment = (): Environment => ({
  env: process.env,
  pid: process.pid,
  uid: process.geteuid?.() ?? 0,
  processStart: processStartOf('self') ?? 0,
  now: () => Date.now(),
  resolve: async (host, family) => (await lookup(host, { family: family ?? 0 })).address,
  onTerminate(listener) {
    process.on('SIGTERM', listener);
    return () => process.off('SIGTERM', listener);
  },
  exit: (code) => process.exit(code),
  descriptors,
  warn: (message, code) => process.emitWarning(message, { type: 'BatonWarning', code }),
});
