import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { close, receive, send, socketPair } from '../../native/index.ts';

/** One size of message; microseconds per message: send, receive, close what came, one byte back. */
export interface DescriptorRow {
  descriptors: number;
  cMicros: number;
  addonMicros: number;
  ratio: number;
}

const sizes = [
  { descriptors: 1, messages: 20_000 },
  { descriptors: 16, messages: 5_000 },
  { descriptors: 253, messages: 500 },
];

// Both loops spin, so another process on a core shows in a round: the best of several is the call's own cost.
const rounds = 7;

/**
 * What a message with descriptors costs between two processes through the addon, beside the same loop in C (loop.c,
 * compiled here with `cc`), in turns on the same machine.
 */
export async function descriptorBench(): Promise<{ rows: DescriptorRow[] }> {
  const directory = mkdtempSync(join(tmpdir(), 'baton-bench-'));
  try {
    const loop = join(directory, 'loop');
    execFileSync('cc', ['-O2', '-o', loop, join(import.meta.dirname, 'loop.c')]);
    const rows: DescriptorRow[] = [];
    for (const { descriptors, messages } of sizes) {
      const c: number[] = [];
      const addon: number[] = [];
      for (let round = 0; round < rounds; round++) {
        c.push(Number(execFileSync(loop, [String(descriptors), String(messages)], { encoding: 'utf8' })));
        addon.push(await addonMicros(descriptors, messages));
      }
      const [cMicros, best] = [Math.min(...c), Math.min(...addon)];
      rows.push({ descriptors, cMicros, addonMicros: best, ratio: best / cMicros });
    }
    return { rows };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function addonMicros(count: number, messages: number): Promise<number> {
  const [near, far] = socketPair();
  const peer = spawn(process.execPath, ['--import=tsx', join(import.meta.dirname, 'peer.ts')], {
    stdio: ['ignore', 'inherit', 'inherit', far],
  });
  close(far);
  const files = Array.from({ length: count }, () => openSync('/dev/null', 'r'));
  const byte = new Uint8Array(1);

  const exchange = (times: number) => {
    for (let sent = 0; sent < times; sent++) {
      while (send(near, byte, files) === undefined);
      let read = receive(near, byte);
      while (read === undefined) read = receive(near, byte);
      if (read.bytes === 0) throw new Error('the other process of the bench ended early');
    }
  };

  // The peer's start and both compilers are not the call's cost.
  exchange(Math.max(1_000, messages / 10));
  const start = process.hrtime.bigint();
  exchange(messages);
  const nanoseconds = Number(process.hrtime.bigint() - start);
  close(near);
  files.forEach((file) => closeSync(file));
  await once(peer, 'exit');
  return nanoseconds / messages / 1000;
}

/** The rows as a table for people. */
export function descriptorTable(rows: readonly DescriptorRow[]): string {
  const cells = rows.map((row) => [
    String(row.descriptors),
    row.cMicros.toFixed(1),
    row.addonMicros.toFixed(1),
    `${row.ratio.toFixed(2)}x`,
  ]);
  return [['descriptors', 'C us/message', 'addon us/message', 'addon/C'], ...cells]
    .map((line) => line.map((cell) => cell.padStart(18)).join(''))
    .join('\n');
}

if (process.argv[1] === import.meta.filename) console.log(descriptorTable((await descriptorBench()).rows));
