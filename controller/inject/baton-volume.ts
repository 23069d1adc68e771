import type { Container, Volume } from '../../api/kubernetes.ts';
import { batonVolume, env } from '../../api/pod-contract.ts';

/** Where a hot sidecar's two copies meet: in memory, and bounded, as without a limit it could fill the whole machine's. */
const volume: Volume = { name: batonVolume.name, emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } };
const { directory } = batonVolume;

/** Whether a pod with these volumes can have Baton's: nothing else has its name. */
export const hasRoomForVolume = (volumes: readonly Volume[]): boolean =>
  volumes.every((other) => other.name !== volume.name || isVolume(other));

const isVolume = ({ emptyDir }: Volume): boolean =>
  emptyDir?.medium === volume.emptyDir?.medium && emptyDir?.sizeLimit === volume.emptyDir?.sizeLimit;

/** A pod's volumes with Baton's. */
export const withVolume = (volumes: readonly Volume[]): Volume[] =>
  volumes.some(({ name }) => name === volume.name) ? [...volumes] : [...volumes, volume];

/**
 * A copy of a hot sidecar with its folder, which no other sidecar can reach, and `BATON_DIR` unless the author set it. A sidecar
 * that has something else at that path keeps it, and the SDK falls back to `/dev/shm`.
 */
export function withFolder(container: Container, sidecar: string): Container {
  if (!hasRoomForFolder(container)) return container;
  const own = container.env ?? [];
  return {
    ...container,
    env: own.some(({ name }) => name === env.batonDir) ? own : [...own, { name: env.batonDir, value: directory }],
    volumeMounts: [...(container.volumeMounts ?? []), { name: volume.name, mountPath: directory, subPath: sidecar }],
  };
}

/** Whether a container has its folder in the volume. */
export const hasFolder = ({ volumeMounts }: Container): boolean =>
  (volumeMounts ?? []).some(({ name, mountPath }) => name === volume.name && mountPath === directory);

/** Whether a container's path for the folder is free. */
export function hasRoomForFolder({ volumeMounts, volumeDevices }: Container): boolean {
  const paths = [
    ...(volumeMounts ?? []).map(({ mountPath }) => mountPath),
    ...(volumeDevices ?? []).map(({ devicePath }) => devicePath),
  ];
  return paths.every((path) => path.replace(/\/+$/, '') !== directory);
}
