import type { Container, EnvVar, Pod, VolumeDevice, VolumeMount } from '../../api/kubernetes.ts';
import type { SidecarContainer } from '../../api/sidecar-set.ts';
import { envFinder, injectedVariable, subPathEnv } from './env.ts';
import type { Warn } from './warnings.ts';

/** Whether a container of a pod was injected, by this set or another; of several such variables the first counts. */
export const isInjectedContainer = (container: Container): boolean =>
  container.env?.find(({ name }) => name === injectedVariable.name)?.value === injectedVariable.value;

/** Mounts and devices that a sidecar shares, and the variables that the mounts' `subPathExpr` needs. */
export interface Shares {
  volumeMounts: VolumeMount[];
  volumeDevices: VolumeDevice[];
  env: EnvVar[];
}

/**
 * What a sidecar takes over of the application's containers by its `shareVolumePolicy` and `shareVolumeDevicePolicy`; a path
 * that it uses itself stays its own, and of two containers the first wins (`sidecarset.md` 2.6). The variables come along even
 * where the mount does not.
 */
export function sharesOf(sidecar: SidecarContainer, pod: Pod, warn: Warn): Shares {
  const sharesMounts = sidecar.shareVolumePolicy?.type === 'enabled';
  const sharesDevices = sidecar.shareVolumeDevicePolicy?.type === 'enabled';
  const taken = new Set([
    ...(sidecar.volumeMounts ?? []).map(({ mountPath }) => mountPath),
    ...(sidecar.volumeDevices ?? []).map(({ devicePath }) => devicePath),
  ]);
  const shares: Shares = { volumeMounts: [], volumeDevices: [], env: [] };
  for (const container of (pod.spec?.containers ?? []).filter((container) => !isInjectedContainer(container))) {
    const variable = envFinder(container);
    for (const mount of sharesMounts ? (container.volumeMounts ?? []) : []) {
      const { subPathExpr = '' } = mount;
      const needed = subPathEnv(subPathExpr, variable, (name) =>
        warn(`subPathExpr ${subPathExpr}: container ${container.name} has no ${name} in its env`),
      );
      shares.env.push(...needed);
      if (taken.has(mount.mountPath)) continue;
      taken.add(mount.mountPath);
      shares.volumeMounts.push(mount);
    }
    for (const device of sharesDevices ? (container.volumeDevices ?? []) : []) {
      if (taken.has(device.devicePath)) continue;
      taken.add(device.devicePath);
      shares.volumeDevices.push(device);
    }
  }
  return shares;
}
