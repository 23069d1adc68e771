import { lstatSync } from 'node:fs';
import { join } from 'node:path';

/**
 * When the kubelet started, in milliseconds since the epoch of the node's clock: it binds the socket of its pod resources API anew
 * each time (`ListenAndServePodResources`), so that file is as old as the process.
 *
 * @param kubeletRoot - the kubelet's `--root-dir`, as this process sees it
 * @returns undefined where that cannot be seen
 */
export function kubeletStart(kubeletRoot: string): number | undefined {
  const found = lstatSync(join(kubeletRoot, 'pod-resources', 'kubelet.sock'), { throwIfNoEntry: false });
  return found?.isSocket() ? found.mtimeMs : undefined;
}
