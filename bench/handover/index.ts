import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readStateFile, type StateFile } from '../../sdk/state-file.ts';
import { median } from '../table.ts';

/** Milliseconds from connecting to accepting, over many upgrades. */
export interface Handovers {
  sockets: number;
  medianMs: number;
  minMs: number;
  maxMs: number;
}

const summarize = (sockets: number, times: number[]): Handovers => ({
  sockets,
  medianMs: median(times),
  minMs: Math.min(...times),
  maxMs: Math.max(...times),
});

async function inFolder<T>(act: (directory: string, processes: ChildProcess[]) => Promise<T>): Promise<T> {
  const directory = fs.mkdtempSync(join(tmpdir(), 'baton-bench-'));
  const processes: ChildProcess[] = [];
  try {
    return await act(directory, processes);
  } finally {
    for (const child of processes) child.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

async function serving(directory: string, version: number): Promise<StateFile> {
  for (;;) {
    const state = readStateFile(join(directory, `${version}.json`));
    if (state?.phase === 'serving') return state;
    await delay(5);
  }
}

/** As in a pod: each version is a process of its own, that runs each line of its code for the first time. */
export const coldHandovers = (sockets: number, rounds: number): Promise<Handovers> =>
  inFolder(async (directory, processes) => {
    const start = (version: number): ChildProcess => {
      const child = spawn(process.execPath, [fileURLToPath(new URL('sidecar.js', import.meta.url))], {
        stdio: 'inherit',
        env: {
          ...process.env,
          SOCKETS: String(sockets),
          BATON_DIR: directory,
          SIDECARSET_VERSION: String(version),
          SIDECARSET_VERSION_ALT: String(version - 1),
        },
      });
      processes.push(child);
      return child;
    };
    let old = start(1);
    await serving(directory, 1);
    const times: number[] = [];
    for (let version = 2; version <= rounds + 1; version += 1) {
      const next = start(version);
      const { counters } = await serving(directory, version);
      times.push(counters.handoverMs ?? NaN);
      old.kill('SIGTERM');
      await once(old, 'exit');
      old = next;
      // It notices that its predecessor is gone, and then takes the next successor.
      await delay(50);
    }
    return summarize(sockets, times);
  });

/** What the protocol itself costs: two processes hand over in turn, and know their code by heart. */
export const warmHandovers = (sockets: number, rounds: number): Promise<Handovers> =>
  inFolder(async (directory, processes) => {
    const [first, second] = [1, 2].map(() => {
      const child = fork(fileURLToPath(new URL('turns.ts', import.meta.url)), {
        execArgv: ['--import', 'tsx'],
        env: { ...process.env, SOCKETS: String(sockets), BATON_DIR: directory },
      });
      processes.push(child);
      return child;
    });
    const tell = async (child: ChildProcess | undefined, order: 'end' | { take: number }): Promise<void> => {
      child?.send(order);
      if (child) await once(child, 'message');
    };
    await tell(first, { take: 1 });
    const times: number[] = [];
    for (let version = 2; version <= rounds + 1; version += 1) {
      const [old, next] = version % 2 === 0 ? [first, second] : [second, first];
      await tell(next, { take: version });
      const state = readStateFile(join(directory, `${version}.json`));
      times.push(state?.counters.handoverMs ?? NaN);
      await tell(old, 'end');
      await delay(20);
    }
    return summarize(sockets, times.slice(Math.floor(rounds / 3)));
  });
