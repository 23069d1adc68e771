import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { startLoad, type Load } from './load.ts';
import {
  freePort,
  startSidecar,
  temporaryDirectory,
  until,
  untilPhase,
  type Running,
  type StartOptions,
} from './processes.ts';

const preload = fileURLToPath(new URL('../fixtures/sdk/frames.js', import.meta.url));

/** A process whose frames are written down. */
export interface Logged extends Running {
  /** How many of these frames it sent or received: `sent ack`. */
  frames(line: string): number;
}

/** One sidecar's place with processes and clients in it. */
export interface Scene {
  readonly directory: string;
  readonly port: number;
  readonly start: (options: Omit<StartOptions, 'directory' | 'port'>) => Logged;
}

export async function createScene(t: ExecutionContext): Promise<Scene> {
  const directory = temporaryDirectory(t);
  const port = await freePort();
  let count = 0;
  return {
    directory,
    port,
    start(options) {
      const log = join(directory, `frames-${++count}`);
      fs.writeFileSync(log, '');
      const running = startSidecar(t, {
        script: 'test/fixtures/sdk/sidecar.js',
        ...options,
        directory,
        port,
        // Preloads of NODE_OPTIONS come before those of the command line: the frame is written before it kills.
        env: { ...options.env, NODE_OPTIONS: `--import=${preload}`, BATON_TEST_FRAMES: log },
      });
      const frames = (line: string): number =>
        fs
          .readFileSync(log, 'utf8')
          .split('\n')
          .filter((own) => own === line).length;
      return { ...running, frames };
    },
  };
}

/** A predecessor of version 100 that serves under load. */
export async function startServing(
  t: ExecutionContext,
  options: Partial<StartOptions> & { keepers?: number; fresh?: number } = {},
): Promise<Scene & { predecessor: Logged; load: Load }> {
  const { keepers, fresh, ...rest } = options;
  const scene = await createScene(t);
  const predecessor = scene.start({ version: 100, ...rest });
  await untilPhase(predecessor, 'serving');
  const load = await startLoad(t, scene.port, {
    ...(keepers !== undefined && { keepers }),
    ...(fresh !== undefined && { fresh }),
  });
  await load.goesOn(t, 1, 100);
  return { ...scene, predecessor, load };
}

/** Does something while a process stands still, so that it finds all of it at once when it wakes. */
export async function whileStopped(running: Running, act: () => void): Promise<void> {
  running.kill('SIGSTOP');
  await untilStopped(running);
  act();
  running.kill('SIGCONT');
}

/** Waits until a process was stopped by a signal. */
export const untilStopped = ({ child }: Running): Promise<boolean> =>
  until('the process stops', () => /^State:\s+T/m.test(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8')));

/**
 * The sockets that these processes have open more than once, in one of them or in two: listening ones, which each holds
 * for itself and for its server, and connections with two owners.
 */
export function sharedSockets(...processes: Running[]): number {
  const seen = new Map<string, number>();
  for (const { child } of processes) {
    if (child.exitCode !== null) continue;
    for (const descriptor of fs.readdirSync(`/proc/${child.pid}/fd`)) {
      const target = linkOf(`/proc/${child.pid}/fd/${descriptor}`);
      if (target.startsWith('socket:')) seen.set(target, (seen.get(target) ?? 0) + 1);
    }
  }
  return [...seen.values()].filter((count) => count > 1).length;
}

/** A descriptor may be closed while one looks at it. */
const linkOf = (path: string): string => {
  try {
    return fs.readlinkSync(path, { encoding: 'utf8' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
};
