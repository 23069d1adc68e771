import type { Container, Pod } from '../../api/kubernetes.ts';
import type { SidecarContainer, SidecarSet } from '../../api/sidecar-set.ts';
import { hasRoomForFolder, withFolder } from './baton-volume.ts';
import { addEnv, transferredEnv } from './env.ts';
import { hotPair, isHot, warnOfHotTraps } from './hot-pair.ts';
import type { Placed } from './merging.ts';
import { resourcesFor } from './resources.ts';
import { sharesOf } from './shares.ts';
import type { Warn } from './warnings.ts';

/** What a SidecarSet's containers have beyond a pod's. */
const SIDECAR_FIELDS = new Set([
  'podInjectPolicy',
  'upgradeStrategy',
  'shareVolumePolicy',
  'shareVolumeDevicePolicy',
  'transferEnv',
  'resourcesPolicy',
] satisfies (keyof SidecarContainer)[] as string[]);

/** What sidecars are made for. */
export interface Surroundings {
  /** As it is before anything is injected. */
  pod: Pod;
  /** The names that all matched sets declare: no targets of a `resourcesPolicy`. */
  declared: ReadonlySet<string>;
  /** Whether hot sidecars get a folder in the pod's volume. */
  hasVolume: boolean;
}

/** The containers and init containers that a set puts into a pod, hot ones as pairs (`sidecarset.md` 2.5 to 2.8, 3.1). */
export function sidecarsOf(
  { spec }: SidecarSet,
  surroundings: Surroundings,
  warn: Warn,
): { init: Placed[]; containers: Placed[] } {
  const build = (sidecars: SidecarContainer[] | undefined, isInit: boolean): Placed[] =>
    (sidecars ?? []).flatMap((sidecar) => {
      const warnHere: Warn = (message) => warn(`container ${sidecar.name}: ${message}`);
      const containers = buildSidecar(sidecar, isInit, surroundings, warnHere);
      return containers.map((container) => ({ container, policy: sidecar.podInjectPolicy }));
    });
  return { init: build(spec.initContainers, true), containers: build(spec.containers, false) };
}

function buildSidecar(
  sidecar: SidecarContainer,
  isInit: boolean,
  { pod, declared, hasVolume }: Surroundings,
  warn: Warn,
): Container[] {
  const shares = sharesOf(sidecar, pod, warn);
  const plain = Object.fromEntries(Object.entries(sidecar).filter(([field]) => !SIDECAR_FIELDS.has(field)));
  const container = addEnv(
    {
      ...(plain as unknown as Container),
      ...(shares.volumeMounts.length > 0 && {
        volumeMounts: [...(sidecar.volumeMounts ?? []), ...shares.volumeMounts],
      }),
      ...(shares.volumeDevices.length > 0 && {
        volumeDevices: [...(sidecar.volumeDevices ?? []), ...shares.volumeDevices],
      }),
      ...(sidecar.resourcesPolicy && { resources: resourcesFor(sidecar.name, sidecar.resourcesPolicy, pod, declared) }),
    },
    [...transferredEnv(sidecar.transferEnv ?? [], pod, warn), ...shares.env],
  );
  if (!isHot(sidecar, isInit)) return [container];
  warnOfHotTraps(container, warn);
  const pair = hotPair(container, sidecar.upgradeStrategy?.hotUpgradeEmptyImage);
  if (!hasVolume) return pair;
  if (!hasRoomForFolder(container)) warn('something else is mounted at /run/baton, so its copies meet in /dev/shm');
  return pair.map((copy) => withFolder(copy, sidecar.name));
}
