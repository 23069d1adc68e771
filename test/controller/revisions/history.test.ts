import test from 'ava';
import type { ControllerRevision } from '../../../api/kubernetes.ts';
import { revisionLabels } from '../../../api/revision-labels.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { register, toDelete, type Registration } from '../../../controller/revisions/history.ts';
import { newRevision } from '../../../controller/revisions/revision.ts';
import { vectors } from '../../oracle/corpus.ts';

const namespace = 'kruise-system';

const setWith = (image: string, spec: Partial<SidecarSet['spec']> = {}): SidecarSet => ({
  metadata: { name: 's', uid: 'u', annotations: { note: image } },
  spec: { containers: [{ name: 'side', image }], ...spec },
});

/** Registers the set's spec as the controller would, and deletes what is too much. */
function publish(set: SidecarSet, stored: ControllerRevision[]): { stored: ControllerRevision[]; made: Registration } {
  const made = register(set, stored, { namespace });
  const name = made.revision.metadata?.name;
  const next = [...stored.filter(({ metadata }) => metadata?.name !== name), made.revision];
  const deleted = toDelete(set, next, new Set());
  return { stored: next.filter((revision) => !deleted.includes(revision)), made };
}

const publishAll = (sets: SidecarSet[]): ControllerRevision[] =>
  sets.reduce<ControllerRevision[]>((stored, set) => publish(set, stored).stored, []);

const numbers = (stored: ControllerRevision[]): number[] =>
  stored.map(({ revision }) => revision).sort((a, b) => a - b);
const images = (count: number): SidecarSet[] => Array.from({ length: count }, (_, index) => setWith(`i:${index + 1}`));

interface Vector {
  case: string;
  revision?: number;
  storedCount?: number;
  order?: number[];
}

/** What each vector does to the history, by its description. */
const STORIES: Record<string, () => ControllerRevision[]> = {
  'first register': () => publishAll([setWith('i:1')]),
  'back to the first spec, register 5 times': () =>
    publishAll([setWith('i:1'), setWith('i:2'), ...Array.from({ length: 5 }, () => setWith('i:1'))]),
  '100 different images, limit 10': () => publishAll(images(100)),
  'e2e: then reuse content of #12': () => publishAll([...images(15), setWith('i:12')]),
};

for (const vector of vectors('revisions') as Vector[]) {
  test(`revisions: ${vector.case}`, (t) => {
    const stored = STORIES[vector.case]?.() ?? [];
    if (vector.revision !== undefined) t.is(numbers(stored).at(-1), vector.revision);
    if (vector.storedCount !== undefined) t.is(stored.length, vector.storedCount);
    if (vector.order) t.deepEqual(numbers(stored), vector.order);
    t.true(stored.length > 0);
  });
}

test('a name that other data has is avoided by counting collisions', (t) => {
  const set = setWith('i:1');
  const taken = newRevision(set, { namespace, revision: 1, collisionCount: 0 });
  const foreign = { ...taken, metadata: { name: taken.metadata?.name ?? '' }, data: { spec: {} } };
  const made = register(set, [foreign], { namespace });
  t.deepEqual([made.action, made.collisionCount], ['create', 1]);
  t.is(made.revision.metadata?.name, newRevision(set, { namespace, revision: 1, collisionCount: 1 }).metadata?.name);
  const hash = taken.metadata?.labels?.[revisionLabels.hash];
  t.true(hash !== undefined && taken.metadata?.name === `s-${hash}`);
  t.is(made.revision.metadata?.labels?.[revisionLabels.hash], hash, 'the label stays that of the first try');
  t.is(register({ ...set, status: { ...noPods, collisionCount: 1 } }, [], { namespace }).collisionCount, 1);
});

const noPods = { matchedPods: 0, updatedPods: 0, readyPods: 0 };

test('an equal revision under the name is reused, although it has no labels', (t) => {
  const set = setWith('i:1');
  const { metadata, ...rest } = newRevision(set, { namespace, revision: 7, collisionCount: 0 });
  const bare = { ...rest, metadata: { name: metadata?.name ?? '' } };
  const made = register(set, [bare], { namespace });
  t.deepEqual([made.action, made.revision.revision, made.collisionCount], ['reuse', 7, 0]);
  t.true(made.relabel);
  t.is(made.revision.metadata?.labels?.[revisionLabels.set], 's');
  const later = register(
    set,
    [{ ...bare, revision: 0 }, newRevision(setWith('i:2'), { namespace, revision: 8, collisionCount: 0 })],
    { namespace },
  );
  t.deepEqual([later.action, later.revision.revision, later.relabel], ['raise', 9, true]);
});

test('a custom version labels the revision that has the data already', (t) => {
  const { stored } = publish(setWith('i:1'), []);
  const { made } = publish(setWith('i:1', { customVersion: 'v1' }), stored);
  t.deepEqual([made.action, made.relabel], ['reuse', true]);
  t.is(made.revision.metadata?.labels?.[revisionLabels.customVersion], 'v1');
  t.false(publish(setWith('i:1', { customVersion: 'v1' }), [made.revision]).made.relabel);
});

test('revisions that pods or the injection use are kept above the limit', (t) => {
  const stored = ['i:1', 'i:2', 'i:3', 'i:4', 'i:5'].reduce<ControllerRevision[]>(
    (sofar, image) => publish(setWith(image, { customVersion: image.replace(':', '-') }), sofar).stored,
    [],
  );
  const names = stored.map(({ metadata }) => metadata?.name ?? '');
  const keeps = (spec: Partial<SidecarSet['spec']>, used: string[] = []): number[] => {
    const deleted = toDelete(setWith('i:5', { revisionHistoryLimit: 1, ...spec }), stored, new Set(used));
    return numbers(stored.filter((revision) => !deleted.includes(revision)));
  };
  t.deepEqual(keeps({}), [5]);
  t.deepEqual(keeps({ revisionHistoryLimit: -3 }), [5]);
  t.deepEqual(keeps({}, names.slice(0, 2)), [1, 2, 5]);
  t.deepEqual(keeps({ injectionStrategy: { revision: { customVersion: 'i-3' } } }), [3, 5]);
  t.deepEqual(keeps({ injectionStrategy: { revision: { revisionName: names[3] ?? '' } } }), [4, 5]);
});
