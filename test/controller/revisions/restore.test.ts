import test from 'ava';
import { hashesOf } from '../../../api/hash.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { restore } from '../../../controller/revisions/restore.ts';
import { newRevision } from '../../../controller/revisions/revision.ts';

const old: SidecarSet = {
  metadata: { name: 's', uid: 'u' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    containers: [{ name: 'side', image: 'i:1', upgradeStrategy: { upgradeType: 'HotUpgrade', soakSeconds: 3 } }],
    volumes: [{ name: 'v', emptyDir: {} }],
  },
};
const current: SidecarSet = {
  metadata: { name: 's', uid: 'u', generation: 9, annotations: { 'kruise.io/sidecarset-hash': 'now', note: 'kept' } },
  spec: {
    selector: { matchLabels: { app: 'api' } },
    containers: [{ name: 'other', image: 'o:1' }],
    imagePullSecrets: [{ name: 'x' }],
  },
};
const place = { namespace: 'kruise-system', revision: 1, collisionCount: 0 };

test('a restored set has the recorded fields alone, its own metadata, and the hashes of then', (t) => {
  const { hash, hashWithoutImage } = hashesOf(old);
  const annotations = {
    'kruise.io/sidecarset-hash': hash,
    'kruise.io/sidecarset-hash-without-image': hashWithoutImage,
  };
  const revision = newRevision({ ...old, metadata: { ...old.metadata, annotations } }, place);
  const restored = restore(current, revision);
  t.deepEqual(Object.keys(restored.spec).sort(), ['containers', 'volumes']);
  t.like(restored.spec.containers?.[0], { name: 'side', image: 'i:1' });
  t.is(restored.spec.containers?.[0]?.upgradeStrategy?.soakSeconds, 3);
  t.deepEqual(restored.metadata, { ...current.metadata, annotations: { note: 'kept', ...annotations } });
  t.is(restored.status?.latestRevision, revision.metadata?.name);
});

test('hashes that a revision lacks are computed from what it restores', (t) => {
  const restored = restore(current, newRevision(old, place));
  const { hash, hashWithoutImage } = hashesOf(old);
  t.is(restored.metadata.annotations?.['kruise.io/sidecarset-hash'], hash);
  t.is(restored.metadata.annotations?.['kruise.io/sidecarset-hash-without-image'], hashWithoutImage);
});

test('data without $patch is merged as Kubernetes merges it: lists by their keys, in the order of both', (t) => {
  const set = {
    ...current,
    spec: {
      ...current.spec,
      containers: ['a', 'b', 'c'].map((name) => ({ name, image: `${name}:1`, env: [{ name: 'X', value: '1' }] })),
    },
  };
  const patch = {
    containers: [
      { name: 'c', image: 'c:2', env: [{ name: 'Y', value: '2' }] },
      { name: 'new', image: 'n:1' },
    ],
    imagePullSecrets: null,
  };
  const { spec } = restore(set, { metadata: { name: 'r' }, revision: 1, data: { spec: patch } });
  t.deepEqual(spec, {
    selector: { matchLabels: { app: 'api' } },
    containers: [
      { name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }] },
      { name: 'b', image: 'b:1', env: [{ name: 'X', value: '1' }] },
      {
        name: 'c',
        image: 'c:2',
        env: [
          { name: 'Y', value: '2' },
          { name: 'X', value: '1' },
        ],
      },
      { name: 'new', image: 'n:1' },
    ],
  });
});

for (const data of [undefined, { spec: 'oops' }, { spec: { containers: 'oops' } }]) {
  test(`a revision with the data ${JSON.stringify(data)} is refused by name`, (t) => {
    const error = t.throws(() => restore(current, { metadata: { name: 'r-1' }, revision: 1, ...(data && { data }) }));
    t.is((error as Error & { code?: string }).code, 'ERR_BATON_REVISION');
    t.regex(error.message, /^ControllerRevision r-1: data\.spec/);
  });
}
