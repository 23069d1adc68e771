import type { Container, ContainerStatus, Pod } from '../../api/kubernetes.ts';
import { ApiError } from '../../api/error.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { createQueue } from '../../cluster/kubernetes/queue.ts';
import { createReflector } from '../../cluster/kubernetes/reflector.ts';
import { pods } from '../../cluster/resource.ts';
import { digest } from '../../local/pod-spec.ts';
import { podStatus } from '../../local/pod-status.ts';

type Stored = Pod & KubernetesObject;

/** What becomes of a container with an image; while a postStart hook runs, what was before is shown. */
export type Outcome = 'ready' | 'never ready' | 'not pulled' | 'in its hook';

export interface TestKubeletOptions {
  cluster: Cluster;
  /** Looks after the pods of this namespace only: others may test on the same API server. */
  namespace?: string;
  /** The nodes whose pods it looks after; without it, all of them. */
  nodes?: readonly string[];
  /** Asked whenever a container is to start; without it, all become ready. */
  outcome?: (image: string, pod: Pod) => Outcome;
  /** From the change of a pod to its status, in milliseconds; the default is 0. A real kubelet takes 500 to 900. */
  delay?: number;
  /** How many statuses are written at once; the default is 16. */
  workers?: number;
}

/** Nodes without processes; see {@link startTestKubelet}. */
export interface TestKubelet {
  /** How many statuses it wrote. */
  writes(): number;
  /** Looks at every pod again: what `outcome` says may have changed. */
  lookAgain(): void;
  /** Rejects with the first thing that went wrong, other than that the API server could not be reached. */
  stop(): Promise<void>;
}

/**
 * Writes the status of bound pods as a kubelet does: containers run and are ready; one whose image changes is another
 * container, with another image ID and one restart more, and the pod stays ready, unless the image cannot be pulled. Pods that
 * are being deleted go. It keeps nothing in mind: another one goes on where it stopped.
 */
export function startTestKubelet(options: TestKubeletOptions): TestKubelet {
  const { cluster, namespace: only, nodes, outcome = () => 'ready', delay = 0, workers = 16 } = options;
  const over = new AbortController();
  let writes = 0;
  let failure: unknown;

  const work = async (key: string): Promise<undefined> => {
    const [namespace = '', name = ''] = key.split('/');
    const pod = reflector.get({ namespace, name });
    const node = pod?.spec?.nodeName;
    if (!pod || !node || nodes?.includes(node) === false) return;
    const { uid = '', resourceVersion = '', deletionTimestamp } = pod.metadata;
    if (deletionTimestamp) {
      await unlessOutdated(cluster.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, uid }));
      return;
    }
    const status = nextStatus(pod, outcome, Date.now());
    if (!status) return;
    writes += 1;
    // Conditions are a list that others write too: never over what was not read.
    const patch = { resourceVersion, subresource: 'status' } as const;
    await unlessOutdated(cluster.patch(pods, { namespace, name }, { status }, patch));
  };
  const queue = createQueue({
    work,
    workers,
    onFailure(_, error) {
      if (!(error instanceof ApiError && error.code === 'ERR_BATON_UNAVAILABLE')) failure ??= error;
    },
  });
  const see = ({ metadata }: Stored): void =>
    queue.addAfter(`${metadata.namespace ?? ''}/${metadata.name ?? ''}`, delay);
  const reflector = createReflector<Stored, Stored>({
    cluster,
    resource: pods,
    query: only === undefined ? {} : { namespace: only },
    keep: (pod) => pod,
    handlers: { added: see, updated: see },
    signal: over.signal,
  });

  return {
    writes: () => writes,
    lookAgain: () => reflector.list().forEach(see),
    async stop() {
      over.abort();
      await Promise.all([reflector.done, queue.stop()]);
      // What was thrown is passed on as it is.
      // eslint-disable-next-line @typescript-eslint/only-throw-error
      if (failure !== undefined) throw failure;
    },
  };
}

/** The status that a kubelet writes next; undefined where it has nothing to say. */
export function nextStatus(
  pod: Pod,
  outcome: (image: string, pod: Pod) => Outcome,
  now: number,
): NonNullable<Pod['status']> | undefined {
  const shown = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const next = (container: Container, isLasting: boolean): ContainerStatus => {
    const before = shown.find(({ name }) => name === container.name);
    return nextContainer(pod, container, before, { isLasting, outcome, now });
  };
  const init = (pod.spec?.initContainers ?? []).map((one) => next(one, one.restartPolicy === 'Always'));
  const containers = (pod.spec?.containers ?? []).map((one) => next(one, true));
  if ([...init, ...containers].every((status) => shown.includes(status))) return undefined;
  return podStatus(pod.status, { init, containers, address: '127.0.0.1', now });
}

interface Surroundings {
  /** Else it runs once, before the others. */
  isLasting: boolean;
  outcome: (image: string, pod: Pod) => Outcome;
  now: number;
}

/** The entry of one container: the one that is shown, where nothing changes. */
function nextContainer(
  pod: Pod,
  { name, image = '' }: Container,
  shown: ContainerStatus | undefined,
  { isLasting, outcome, now }: Surroundings,
): ContainerStatus {
  const becomes = outcome(image, pod);
  if (shown && (!isLasting || becomes === 'in its hook')) return shown;
  if (shown?.state?.running && shown.image === image && shown.ready === (becomes === 'ready')) return shown;
  const at = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  const ended = { exitCode: 0, reason: 'Completed', startedAt: at, finishedAt: at };
  const lastState = shown?.containerID && {
    lastState: { terminated: { ...ended, containerID: shown.containerID } },
  };
  if (becomes === 'not pulled') {
    if (shown?.state?.waiting) return shown;
    // The old container is stopped before the pull, and its image stays the one that is shown.
    const old = { name, image: shown?.image ?? image, imageID: shown?.imageID ?? '' };
    const restartCount = shown?.restartCount ?? 0;
    const state = { waiting: { reason: 'ErrImagePull' } };
    return { ...shown, ...old, restartCount, ready: false, started: false, state, ...lastState };
  }
  // Only readiness changes: the container is the same.
  if (shown?.state?.running && shown.image === image) return { ...shown, ready: becomes === 'ready' };
  const restartCount = shown ? shown.restartCount + 1 : 0;
  return {
    name,
    image,
    imageID: `test/${image}@sha256:${digest(image)}`,
    containerID: `test://${digest(`${pod.metadata?.uid ?? ''}/${name}/${restartCount}`)}`,
    restartCount,
    ready: !isLasting || becomes === 'ready',
    started: isLasting,
    state: isLasting ? { running: { startedAt: at } } : { terminated: ended },
    ...lastState,
  };
}

/** Somebody else wrote the pod, which the watch will tell, or it is gone. */
async function unlessOutdated(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    const isOutdated = error instanceof ApiError && ['ERR_BATON_CONFLICT', 'ERR_BATON_NOT_FOUND'].includes(error.code);
    if (!isOutdated) throw error;
  }
}
