import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const most = 16 * 1024;

/** The last `lines` lines of a log file, for error reports; empty when the file is not there. */
export function logTail(path: string, lines: number): string[] {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, most));
    const read = readSync(file, buffer, 0, buffer.length, size - buffer.length);
    const all = buffer.toString('utf8', 0, read).trimEnd().split('\n');
    return all[0] === '' && all.length === 1 ? [] : all.slice(-lines);
  } finally {
    closeSync(file);
  }
}
