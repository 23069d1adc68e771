import type { Namespace } from '../../../api/kubernetes.ts';
import { injectedLabel } from '../../../api/pod-contract.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { controllerRevisions, namespaces, pods, sidecarSets } from '../../../cluster/resource.ts';
import { injectedWhileHalted, reconcile, type Seen } from '../../../controller/reconcile.ts';
import type { Plan } from '../../../controller/rollout/plan.ts';
import type { WrittenPod } from '../../../controller/rollout/verdict.ts';
import { type Halted, homeNamespace, type WirePod, type WireRevision, type WireSet } from './home.ts';
import { type Loop, startLoop } from './loop.ts';

/** What the controller made of one moment of the cluster. */
export interface Reconciled {
  /** The cluster's resourceVersion before it looked. Nothing has been written since, as long as this is the newest. */
  resourceVersion: string;
  /** By set. */
  plans: ReadonlyMap<string, Plan>;
}

export interface Controller extends Loop {
  /** Undefined before it has looked for the first time. */
  seen(): Reconciled | undefined;
  halted(): Halted;
}

/** How long before it looks again though nothing happened, in milliseconds: grants that nobody claims run out. */
const RESYNC_MS = 5_000;

/** Reconciles all sets whenever it is woken, until a reconcile changes nothing. */
export function startController(
  cluster: Cluster,
  onError: (error: Error) => void,
  onSeen: (seen: Reconciled) => void,
): Controller {
  const memory = { written: new Map<string, WrittenPod>(), noAgent: new Map<string, number>() };
  let seen: Reconciled | undefined;
  let halted: Halted = new Map();

  const look = async (): Promise<number | undefined> => {
    const sets = (await cluster.list<WireSet>(sidecarSets)).items;
    const labels = { matchLabels: { [injectedLabel]: 'true' } };
    const { items, resourceVersion } = await cluster.list<WirePod>(pods, { labels });
    const known: Seen = {
      pods: items,
      namespaces: (await cluster.list<Namespace & KubernetesObject>(namespaces)).items,
      revisions: (await cluster.list<WireRevision>(controllerRevisions)).items,
      sets: new Set(sets.map(({ metadata }) => metadata.name ?? '')),
    };
    const plans = new Map<string, Plan>();
    for (const set of sets) {
      const options = { cluster, namespace: homeNamespace, now: Date.now(), ...memory };
      plans.set(set.metadata.name ?? '', await reconcile(set, known, options));
    }
    halted = new Map(
      [...plans].flatMap(([set, plan]): [string, string][] => {
        const revision = injectedWhileHalted(plan, known.revisions);
        return revision === undefined ? [] : [[set, revision]];
      }),
    );
    seen = { resourceVersion, plans };
    onSeen(seen);
    const newest = (await cluster.list(sidecarSets, { limit: 1 })).resourceVersion;
    return newest === resourceVersion ? Date.now() + RESYNC_MS : Date.now();
  };
  return { ...startLoop(look, onError), seen: () => seen, halted: () => halted };
}
