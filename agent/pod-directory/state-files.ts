import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ApiError } from '../../api/error.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { copies, parseStateFile, stateFileName, versionKey, type StateFile } from '../../api/pod-contract.ts';
import { recordsOn } from '../hot-upgrade/view.ts';
import { codeOf, hold, inside, itself } from './descriptor.ts';
import { holdSidecarFolder, sidecarsWithFolder } from './folder.ts';

const maxBytes = 64 * 1024;
/** More sets than that do not share a pod; what an annotation says is not trusted either. */
const maxVersions = 32;

/**
 * The state files of a pod's hot sidecars, by sidecar. Sidecars write them, so nothing about them is trusted: only the names that
 * the pod's annotations lead to are looked at, no link is followed, only regular files of at most 64 KiB are opened, and what is
 * no state file counts as missing.
 *
 * @throws ApiError as {@link holdSidecarFolder}; `ERR_BATON_UNREADABLE` for a file that this process may not read
 */
export function stateFilesOf(kubeletRoot: string, pod: Pod): Map<string, StateFile[]> {
  return new Map(
    sidecarsWithFolder(pod).map((sidecar): [string, StateFile[]] => {
      const folder = holdSidecarFolder(kubeletRoot, pod, sidecar);
      if (folder === undefined) return [sidecar, []];
      try {
        return [sidecar, versionsIn(pod, sidecar).flatMap((version) => read(folder, version) ?? [])];
      } finally {
        closeSync(folder);
      }
    }),
  );
}

/** The versions whose files say anything: what the copies have, what they had before the upgrade, and the idle one's. */
function versionsIn(pod: Pod, sidecar: string): string[] {
  const before = [...recordsOn(pod).values()].flatMap(({ previous }) =>
    copies(sidecar).map((copy) => previous.versions[copy]),
  );
  const now = copies(sidecar).map((copy) => pod.metadata?.annotations?.[versionKey(copy)]);
  const versions = new Set(['0', ...now, ...before].filter((version) => /^\d{1,20}$/.test(version ?? '')));
  return [...versions].flatMap((version) => version ?? []).slice(0, maxVersions);
}

function read(folder: number, version: string): StateFile | undefined {
  const held = hold(inside(folder, stateFileName(version)));
  if (held === undefined) return undefined;
  try {
    const { size } = fstatSync(held);
    if (!fstatSync(held).isFile() || size > maxBytes) return undefined;
    const state = parseStateFile(readText(held, size, stateFileName(version)));
    return typeof state === 'string' || state.version !== version ? undefined : state;
  } finally {
    closeSync(held);
  }
}

/** Reads the very file that was looked at, and no more of it than it had then. */
function readText(held: number, size: number, name: string): string {
  let file: number;
  try {
    file = openSync(itself(held), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (cause) {
    if (codeOf(cause) !== 'EACCES') throw cause;
    throw new ApiError(
      'ERR_BATON_UNREADABLE',
      `the agent may not read the state file ${name} of a sidecar: the SDK makes it with the mode 0644, and so must whatever else writes it`,
      { facts: { file: name }, cause },
    );
  }
  try {
    const buffer = Buffer.alloc(size);
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, size, 0));
  } finally {
    closeSync(file);
  }
}
