import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { StateFile } from '../api/pod-contract.ts';
import { parseStateFile, stateFileName } from '../api/pod-contract.ts';

const maxBytes = 64 * 1024;

/**
 * The state file of `version` in `batonDir`, or undefined when there is none. A sidecar writes it, so it is not trusted: no
 * link is followed, a FIFO does not block, and a file that is too large or malformed counts as absent.
 */
export function readStateFile(batonDir: string, version: string): StateFile | undefined {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: number;
  try {
    file = openSync(join(batonDir, stateFileName(version)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const facts = fstatSync(file);
    if (!facts.isFile() || facts.size > maxBytes) return undefined;
    const buffer = Buffer.alloc(facts.size);
    const parsed = parseStateFile(buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, 0)));
    return typeof parsed === 'string' ? undefined : parsed;
  } finally {
    closeSync(file);
  }
}
