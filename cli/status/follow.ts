import type { Namespace, Node, Pod } from '../../api/kubernetes.ts';
import { injectedLabel } from '../../api/pod-contract.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { createReflector, type Reflector, type ReflectorOptions } from '../../cluster/kubernetes/reflector.ts';
import { namespaces, nodes, pods, sidecarSets, type Resource } from '../../cluster/resource.ts';
import { createPodKeeper } from '../../controller/kept-pod.ts';
import { createMemory, type Memory } from '../../controller/rollout/memory.ts';
import { reportOf, type SetReport } from './report.ts';

/** The first list of something failed, so that there is nothing to show. */
export class Unseen extends Error {
  readonly resource: Resource;

  constructor(resource: Resource, cause: unknown) {
    super(`cannot list ${resource.plural}`, { cause });
    this.resource = resource;
  }
}

export interface FollowedOptions {
  cluster: Cluster;
  signal: AbortSignal;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Something may look different now. */
  onChange: () => void;
}

/** All that the reports are made of, kept up to date until the signal aborts. */
export interface Followed {
  /** Resolves with `true` when there is something to show, with `false` when it ended before; rejects with {@link Unseen}. */
  readonly synced: Promise<boolean>;
  names: () => string[];
  /** Of one set, or of all; none of a set that does not exist. */
  reports: (name?: string) => SetReport[];
  /** What went wrong with a watch a moment ago; it is tried again. */
  trouble: () => string | undefined;
}

type Wire<T> = T & KubernetesObject;

/** How long a watch that failed is told of, in milliseconds: a little longer than the longest pause between two tries. */
const TOLD = 45_000;

/** Watches the sets and what decides about their pods. */
export function followSets({ cluster, signal, now, onChange }: FollowedOptions): Followed {
  let failed: { at: number; text: string } | undefined;
  let fail: (unseen: Unseen) => void = () => undefined;
  const failure = new Promise<never>((_, reject) => (fail = reject));
  const handlers = { added: onChange, updated: onChange, deleted: onChange };
  const watch = <T extends KubernetesObject, K>(
    resource: Resource,
    options: Pick<ReflectorOptions<T, K>, 'keep' | 'query'>,
  ): Reflector<K> =>
    createReflector<T, K>({
      ...{ cluster, resource, signal, handlers },
      ...options,
      report(report) {
        if (report.type !== 'failed') return;
        fail(new Unseen(resource, report.error));
        failed = { at: now(), text: `${resource.plural}: ${report.error.message}` };
        onChange();
      },
    });

  const sets = watch<Wire<SidecarSet>, Wire<SidecarSet>>(sidecarSets, { keep: (set) => set });
  const injected = watch<Wire<Pod>, Wire<Pod>>(pods, {
    query: { labels: { matchLabels: { [injectedLabel]: 'true' } } },
    keep: createPodKeeper(),
  });
  const places = watch<Wire<Namespace>, Namespace>(namespaces, {
    keep: ({ metadata: { name = '', labels } }) => ({ metadata: { name, ...(labels && { labels }) } }),
  });
  const machines = watch<Wire<Node>, { name: string; ready: boolean }>(nodes, {
    keep: ({ metadata: { name = '' }, status }) => ({
      name,
      ready: status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    }),
  });
  const all = [sets, injected, places, machines];
  const memories = new Map<string, Memory>();

  return {
    synced: Promise.race([Promise.all(all.map(({ synced }) => synced)).then((each) => each.every(Boolean)), failure]),
    names: () => sets.list().map(({ metadata: { name = '' } }) => name),
    reports(name) {
      const chosen = sets.list().filter(({ metadata }) => name === undefined || metadata.name === name);
      const seen = {
        pods: injected.list(),
        namespaces: places.list(),
        notReadyNodes: new Set(machines.list().flatMap(({ name: node, ready }) => (ready ? [] : [node]))),
        now: now(),
      };
      return chosen.map((set) => {
        const key = set.metadata.uid ?? '';
        const memory = memories.get(key) ?? createMemory();
        memories.set(key, memory);
        return reportOf(set, { ...seen, memory });
      });
    },
    trouble: () => (failed && now() - failed.at < TOLD ? failed.text : undefined),
  };
}
