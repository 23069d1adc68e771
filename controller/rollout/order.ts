import type { Pod } from '../../api/kubernetes.ts';
import type { UpdateStrategy } from '../../api/sidecar-set.ts';
import { comparePriority } from './priority.ts';
import { scatter } from './scatter.ts';

/**
 * The order in which waiting pods are upgraded: Kubernetes' order of how little a pod would be missed, then priority, then
 * scatter (`sidecarset.md` 4.3). Equal pods keep the order of the list.
 *
 * @param waiting - indexes into `pods`
 * @param pods - all matched pods
 */
export function orderOf(waiting: readonly number[], pods: readonly Pod[], strategy: UpdateStrategy): number[] {
  const keyed = waiting.map((index) => ({ index, key: sortKey(pods[index]) }));
  let order = keyed.sort((a, b) => compareKeys(a.key, b.key)).map(({ index }) => index);
  const { priorityStrategy, scatterStrategy } = strategy;
  const labels = (index: number): Record<string, string> | undefined => pods[index]?.metadata?.labels;
  if (priorityStrategy) {
    const compare = comparePriority(priorityStrategy);
    order = order.sort((a, b) => compare(labels(a), labels(b)));
  }
  return scatterStrategy
    ? scatter(
        order,
        pods.map(({ metadata }) => metadata?.labels ?? {}),
        scatterStrategy,
      )
    : order;
}

const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Numbers that order a pod before another when they are smaller. */
function sortKey(pod: Pod | undefined): number[] {
  const ready = pod?.status?.conditions?.find(({ type, status }) => type === 'Ready' && status === 'True');
  return [
    pod?.spec?.nodeName ? 1 : 0,
    PHASES[pod?.status?.phase ?? ''] ?? 0,
    ready ? 1 : 0,
    ready ? newestFirst(ready.lastTransitionTime) : 0,
    -maxRestarts(pod?.status?.containerStatuses),
    -maxRestarts(pod?.status?.initContainerStatuses?.filter(({ name }) => isNative(pod, name))),
    newestFirst(pod?.metadata?.creationTimestamp),
  ];
}

function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (let at = 0; at < a.length; at++) {
    const [mine = 0, other = 0] = [a[at], b[at]];
    if (mine !== other) return mine - other;
  }
  return 0;
}

/** A time that is not known comes before all others. */
function newestFirst(time: string | undefined): number {
  const at = Date.parse(time ?? '');
  return Number.isNaN(at) ? -Infinity : -at;
}

const maxRestarts = (statuses: readonly { restartCount?: number }[] | undefined): number =>
  (statuses ?? []).reduce((most, { restartCount = 0 }) => Math.max(most, restartCount), 0);

const isNative = (pod: Pod | undefined, name: string): boolean =>
  pod?.spec?.initContainers?.some((container) => container.name === name && container.restartPolicy === 'Always') ??
  false;
