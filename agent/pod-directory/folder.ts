import { closeSync, fstatSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError } from '../../api/error.ts';
import type { Container, Pod } from '../../api/kubernetes.ts';
import { copies } from '../../api/pod-contract.ts';
import { holdFolder, inside } from './descriptor.ts';

/** Where the webhook lets a sidecar's copies meet: a folder of the pod's volume with the sidecar's name. */
const volumeName = 'baton';

/** The hot sidecars of a pod whose two copies share a folder of Baton's volume. */
export function sidecarsWithFolder({ spec }: Pod): string[] {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const named = new Map(containers.map((container) => [container.name, container]));
  return [...named.keys()].flatMap((name) => {
    const sidecar = name.replace(/-1$/, '');
    // It becomes part of a path: what the API server lets through as a name of a container, and nothing else.
    if (sidecar === name || !/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(sidecar)) return [];
    return copies(sidecar).every((copy) => mounts(named.get(copy), sidecar)) ? [sidecar] : [];
  });
}

const mounts = (container: Container | undefined, sidecar: string): boolean =>
  (container?.volumeMounts ?? []).some(({ name, subPath }) => name === volumeName && subPath === sidecar);

/**
 * Holds a sidecar's folder open, through the kubelet's directory of the pod. No link is followed below the kubelet's root, and
 * each name is looked at in the folder that was open before. The caller closes the descriptor at once: while it is open, the
 * kubelet cannot unmount the volume.
 *
 * @param kubeletRoot - the kubelet's `--root-dir`, as this process sees it
 * @returns undefined when the kubelet has not made the folder: no copy was ever started
 * @throws ApiError `ERR_BATON_KUBELET_ROOT` when the pod is not there, `ERR_BATON_MOUNT_PROPAGATION` when its volume is not
 */
export function holdSidecarFolder(kubeletRoot: string, pod: Pod, sidecar: string): number | undefined {
  const uid = pod.metadata?.uid ?? '';
  if (!/^[\w-]{1,128}$/.test(uid)) throw elsewhere(kubeletRoot, `${JSON.stringify(uid)} is no pod's uid`);
  const way: number[] = [];
  const enter = (path: string, fact: string): number => {
    const folder = holdFolder(path);
    if (folder === undefined) throw elsewhere(kubeletRoot, fact);
    way.push(folder);
    return folder;
  };
  try {
    let folder = enter(join(kubeletRoot, 'pods'), 'it has no folder pods');
    for (const name of [uid, 'volumes', 'kubernetes.io~empty-dir', volumeName]) {
      folder = enter(inside(folder, name), `it has no ${name} of pod ${uid}`);
    }
    requireMount(pod, way.at(-2), folder, kubeletRoot);
    return holdFolder(inside(folder, sidecar));
  } finally {
    for (const folder of way) closeSync(folder);
  }
}

/** A volume in memory is a file system of its own; what is seen without it is the folder under the mount. */
function requireMount({ spec, metadata }: Pod, above: number | undefined, volume: number, kubeletRoot: string): void {
  const isInMemory = spec?.volumes?.some(({ name, emptyDir }) => name === volumeName && emptyDir?.medium === 'Memory');
  if (!isInMemory || above === undefined || fstatSync(above).dev !== fstatSync(volume).dev) return;
  throw new ApiError(
    'ERR_BATON_MOUNT_PROPAGATION',
    `the volume ${volumeName} of pod ${metadata?.uid ?? ''} is not mounted where the agent sees ${kubeletRoot}: ` +
      'mount that folder into the agent with `mountPropagation: HostToContainer`',
    { facts: { kubeletRoot, pod: metadata?.uid } },
  );
}

function elsewhere(kubeletRoot: string, fact: string): ApiError {
  return new ApiError(
    'ERR_BATON_KUBELET_ROOT',
    `${kubeletRoot} is not the kubelet's root directory, as far as the agent sees: ${fact}. ` +
      "Give the agent the folder that the kubelet's --root-dir names.",
    { facts: { kubeletRoot } },
  );
}
