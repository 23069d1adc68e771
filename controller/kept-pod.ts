import type { Container, ContainerStatus, Pod, PodCondition } from '../api/kubernetes.ts';
import { upgradableCondition } from '../api/upgradable.ts';
import type { KubernetesObject } from '../cluster/cluster.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

type WirePod = Pod & KubernetesObject;

/**
 * Makes a function that takes from a pod the part that a rollout depends on: all pods are kept in memory. Lists keep their length
 * and order, as patches name their items by number. What pods have in common, as those of one Deployment do, is kept once:
 * nobody may change it.
 */
export function createPodKeeper(): (pod: WirePod) => WirePod {
  const share = createShare();
  const text = (value: string): string => share(value, () => value);

  const keepContainer = ({ name, image, restartPolicy }: Container): Container =>
    share(['container', name, image, restartPolicy].join('\n'), () => given({ name, image, restartPolicy }));

  const keepStatus = (status: ContainerStatus): ContainerStatus => {
    const { name, image, imageID, containerID, ready, restartCount, state } = status;
    const shared = { name: text(name), image: text(image), imageID: text(imageID) };
    return given({ ...shared, containerID, ready, restartCount, state: state?.running && RUNNING });
  };

  const keepCondition = (condition: PodCondition): PodCondition => {
    const { type, status, lastTransitionTime } = condition;
    if (type === upgradableCondition) return condition;
    const key = ['condition', type, status, lastTransitionTime].join('\n');
    return share(key, () => given({ type, status, lastTransitionTime }));
  };

  const keepAnnotations = (annotations: Readonly<Record<string, string>>): Record<string, string> => {
    const kept: Record<string, string> = {};
    for (const [key, value] of Object.entries(annotations)) if (key !== LAST_APPLIED) kept[key] = text(value);
    return kept;
  };

  return ({ metadata, spec, status }) => {
    const { namespace, name, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels, annotations } =
      metadata;
    return {
      metadata: given({
        namespace: namespace && text(namespace),
        name,
        uid,
        resourceVersion,
        creationTimestamp: creationTimestamp && text(creationTimestamp),
        deletionTimestamp,
        labels: labels && share(`labels\n${JSON.stringify(labels)}`, () => labels),
        annotations: annotations && keepAnnotations(annotations),
      }),
      ...(spec && {
        spec: given({
          nodeName: spec.nodeName && text(spec.nodeName),
          containers: spec.containers.map(keepContainer),
          initContainers: spec.initContainers?.map(keepContainer),
        }),
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
  };
}

const RUNNING = { running: {} };

/** How many values are known at a time: pods that are alike are mostly written together. */
const KNOWN = 5_000;

/** Gives the same value for the same key, as far as it still knows it. */
function createShare(): <T>(key: string, make: () => T) => T {
  const known = new Map<string, unknown>();
  return <T>(key: string, make: () => T) => {
    if (known.has(key)) return known.get(key) as T;
    if (known.size === KNOWN) known.clear();
    const value = make();
    known.set(key, value);
    return value;
  };
}

/** The fields that have a value. */
function given<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) kept[key] = value;
  return kept as { [K in keyof T]: Exclude<T[K], undefined> };
}
