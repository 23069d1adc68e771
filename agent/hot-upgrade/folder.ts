import { containerOf } from '../../api/containers.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { batonVolume, copies, env } from '../../api/pod-contract.ts';

/**
 * What is wrong with the folder in which the copies of a hot sidecar meet: both have the one that the webhook gave them, or
 * neither has (OpenKruise injected the pod, or the author put something else there). Volumes of a pod never change, so this
 * was another webhook's doing.
 */
export function folderProblem(pod: Pod, sidecar: string): string | undefined {
  const { name: volume, directory } = batonVolume;
  const found = copies(sidecar).map((name) => {
    const container = containerOf(pod, name);
    const mount = container?.volumeMounts?.find(({ mountPath }) => mountPath === directory);
    const says = container?.env?.some(({ name, value }) => name === env.batonDir && value === directory) ?? false;
    return { name, mount, says };
  });
  const lost = found.find(({ mount, says }) => says && !mount);
  if (lost) return `${env.batonDir} of ${lost.name} is ${directory}, where nothing is mounted`;
  const mounted = found.filter(({ mount }) => mount?.name === volume);
  if (mounted.length === 0) return undefined;
  if (mounted.length === 1)
    return `of its copies only ${mounted[0]?.name ?? ''} has the volume ${volume} at ${directory}`;
  const strange = mounted.find(({ mount }) => mount?.subPath !== sidecar || mount.readOnly === true);
  if (strange)
    return `${strange.name} has not the folder ${sidecar} of the volume ${volume}, to write in, at ${directory}`;
  const isOurs = pod.spec?.volumes?.some(({ name, emptyDir }) => name === volume && emptyDir !== undefined) ?? false;
  return isOurs ? undefined : `the volume ${volume} is no emptyDir`;
}
