import { hashesOf } from '../../api/hash.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { printHashes } from '../../api/pod-annotations.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';

/** A set, and the pods that it was injected into. */
export interface Fleet {
  kind: string;
  set: SidecarSet;
  makePod: (index: number) => Pod;
}

/** Fleets whose image changes from `side:1` to `side:2`. */
export function fleets(): Fleet[] {
  const [cold, hot] = [setWith('side:2', false), setWith('side:2', true)];
  return [
    { kind: 'cold, all old', set: cold, makePod: (index) => podOf(index, false, false) },
    { kind: 'cold, half upgraded', set: cold, makePod: (index) => podOf(index, false, index % 2 === 0) },
    { kind: 'cold, scattered over 10 zones', set: scattered(cold), makePod: (index) => podOf(index, false, false) },
    { kind: 'hot, all old', set: hot, makePod: (index) => podOf(index, true, false) },
    { kind: 'hot, half upgraded', set: hot, makePod: (index) => podOf(index, true, index % 2 === 0) },
  ];
}

function setWith(image: string, hot: boolean): SidecarSet {
  const set: SidecarSet = {
    metadata: { name: 's', resourceVersion: '200', generation: 2 },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      containers: [
        {
          name: 'side',
          image,
          ...(hot && { upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'side:empty' } }),
        },
        { name: 'log', image: 'log:1' },
      ],
      updateStrategy: { type: 'RollingUpdate', maxUnavailable: '10%' },
    },
  };
  const { hash, hashWithoutImage } = hashesOf(set);
  const annotations = {
    'kruise.io/sidecarset-hash': hash,
    'kruise.io/sidecarset-hash-without-image': hashWithoutImage,
  };
  return { ...set, metadata: { ...set.metadata, annotations } };
}

const scattered = ({ metadata, spec }: SidecarSet): SidecarSet => ({
  metadata,
  spec: { ...spec, updateStrategy: { ...spec.updateStrategy, scatterStrategy: [{ key: 'zone', value: '*' }] } },
});

const SETS = new Map(
  ['side:1', 'side:2'].flatMap((image) => [true, false].map((hot) => [`${image} ${hot}`, setWith(image, hot)])),
);

function podOf(index: number, hot: boolean, upgraded: boolean): Pod {
  const annotations = SETS.get(`${upgraded ? 'side:2' : 'side:1'} ${hot}`)?.metadata.annotations ?? {};
  const minute = String(index % 60).padStart(2, '0');
  const hour = String(Math.floor(index / 60) % 24).padStart(2, '0');
  const time = `2026-01-01T${hour}:${minute}:00Z`;
  const entry = { updateTimestamp: time, sidecarSetName: 's', sidecarList: ['log', 'side'] };
  const printed = (hash = '', controllerRevision = ''): string =>
    printHashes(new Map([['s', { ...entry, hash, controllerRevision }]]));
  const image = upgraded ? 'side:2' : 'side:1';
  const containers = [
    ...(hot
      ? [
          { name: 'side-1', image },
          { name: 'side-2', image: 'side:empty' },
        ]
      : [{ name: 'side', image }]),
    { name: 'log', image: 'log:1' },
    { name: 'main', image: 'app:1' },
  ];
  return {
    metadata: {
      name: `web-${index}`,
      namespace: `team-${index % 20}`,
      resourceVersion: '100',
      creationTimestamp: time,
      labels: { app: 'web', zone: `z${index % 10}` },
      annotations: {
        'kruise.io/sidecarset-hash': printed(annotations['kruise.io/sidecarset-hash'], 's-rev'),
        'kruise.io/sidecarset-hash-without-image': printed(annotations['kruise.io/sidecarset-hash-without-image']),
        'kruise.io/sidecarset-injected-list': 's',
        ...(upgraded && {
          'kruise.io/sidecarset-inplace-update-state': `{"s":{"revision":"h","updateTimestamp":"${time}","lastContainerStatuses":{"side":{"imageID":"id/side:1"}}}}`,
        }),
        ...(hot && {
          'kruise.io/sidecarset-working-hotupgrade-container': '{"side":"side-1"}',
          'version.sidecarset.kruise.io/side-1': '1',
          'versionalt.sidecarset.kruise.io/side-1': '0',
          'version.sidecarset.kruise.io/side-2': '0',
          'versionalt.sidecarset.kruise.io/side-2': '1',
        }),
      },
    },
    spec: { nodeName: `node-${index % 100}`, containers },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: time }],
      containerStatuses: containers.map(({ name, image: running }) => ({
        name,
        image: running,
        imageID: `id/${running}`,
        ready: true,
        restartCount: 0,
      })),
    },
  };
}
