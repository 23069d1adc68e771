import type { ExecutionContext } from 'ava';
import { findContainer, lifeOf } from '../../../api/containers.ts';
import type { Container, PodSpec } from '../../../api/kubernetes.ts';
import { phaseOf, readRecords, type UpgradeRecord } from '../../../api/upgrade-record.ts';
import { upgradeKey, workingKey } from '../../../api/pod-contract.ts';
import type { SidecarSet, SidecarSetStatus } from '../../../api/sidecar-set.ts';
import type { KubernetesObject } from '../../../cluster/cluster.ts';
import { pods, sidecarSets } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { isReady, nodeScene, type NodeScene, type WirePod } from '../node/scene.ts';
import type { ClusterFacts } from '../node/start.ts';
import { names } from './images.ts';
import { installedCluster } from './system.ts';

export type WireSet = SidecarSet & KubernetesObject;
type SetSpec = SidecarSet['spec'];
export type SidecarContainer = NonNullable<SetSpec['containers']>[number];

/** A namespace of the test's own, and a SidecarSet of its name, on a cluster with Baton installed. */
export interface Scene extends NodeScene {
  /** The set's, the namespace's, and the value of the label `app` of its pods. */
  name: string;
  /** Creates the set, and waits until the controller has seen it. The default has the hot sidecar `side`. */
  createSet: (spec?: Partial<SetSpec>, name?: string) => Promise<WireSet>;
  /** Changes the spec; resolves when the API server has it. */
  publish: (spec: Partial<SetSpec>, name?: string) => Promise<WireSet>;
  getSet: (name?: string) => Promise<WireSet>;
  /** Creates a pod with the app that calls its sidecars, and waits until it is Ready. Its spec may have more. */
  startPod: (name: string, spec?: Partial<PodSpec>) => Promise<WirePod>;
  /** Waits until the set's status describes the spec as it is now, and this holds. */
  untilSet: (
    what: string,
    holds: (status: SidecarSetStatus) => boolean | undefined,
    ms?: number,
  ) => Promise<SidecarSetStatus>;
  /** Waits until the pod's upgrade to this image is Done; see {@link isUpgraded}. */
  untilUpgraded: (pod: string, image: string, sidecar?: string, ms?: number) => Promise<WirePod>;
}

/** The hot sidecar of the tests, the example `http-echo` on port 9091. */
export const hotSide = (image: string = names.v1, more: Partial<SidecarContainer> = {}): SidecarContainer => ({
  name: 'side',
  image,
  imagePullPolicy: 'IfNotPresent',
  lifecycle: { postStart: { exec: { command: ['/bin/sh', '/migrate.sh'] } } },
  ...more,
  upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: names.empty, ...more.upgradeStrategy },
});

/** The app's container; `ports` are the sidecars' that it calls. */
export const appContainer = (ports: readonly number[] = [9091]): Container => ({
  name: 'app',
  image: names.app,
  env: [{ name: 'CALLS', value: ports.join() }],
});

const UPGRADE_MS = 60_000;

/** @param facts of a cluster with Baton installed; the default is the one that all tests of the run share */
export async function startScene(t: ExecutionContext, facts?: ClusterFacts): Promise<Scene> {
  const scene = await nodeScene(t, facts ?? (await installedCluster(t)));
  const { cluster, namespace } = scene;
  const name = namespace;
  const getSet = (of = name): Promise<WireSet> => cluster.get<WireSet>(sidecarSets, { name: of });
  return {
    ...scene,
    name,
    getSet,
    async createSet(spec = {}, setName = name) {
      t.teardown(() => cluster.delete(sidecarSets, { name: setName }).catch(() => undefined));
      await cluster.create<WireSet>(sidecarSets, {
        metadata: { name: setName },
        spec: {
          selector: { matchLabels: { app: name } },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          containers: [hotSide()],
          ...spec,
        },
      });
      return until('the controller has seen the set', async () => {
        const set = await getSet(setName);
        return set.status?.observedGeneration === undefined ? undefined : set;
      });
    },
    publish: (spec, of = name) => cluster.patch(sidecarSets, { name: of }, { spec }),
    async startPod(podName, spec = {}) {
      await scene.createPod(podName, { containers: [appContainer()], ...spec }, { app: name });
      return scene.untilPod('Ready', podName, isReady);
    },
    async untilSet(what, holds, ms = UPGRADE_MS) {
      let last: WireSet | undefined;
      const look = async (): Promise<SidecarSetStatus | undefined> => {
        const { metadata, status } = (last = await getSet());
        return status?.observedGeneration === metadata.generation && status && holds(status) ? status : undefined;
      };
      return until(what, look, ms).catch((error: unknown) => {
        throw new Error(`${what}: ${JSON.stringify(last?.status)}`, { cause: error });
      });
    },
    async untilUpgraded(pod, image, sidecar = 'side', ms = UPGRADE_MS) {
      let last: WirePod | undefined;
      const look = async (): Promise<WirePod | undefined> => {
        last = await cluster.get<WirePod>(pods, { namespace, name: pod });
        return isUpgraded(last, name, image, sidecar) ? last : undefined;
      };
      return until(`${pod} runs ${image}`, look, ms).catch((error: unknown) => {
        const { metadata, status } = last ?? {};
        throw new Error(`${pod} runs ${image}: ${JSON.stringify([metadata?.annotations, status])}`, { cause: error });
      });
    },
  };
}

/** The serving copy of a sidecar, as the pod's annotation names it. */
export function workingCopy({ metadata }: WirePod, sidecar = 'side'): string {
  const working = JSON.parse(metadata.annotations?.[workingKey] ?? '{}') as Record<string, string>;
  const copy = working[sidecar];
  if (copy === undefined) throw new Error(`${metadata.name ?? ''} has no serving copy of ${sidecar}`);
  return copy;
}

export const idleCopy = (pod: WirePod, sidecar = 'side'): string => {
  const working = workingCopy(pod, sidecar);
  return `${sidecar}-${working.endsWith('-1') ? 2 : 1}`;
};

/** The set's record in `baton.dev/upgrade`; undefined without one. */
export function recordOf({ metadata }: WirePod, set: string): UpgradeRecord | undefined {
  const records = readRecords(metadata.annotations?.[upgradeKey]);
  const record = 'problem' in records ? undefined : records.value.get(set);
  return record && !('problem' in record) ? record.value : undefined;
}

/** The set's upgrade is over, and the serving copy has that image, the other one the empty image. */
export function isUpgraded(pod: WirePod, set: string, image: string, sidecar = 'side'): boolean {
  const record = recordOf(pod, set);
  if (!record || phaseOf(record, (container) => lifeOf(pod, container)) !== 'Done') return false;
  const imageOf = (container: string): string | undefined => findContainer(pod, container)?.container.image;
  return imageOf(workingCopy(pod, sidecar)) === image && imageOf(idleCopy(pod, sidecar)) === names.empty;
}
