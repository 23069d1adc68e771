import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { ApiError } from '../../../api/error.ts';
import type { SidecarSet, SidecarSetCondition, SidecarSetStatus } from '../../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { events, pods, sidecarSets } from '../../../cluster/resource.ts';
import { until, type Scope } from '../../helpers/processes.ts';
import { binaries } from '../cluster-test.ts';
import { makeNamespace } from '../control-plane/namespace.ts';
import { startSystem, type System, type SystemOptions, type WirePod, type WireSet } from './start-system.ts';

export {
  home,
  setNodeReady,
  type System,
  type SystemOptions,
  type WirePod,
  type WireSet,
  type Write,
} from './start-system.ts';

/** To start all, on a machine that is busy. */
const START_TIMEOUT_MS = 180_000;

/** What the tests of one file share; it is started by the first that asks for it. See {@link startSystem}. */
export function sharedSystem(options: SystemOptions = {}): (t: ExecutionContext) => Promise<System> {
  const ends: (() => unknown)[] = [];
  const scope: Scope = { teardown: (end) => void ends.unshift(end) };
  let started: Promise<System> | undefined;
  test.after.always(async () => {
    for (const end of ends) await end();
  });
  return async (t) => {
    t.timeout(START_TIMEOUT_MS);
    return (started ??= startSystem(await binaries(t), scope, options));
  };
}

/** A namespace and a SidecarSet's name of one test's own, with what tests do to them. */
export interface Scene {
  system: System;
  namespace: string;
  /** What ends with the test. */
  scope: Scope;
  /** The set's name, and the value of the label `app` of its pods. */
  name: string;
  /** Creates it, or another one of the same pods, and waits until the controller has seen it. */
  createSet: (spec?: Partial<SidecarSet['spec']>, name?: string) => Promise<WireSet>;
  publish: (change: Partial<SidecarSet['spec']>) => Promise<WireSet>;
  getSet: () => Promise<WireSet>;
  pods: () => Promise<WirePod[]>;
  makePods: (
    count: number,
    spec?: { node?: string; labels?: Record<string, string>; prefix?: string },
  ) => Promise<void>;
  /** How many pods have each image of a container. */
  images: (container?: string) => Promise<Record<string, number>>;
  /** Waits until the status describes the spec as it is now, and this holds. */
  untilSet: (
    what: string,
    holds: (status: SidecarSetStatus) => boolean | undefined,
    ms?: number,
  ) => Promise<SidecarSetStatus>;
  /** `type reason` of the events of the set. */
  events: () => Promise<string[]>;
}

/** The sidecar that sets of tests have. */
export const side = (image: string): Partial<SidecarSet['spec']> => ({ containers: [{ name: 'side', image }] });
export const hotSide = (image: string, upgradeStrategy: object = {}): Partial<SidecarSet['spec']> => ({
  containers: [
    {
      name: 'side',
      image,
      upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'side:empty', ...upgradeStrategy },
    },
  ],
});

export const conditionOf = ({ conditions = [] }: SidecarSetStatus, type: string): SidecarSetCondition | undefined =>
  conditions.find((condition) => condition.type === type);

/** A scene of the test's own on the file's system; its set and pods go with it. */
export async function sceneOf(t: Scope, system: System): Promise<Scene> {
  const { cluster, controlPlane } = system;
  const namespace = await makeNamespace(t, controlPlane);
  // One that cannot be confused with other tests' sets.
  const name = namespace;
  const getSet = (): Promise<WireSet> => cluster.get<WireSet>(sidecarSets, { name });
  const list = async (): Promise<WirePod[]> => (await cluster.list<WirePod>(pods, { namespace })).items;
  return {
    system,
    scope: t,
    namespace,
    name,
    async createSet(spec = {}, setName = name) {
      t.teardown(() => cluster.delete(sidecarSets, { name: setName }).catch(() => undefined));
      await cluster.create<WireSet>(sidecarSets, {
        metadata: { name: setName },
        spec: {
          selector: { matchLabels: { app: name } },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          ...side('side:1'),
          ...spec,
        },
      });
      return until('the controller has seen it', async () => {
        const set = await cluster.get<WireSet>(sidecarSets, { name: setName });
        return set.status?.observedGeneration === undefined ? undefined : set;
      });
    },
    publish: (spec) => cluster.patch(sidecarSets, { name }, { spec }),
    getSet,
    pods: list,
    async makePods(count, { node = 'node-1', labels = {}, prefix = 'p' } = {}) {
      const make = (_: unknown, index: number): Promise<unknown> =>
        cluster.create<WirePod>(pods, {
          metadata: { namespace, name: `${prefix}${index}`, labels: { app: name, ...labels } },
          spec: { nodeName: node, containers: [{ name: 'app', image: 'app:1' }] },
        });
      await Promise.all(Array.from({ length: count }, make));
    },
    async images(container = 'side') {
      const counts: Record<string, number> = {};
      for (const { spec } of await list()) {
        const image = spec?.containers.find((one) => one.name === container)?.image ?? 'none';
        counts[image] = (counts[image] ?? 0) + 1;
      }
      return counts;
    },
    async untilSet(what, holds, ms = 30_000) {
      let last: WireSet | undefined;
      const look = async (): Promise<SidecarSetStatus | undefined> => {
        const { metadata, status } = (last = await getSet());
        return status?.observedGeneration === metadata.generation && status && holds(status) ? status : undefined;
      };
      return until(what, look, ms).catch((error: unknown) => {
        throw new Error(`${what}: ${JSON.stringify(last?.status)}`, { cause: error });
      });
    },
    async events() {
      const { items } = await cluster.list<
        KubernetesObject & { type: string; reason: string; involvedObject: { name?: string } }
      >(events, { namespace: 'default' });
      return items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ type, reason }) => `${type} ${reason}`);
    },
  };
}

const unlessAway = (error: unknown): void => {
  if (!(error instanceof ApiError && ['ERR_BATON_UNAVAILABLE', 'ERR_BATON_GONE'].includes(error.code))) throw error;
};

export interface Down {
  /** The most pods of the namespace that were down at any moment. */
  most: () => number;
  /** Ends the record. */
  stop: () => Promise<void>;
}

/** Records from a watch of its own how many pods of a namespace have a container that is not what their spec says. */
export async function watchDown(t: Scope, cluster: Cluster, namespace: string, container = 'side'): Promise<Down> {
  const over = new AbortController();
  const down = new Set<string>();
  let most = 0;
  const see = ({ metadata, spec, status }: WirePod): void => {
    const image = spec?.containers.find(({ name }) => name === container)?.image;
    const shown = status?.containerStatuses?.find(({ name }) => name === container);
    if (shown?.image === image && shown?.ready) down.delete(metadata.name ?? '');
    else down.add(metadata.name ?? '');
    most = Math.max(most, down.size);
  };
  const look = async (): Promise<string> => {
    const { items, resourceVersion } = await cluster.list<WirePod>(pods, { namespace });
    items.forEach(see);
    return resourceVersion;
  };
  const follow = async (from: string): Promise<void> => {
    for await (const event of cluster.watch<WirePod>(pods, { namespace, resourceVersion: from, signal: over.signal })) {
      if (event.type === 'MODIFIED') see(event.object);
    }
  };
  const first = await look();
  const watching = (async () => {
    for (let from: string | undefined = first; !over.signal.aborted; from = undefined) {
      // While the API server is away no pod changes; what was seen last stays down until something else is seen.
      await (from === undefined ? look() : Promise.resolve(from)).then(follow).catch(unlessAway);
      await delay(20);
    }
  })();
  const stop = async (): Promise<void> => {
    over.abort();
    await watching;
  };
  t.teardown(stop);
  return { most: () => most, stop };
}
