import { closeSync, constants, fstatSync, openSync } from 'node:fs';

/**
 * Opens only the name, not what it stands for: a device is not touched, a FIFO not waited for, a link not followed (open(2)). Node
 * has no name for it; it is the same on every architecture that Node has a Linux for.
 */
const O_PATH = 0o10000000;

/**
 * The path of something in a folder that is open: it leads to that folder whatever its own name stands for by now, so that
 * each name on a way is looked at by itself (openat(2), which Node does not have).
 */
export function inside(folder: number, name: string): string {
  return `/proc/self/fd/${folder}/${name}`;
}

/** The path of what is open, itself. */
export function itself(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

/**
 * Holds a name of an open folder, or a path, following no link in its last name. The caller closes the descriptor.
 *
 * @returns undefined when there is no such name
 * @throws the system's error otherwise
 */
export function hold(path: string): number | undefined {
  try {
    return openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** As {@link hold}, for folders only: anything else, a link to a folder too, counts as missing. */
export function holdFolder(path: string): number | undefined {
  const descriptor = hold(path);
  if (descriptor === undefined || fstatSync(descriptor).isDirectory()) return descriptor;
  closeSync(descriptor);
  return undefined;
}

export function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
