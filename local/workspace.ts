import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { maxSocketPath } from '../api/pod-contract.ts';

/** One rehearsal's temporary directory, for the owner of this process only. */
export interface Workspace {
  readonly root: string;
  /** Makes the directory `<root>/<name>` if it is not there and returns its path. */
  directory(name: string): string;
  remove(): void;
}

// `/<volume>/<20 digits>.sock` and what a temporary name adds before the rename.
const socketNameRoom = 48;

/**
 * Makes the directory under the system's temporary one, or under `/tmp` where that path leaves no room for a Unix socket's.
 * Throws `ERR_BATON_PATH_TOO_LONG` when neither does.
 */
export function makeWorkspace(candidates: readonly string[] = [tmpdir(), '/tmp']): Workspace {
  const base = candidates.find(
    (path) => Buffer.byteLength(path) + '/baton-XXXXXX'.length + socketNameRoom <= maxSocketPath,
  );
  if (base === undefined) {
    throw Object.assign(
      new Error(
        `no temporary directory is short enough for a Unix socket (${candidates.join(', ')}); set TMPDIR to one`,
      ),
      { code: 'ERR_BATON_PATH_TOO_LONG' },
    );
  }
  const root = mkdtempSync(join(base, 'baton-'));
  return {
    root,
    directory(name) {
      const path = join(root, name);
      mkdirSync(path, { recursive: true, mode: 0o700 });
      return path;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
