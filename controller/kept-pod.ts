import type { Container, ContainerStatus, Pod, PodCondition } from '../api/kubernetes.ts';
import { upgradableCondition } from '../api/upgradable.ts';
import type { KubernetesObject } from '../cluster/cluster.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * The part of a pod that a rollout depends on: all pods are kept in memory. Lists keep their length and order, as patches name
 * their items by number.
 */
export function keepPod({ metadata, spec, status }: Pod & KubernetesObject): Pod & KubernetesObject {
  const { namespace, name, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels, annotations } = metadata;
  return {
    metadata: given({
      namespace,
      name,
      uid,
      resourceVersion,
      creationTimestamp,
      deletionTimestamp,
      labels,
      annotations: annotations && without(annotations, LAST_APPLIED),
    }),
    ...(spec && {
      spec: {
        ...given({ nodeName: spec.nodeName }),
        containers: spec.containers.map(keepContainer),
        ...given({ initContainers: spec.initContainers?.map(keepContainer) }),
      },
    }),
    ...(status && {
      status: given({
        phase: status.phase,
        conditions: status.conditions?.map(keepCondition),
        containerStatuses: status.containerStatuses?.map(keepStatus),
        initContainerStatuses: status.initContainerStatuses?.map(keepStatus),
      }),
    }),
  };
}

const keepContainer = ({ name, image, restartPolicy }: Container): Container => given({ name, image, restartPolicy });

const keepStatus = (status: ContainerStatus): ContainerStatus => {
  const { name, image, imageID, containerID, ready, restartCount, state } = status;
  const running = state?.running && { running: {} };
  return given({ name, image, imageID, containerID, ready, restartCount, state: running });
};

const keepCondition = (condition: PodCondition): PodCondition => {
  const { type, status, lastTransitionTime } = condition;
  return type === upgradableCondition ? condition : given({ type, status, lastTransitionTime });
};

const without = (map: Readonly<Record<string, string>>, key: string): Record<string, string> =>
  Object.fromEntries(Object.entries(map).filter(([name]) => name !== key));

/** The fields that have a value. */
function given<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}
