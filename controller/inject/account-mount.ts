import type { Container, Pod, Volume, VolumeMount } from '../../api/kubernetes.ts';

const PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** What the API server calls the volume that it adds. */
const PREFIX = 'kube-api-access-';

/**
 * Gives containers that were injected the service account's token as the API server's ServiceAccount plugin gave it to those that
 * there were: at the same path, unless they have something there. The plugin would do so anyway, behind the webhook, and a pod
 * that it changes is reviewed a second time (`reinvocationPolicy: IfNeeded`).
 *
 * @returns the pod itself where nothing is to be added
 */
export function withAccountMount(pod: Pod): Pod {
  const { spec } = pod;
  // What is reviewed was not validated yet: a volume may lack its name.
  const volumes: Partial<Volume>[] | undefined = spec?.volumes;
  const volume = volumes?.find(({ name, projected }) => name?.startsWith(PREFIX) && projected)?.name;
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  const lacks = (container: Container): boolean => !mountsOf(container).some(({ mountPath }) => mountPath === PATH);
  const mount = containers.flatMap(mountsOf).find(({ name, mountPath }) => name === volume && mountPath === PATH);
  if (!spec || !mount || !containers.some(lacks)) return pod;
  const mounted = (container: Container): Container =>
    lacks(container) ? { ...container, volumeMounts: [...mountsOf(container), mount] } : container;
  return {
    ...pod,
    spec: {
      ...spec,
      containers: spec.containers.map(mounted),
      ...(spec.initContainers && { initContainers: spec.initContainers.map(mounted) }),
    },
  };
}

const mountsOf = ({ volumeMounts }: Container): VolumeMount[] => volumeMounts ?? [];
