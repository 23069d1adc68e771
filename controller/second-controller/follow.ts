import type { Lease, Pod } from '../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { systemClock, type Clock } from '../../cluster/kubernetes/clock.ts';
import type { Report } from '../../cluster/kubernetes/follow.ts';
import { createReflector } from '../../cluster/kubernetes/reflector.ts';
import { leases, pods as podResource, type Resource } from '../../cluster/resource.ts';
import { managerLabels, managerLease, secondController } from './evidence.ts';

export interface FollowOptions {
  cluster: Cluster;
  /** Where OpenKruise keeps its Lease. */
  namespace: string;
  /** Ends the watches. */
  signal: AbortSignal;
  /** Told when another begins to act, by what shows it, or has stopped: `undefined`. */
  onChange?: (message: string | undefined) => void;
  /** Told how each watch fares. */
  report?: (resource: Resource, report: Report) => void;
  clock?: Clock;
  /** Wall-clock milliseconds. */
  now?: () => number;
}

/** Whether another controller acts on SidecarSets, kept up to date. */
export interface SecondControllerWatch {
  /** Resolves when it is known: `true`; or `false` when it ended before. */
  readonly synced: Promise<boolean>;
  /** Resolves when the watches have ended by the signal. */
  readonly done: Promise<unknown>;
  /** What shows that another acts; undefined when nobody does. */
  acts(): string | undefined;
  /**
   * Does the work while nobody else acts: its signal aborts when another begins, and it is done anew when that has stopped.
   * Resolves when the signal has aborted and the work has ended, or when the work ended by itself.
   */
  whileAlone(signal: AbortSignal, work: (alone: AbortSignal) => Promise<void>): Promise<void>;
}

/** Follows OpenKruise's Lease, which a leader renews every 2 s, and its pods; where there is no OpenKruise nothing comes. */
export function followSecondController(options: FollowOptions): SecondControllerWatch {
  const { cluster, namespace, signal, onChange, report, clock = systemClock, now = Date.now } = options;
  const changes = new EventTarget();
  let current: string | undefined;
  let lease: { lease: Lease & KubernetesObject; since: number } | undefined;
  let cancel = (): void => undefined;

  const look = (): void => {
    cancel();
    const seen = lease && { lease: lease.lease, unchanged: clock.now() - lease.since };
    const found = secondController({ pods: managers.list(), lease: seen, now: now() });
    if (found?.until !== undefined && !signal.aborted) cancel = clock.after(found.until, look);
    // Renewals and restarts are no change: it acts, or it does not.
    const changed = (found === undefined) !== (current === undefined);
    current = found?.message;
    if (!changed) return;
    onChange?.(current);
    changes.dispatchEvent(new Event('change'));
  };
  const reported = (resource: Resource) => (report ? { report: (told: Report) => report(resource, told) } : {});
  const managers = createReflector<Pod & KubernetesObject, Pod>({
    cluster,
    resource: podResource,
    query: { labels: { matchLabels: managerLabels } },
    keep: ({ metadata: { namespace: home = '', name = '' }, spec, status }) => ({
      metadata: { namespace: home, name },
      spec: {
        containers: (spec?.containers ?? []).map(({ name: container, image = '' }) => ({ name: container, image })),
      },
      ...(status?.phase !== undefined && { status: { phase: status.phase } }),
    }),
    handlers: { added: look, updated: look, deleted: look },
    signal,
    clock,
    ...reported(podResource),
  });
  const observe = (next: Lease & KubernetesObject): void => {
    if (next.metadata.resourceVersion !== lease?.lease.metadata.resourceVersion)
      lease = { lease: next, since: clock.now() };
    look();
  };
  const held = createReflector<Lease & KubernetesObject, Lease & KubernetesObject>({
    cluster,
    resource: leases,
    query: { namespace, fields: { 'metadata.name': managerLease } },
    keep: (found) => found,
    handlers: {
      added: observe,
      updated: observe,
      deleted() {
        lease = undefined;
        look();
      },
    },
    signal,
    clock,
    ...reported(leases),
  });
  signal.addEventListener('abort', () => cancel(), { once: true });

  return {
    synced: Promise.all([managers.synced, held.synced]).then((outcomes) => outcomes.every((synced) => synced)),
    done: Promise.all([managers.done, held.done]),
    acts: () => current,
    async whileAlone(over, work) {
      while (!over.aborted) {
        const news = nextChange(changes, over);
        if (current === undefined) {
          const alone = AbortSignal.any([over, news.signal]);
          await work(alone);
          if (!alone.aborted) return;
        }
        await news.happened;
      }
    },
  };
}

/** The next change, or the end: as a signal that aborts, and as a promise. */
function nextChange(changes: EventTarget, over: AbortSignal): { signal: AbortSignal; happened: Promise<void> } {
  const next = new AbortController();
  const happened = new Promise<void>((resolve) => {
    const come = (): void => {
      changes.removeEventListener('change', come);
      over.removeEventListener('abort', come);
      next.abort();
      resolve();
    };
    changes.addEventListener('change', come);
    over.addEventListener('abort', come);
    if (over.aborted) come();
  });
  return { signal: next.signal, happened };
}
