import jsonpatch from 'fast-json-patch';
import { lifeOf } from '../../../api/containers.ts';
import { hashesOf } from '../../../api/hash.ts';
import type { ContainerStatus, Pod } from '../../../api/kubernetes.ts';
import { printHashes } from '../../../api/pod-annotations.ts';
import {
  copies,
  hashKey,
  hashWithoutImageKey,
  injectedListKey,
  upgradeKey,
  versionAltKey,
  versionKey,
  workingKey,
} from '../../../api/pod-contract.ts';
import type { SidecarSet, UpdateStrategy } from '../../../api/sidecar-set.ts';
import { printRecords, type UpgradeRecord } from '../../../api/upgrade-record.ts';
import { plan, type Context, type Plan } from '../../../controller/rollout/plan.ts';
import type { PodWrite } from '../../../controller/rollout/pod-write.ts';
import { subjectOf } from '../../../controller/rollout/subject.ts';

export const now = Date.UTC(2026, 0, 2, 3, 4, 5);
export const EMPTY = 'empty:0';

interface SetOptions {
  hot?: boolean;
  native?: boolean;
  strategy?: UpdateStrategy;
  annotations?: Record<string, string>;
  resourceVersion?: string;
}

/** A set `s` with one sidecar `side` and true hashes. */
export function setWith(image: string, options: SetOptions = {}): SidecarSet {
  const { hot = false, native = false, strategy = {}, annotations = {}, resourceVersion = '200' } = options;
  const sidecar = {
    name: 'side',
    image,
    ...(native && { restartPolicy: 'Always' as const }),
    upgradeStrategy: hot
      ? { upgradeType: 'HotUpgrade' as const, hotUpgradeEmptyImage: EMPTY, soakSeconds: 2 }
      : { upgradeType: 'ColdUpgrade' as const },
  };
  const set: SidecarSet = {
    metadata: { name: 's', uid: 'u', generation: 3, resourceVersion },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      ...(native ? { initContainers: [sidecar] } : { containers: [sidecar] }),
      updateStrategy: { type: 'RollingUpdate', partition: 0, maxUnavailable: 1, ...strategy },
    },
  };
  const { hash, hashWithoutImage } = hashesOf(set);
  const hashes = { [hashKey]: hash, [hashWithoutImageKey]: hashWithoutImage };
  return { ...set, metadata: { ...set.metadata, annotations: { ...hashes, ...annotations } } };
}

const statusOf = (name: string, image: string): ContainerStatus => ({
  name,
  image,
  imageID: `id/${image}`,
  containerID: `containerd://${name}-${image}`,
  ready: true,
  restartCount: 0,
  state: { running: {} },
});

interface PodOptions {
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ready?: boolean;
  node?: string;
}

/** A pod that this set was injected into, as it runs on a node. */
export function podOf(set: SidecarSet, name: string, options: PodOptions = {}): Pod {
  const { labels = {}, annotations = {}, ready = true, node = 'n1' } = options;
  const { hash, hashWithoutImage, sidecarList, sidecars, name: setName } = subjectOf(set, []);
  const entry = { updateTimestamp: '2026-01-01T00:00:00Z', sidecarSetName: setName, sidecarList };
  const hot = sidecars.filter(({ emptyImage }) => emptyImage !== undefined);
  const built = sidecars.flatMap(({ name: sidecar, image, emptyImage, isNative }) =>
    (emptyImage === undefined
      ? [[sidecar, image]]
      : copies(sidecar).map((copy, index) => [copy, index === 0 ? image : emptyImage])
    ).map(([container = '', containerImage = '']) => ({ name: container, image: containerImage, isNative })),
  );
  const containers = [...built.filter(({ isNative }) => !isNative), { name: 'main', image: 'app:1' }];
  const natives = built.filter(({ isNative }) => isNative);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      resourceVersion: '100',
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels: { app: 'web', ...labels },
      annotations: {
        [hashKey]: printHashes(new Map([[setName, { ...entry, hash, controllerRevision: `s-${hash.slice(0, 6)}` }]])),
        [hashWithoutImageKey]: printHashes(new Map([[setName, { ...entry, hash: hashWithoutImage }]])),
        [injectedListKey]: setName,
        ...(hot.length > 0 && {
          [workingKey]: JSON.stringify(Object.fromEntries(hot.map((pair) => [pair.name, copies(pair.name)[0]]))),
        }),
        ...Object.fromEntries(
          hot.flatMap((pair) => {
            const [first, second] = copies(pair.name);
            return [
              [versionKey(first), '1'],
              [versionAltKey(first), '0'],
              [versionKey(second), '0'],
              [versionAltKey(second), '1'],
            ];
          }),
        ),
        ...annotations,
      },
    },
    spec: {
      nodeName: node,
      containers: containers.map(({ name: container, image }) => ({ name: container, image })),
      ...(natives.length > 0 && {
        initContainers: natives.map(({ name: container, image }) => ({
          name: container,
          image,
          restartPolicy: 'Always',
        })),
      }),
    },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:01:00Z' }],
      containerStatuses: containers.map(({ name: container, image }) => statusOf(container, image)),
      ...(natives.length > 0 && {
        initContainerStatuses: natives.map(({ name: container, image }) => statusOf(container, image)),
      }),
    },
  };
}

export const podsOf = (set: SidecarSet, count: number, options: PodOptions = {}): Pod[] =>
  Array.from({ length: count }, (_, index) => podOf(set, `p${index}`, options));

export const planOf = (set: SidecarSet, pods: readonly Pod[], context: Partial<Context> = {}): Plan =>
  plan(set, pods, { now, controllerRevision: 's-new', collisionCount: 0, ...context });

/** The pod after a write. */
export function written(pod: Pod, { patch }: PodWrite): Pod {
  const operations = structuredClone(patch) as jsonpatch.Operation[];
  const { newDocument } = jsonpatch.applyPatch(structuredClone(pod), operations, true);
  const resourceVersion = String(Number(pod.metadata?.resourceVersion) + 1);
  return { ...newDocument, metadata: { ...newDocument.metadata, resourceVersion } };
}

/** The pods after all of these writes. */
export function afterWrites(pods: readonly Pod[], writes: readonly PodWrite[]): Pod[] {
  const byName = new Map(writes.map((write) => [write.name, write]));
  return pods.map((pod) => {
    const write = byName.get(pod.metadata?.name ?? '');
    return write ? written(pod, write) : pod;
  });
}

/** The pod when its node has caught up with its spec. */
export const settled = (pod: Pod): Pod => ({
  ...pod,
  status: {
    ...pod.status,
    containerStatuses: (pod.spec?.containers ?? []).map(({ name, image = '' }) => statusOf(name, image)),
  },
});

/** A pod with the agent's record of this set; the new copy, `side-2`, has not started unless `before` says that it has. */
export function withRecord(
  pod: Pod,
  record: Partial<UpgradeRecord> & Pick<UpgradeRecord, 'phase' | 'revision'>,
  { set = 's', before = lifeOf(pod, 'side-2').id }: { set?: string; before?: string } = {},
): Pod {
  const full: UpgradeRecord = {
    hash: record.revision,
    startedAt: now,
    phaseAt: now,
    deadline: now + 300_000,
    sidecars: {
      side: {
        emptyImage: EMPTY,
        migrationTimeoutSeconds: 300,
        drainTimeoutSeconds: 600,
        soakSeconds: 0,
        rollback: 'Automatic',
      },
    },
    previous: {
      hash: null,
      working: { side: 'side-1' },
      versions: {},
      images: {},
      containerIDs: { 'side-2': before },
    },
    emptied: record.phase === 'RollingBack' ? ['side-2'] : [],
    highestVersion: '200',
    ...record,
  };
  return withAnnotation(pod, upgradeKey, printRecords(new Map([[set, full]])));
}

export const withAnnotation = (pod: Pod, key: string, value: string): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, annotations: { ...pod.metadata?.annotations, [key]: value } },
});

export const verdictOf = ({ pods }: Plan, name = 'p0'): string => {
  const found = pods.find((pod) => pod.name === name);
  return `${found?.verdict ?? ''}: ${found?.reason ?? ''}`;
};
