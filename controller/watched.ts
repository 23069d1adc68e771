import { isDeepStrictEqual } from 'node:util';
import type { ControllerRevision, Namespace, Node, Pod } from '../api/kubernetes.ts';
import { readInjectedList } from '../api/pod-annotations.ts';
import { injectedLabel, injectedListKey } from '../api/pod-contract.ts';
import { revisionLabels } from '../api/revision-labels.ts';
import type { SidecarSet } from '../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../cluster/cluster.ts';
import type { Report } from '../cluster/kubernetes/follow.ts';
import { createReflector, type ReflectorOptions } from '../cluster/kubernetes/reflector.ts';
import * as resources from '../cluster/resource.ts';
import type { Resource } from '../cluster/resource.ts';
import { whitelistConfigMap, whitelistOf, type AdmissionSources } from './admission.ts';
import { createPodKeeper } from './kept-pod.ts';
import type { Seen } from './reconcile.ts';

export interface WatchedOptions {
  cluster: Cluster;
  /** Where ControllerRevisions and the ConfigMap are kept. */
  namespace: string;
  /** Ends all watches. */
  signal: AbortSignal;
  /** Something changed that a set's rollout depends on, its pods mostly: `soon`, or the set itself: `now`. */
  onChange: (set: string, when: 'now' | 'soon') => void;
  /** Told how each watch fares. */
  report?: (resource: Resource, report: Report) => void;
}

/** What the controller knows of the cluster, kept up to date. */
export interface Watched {
  /** Resolves when everything has been seen once: `true`; or `false` when it ended before. */
  readonly synced: Promise<boolean>;
  /** Resolves when all watches have ended by the signal. */
  readonly done: Promise<unknown>;
  set(name: string): SidecarSet | undefined;
  sets(): SidecarSet[];
  /** What a step of this set's rollout looks at. */
  seenFor(set: string): Seen;
  /** What admission looks up, but for clock and chance. */
  sources(): Sources;
}

type Sources = Omit<AdmissionSources, 'now' | 'draw'>;

type Wire<T> = T & KubernetesObject;

/** Watches the SidecarSets, the pods that carry one, namespaces, nodes, revisions and the whitelist. */
export function watchAll({ cluster, namespace, signal, onChange, report }: WatchedOptions): Watched {
  const watch = <T extends KubernetesObject, K>(
    resource: Resource,
    options: Pick<ReflectorOptions<T, K>, 'keep' | 'query' | 'handlers' | 'indexes'>,
  ) =>
    createReflector<T, K>({
      cluster,
      resource,
      signal,
      ...options,
      ...(report && { report: (told) => report(resource, told) }),
    });
  /** Made when they are asked for, and again when what they are made of has changed. */
  let sources: Sources | undefined;
  const forget = (): void => void (sources = undefined);
  const changed = ({ metadata }: Wire<SidecarSet>): void => {
    forget();
    onChange(metadata.name ?? '', 'now');
  };
  const changedPod = (pod: Wire<Pod>): void => setsOf(pod).forEach((set) => onChange(set, 'soon'));
  const changedAll = (): void => sets.list().forEach(({ metadata }) => onChange(metadata.name ?? '', 'soon'));
  const changedNamespace = (): void => {
    forget();
    changedAll();
  };

  const sets = watch<Wire<SidecarSet>, Wire<SidecarSet>>(resources.sidecarSets, {
    keep: (set) => set,
    handlers: {
      added: changed,
      updated(set, old) {
        forget();
        if (!isSameButStatus(set, old)) changed(set);
        // Mostly the controller's own write; what somebody else made of it is made good.
        else if (!isDeepStrictEqual(set.status, old.status)) onChange(set.metadata.name ?? '', 'soon');
      },
      deleted: changed,
    },
  });
  const pods = watch<Wire<Pod>, Wire<Pod>>(resources.pods, {
    query: { labels: { matchLabels: { [injectedLabel]: 'true' } } },
    keep: createPodKeeper(),
    indexes: { set: setsOf },
    handlers: {
      added: changedPod,
      updated(pod, old) {
        changedPod(old);
        changedPod(pod);
      },
      deleted: changedPod,
    },
  });
  const namespaces = watch<Wire<Namespace>, Wire<Namespace>>(resources.namespaces, {
    keep: ({ metadata: { name, labels } }) => ({ metadata: { name: name ?? '', ...(labels && { labels }) } }),
    handlers: { added: changedNamespace, updated: changedNamespace, deleted: changedNamespace },
  });
  const nodes = watch<Wire<Node>, { name: string; ready: boolean }>(resources.nodes, {
    keep: ({ metadata, status }) => ({
      name: metadata.name ?? '',
      ready:
        status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false,
    }),
    handlers: {
      added: changedAll,
      updated(node, old) {
        if (node.ready !== old.ready) changedAll();
      },
      deleted: changedAll,
    },
  });
  const revisions = watch<Wire<ControllerRevision>, Wire<ControllerRevision>>(resources.controllerRevisions, {
    query: { namespace, labels: { matchExpressions: [{ key: revisionLabels.set, operator: 'Exists' }] } },
    keep: (revision) => revision,
    handlers: {
      added: forget,
      updated: forget,
      deleted({ metadata }) {
        forget();
        onChange(metadata.labels?.[revisionLabels.set] ?? '', 'soon');
      },
    },
  });
  const configMaps = watch<KubernetesObject & { data?: Record<string, string> }, string | undefined>(
    resources.configMaps,
    {
      query: { namespace, fields: { 'metadata.name': whitelistConfigMap } },
      keep: whitelistOf,
      handlers: { added: forget, updated: forget, deleted: forget },
    },
  );

  const sourcesNow = (): Sources => ({
    halted: new Map(
      sets
        .list()
        .flatMap(({ metadata: { name = '' }, status }): [string, string][] =>
          status?.injectedRevision ? [[name, status.injectedRevision]] : [],
        ),
    ),
    sidecarSets: sets.list(),
    namespaces: namespaces.list(),
    revisions: revisions.list(),
    whitelist: configMaps.get({ namespace, name: whitelistConfigMap }),
  });

  const all = [sets, pods, namespaces, nodes, revisions, configMaps];
  return {
    synced: Promise.all(all.map(({ synced }) => synced)).then((outcomes) => outcomes.every((synced) => synced)),
    done: Promise.all(all.map(({ done }) => done)),
    set: (name) => sets.get({ name }),
    sets: () => sets.list(),
    seenFor: (set) => ({
      // Their order is always the same: so are those that come first of pods that are equal in all else.
      pods: pods.by('set', set),
      namespaces: namespaces.list(),
      revisions: revisions.list(),
      sets: new Set(sets.list().map(({ metadata }) => metadata.name ?? '')),
      notReadyNodes: new Set(nodes.list().flatMap(({ name, ready }) => (ready ? [] : [name]))),
    }),
    sources: () => (sources ??= sourcesNow()),
  };
}

const setsOf = ({ metadata }: Wire<Pod>): string[] => readInjectedList(metadata.annotations?.[injectedListKey]);

/** The status is the controller's own to write. */
export const isSameButStatus = (set: SidecarSet, old: SidecarSet): boolean =>
  set.metadata.uid === old.metadata.uid &&
  set.metadata.generation === old.metadata.generation &&
  isDeepStrictEqual(set.metadata.annotations, old.metadata.annotations);
