import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readStateFile, type StateFile } from '../../sdk/state-file.ts';
import { median } from '../table.ts';

const script = fileURLToPath(new URL('sidecar.js', import.meta.url));

/** Milliseconds from connecting to accepting, over `rounds` upgrades of real processes with so many sockets. */
export async function handoverBench(sockets: number, rounds: number): Promise<{ sockets: number; medianMs: number; minMs: number; maxMs: number }> {
  const directory = fs.mkdtempSync(join(tmpdir(), 'baton-bench-'));
  const processes: ChildProcess[] = [];
  const start = (version: number): ChildProcess => {
    const child = spawn(process.execPath, [script], {
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
  const serving = async (version: number): Promise<StateFile> => {
    for (;;) {
      const state = readStateFile(join(directory, `${version}.json`));
      if (state?.phase === 'serving') return state;
      await delay(5);
    }
  };
  try {
    let old = start(1);
    await serving(1);
    const times: number[] = [];
    for (let version = 2; version <= rounds + 1; version += 1) {
      const next = start(version);
      const { counters } = await serving(version);
      times.push(counters.handoverMs ?? NaN);
      old.kill('SIGTERM');
      await once(old, 'exit');
      old = next;
      // The new one notices that its predecessor is gone, and takes the next successor.
      await delay(50);
    }
    return { sockets, medianMs: median(times), minMs: Math.min(...times), maxMs: Math.max(...times) };
  } finally {
    for (const child of processes) child.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true, force: true });
  }
}
