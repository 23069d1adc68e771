import test from 'ava';
import { isConsistent, isUpdateCompleted, recordedImages, type RecordedImages } from '../../api/consistency.ts';
import type { ContainerStatus, Pod, PodSpec } from '../../api/kubernetes.ts';
import { readInPlaceStates } from '../../api/pod-annotations.ts';
import { vectors } from '../oracle/corpus.ts';

interface Running {
  image: string;
  status: string;
  imageID?: string;
}

const podWith = (containers: Record<string, Running>): Pod => ({
  spec: { containers: Object.entries(containers).map(([name, { image }]) => ({ name, image })) },
  status: {
    containerStatuses: Object.entries(containers).map(([name, { status, imageID = `id/${status}` }]) => ({
      name,
      image: status,
      imageID,
      ready: true,
      restartCount: 0,
    })),
  },
});

const recorded =
  (images: Record<string, string>): (() => RecordedImages) =>
  () => ({ value: new Map(Object.entries(images)) });

const DIGEST = `sha256:${'a'.repeat(64)}`;
const side = new Set(['side']);

test('Q6: a runtime may complete the names of images', (t) => {
  const same = (image: string, status: string): boolean =>
    isConsistent(podWith({ side: { image, status, imageID: 'id' } }), side, recorded({ side: 'id' }));
  t.true(same('side:2', 'docker.io/library/side:2'));
  t.true(same('team/side', 'docker.io/team/side:latest'));
  t.false(same('side:2', 'docker.io/library/side:1'));
  t.false(same('reg.io/side:2', 'side:2'));
  const pinned = (image: string, imageID: string): boolean =>
    isConsistent(podWith({ side: { image, status: 'x', imageID } }), side, recorded({}));
  t.true(pinned(`busybox@${DIGEST}`, `docker-pullable://docker.io/library/busybox@${DIGEST}`));
  t.false(pinned(`busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST.replaceAll('a', 'b')}`));
  t.false(pinned(`busybox@${DIGEST}`, ''));
});

test('surprise 15: a record that cannot be read leaves it to the images', (t) => {
  const unreadable = (): RecordedImages => recordedImages(readInPlaceStates('{bad'), 's');
  t.true(isConsistent(podWith({ side: { image: 'side:2', status: 'side:2' } }), side, unreadable));
  t.false(isConsistent(podWith({ side: { image: 'side:2', status: 'side:1' } }), side, unreadable));
});

test('a status without image or image ID is one with empty ones', (t) => {
  const bare = (image: string, fields: object, before: Record<string, string>): boolean => {
    const pod = podWith({ side: { image, status: image } });
    const status = { name: 'side', ready: true, ...fields } as ContainerStatus;
    return isConsistent({ ...pod, status: { containerStatuses: [status] } }, side, recorded(before));
  };
  for (const fields of [{ image: 'sha256:abc' }, { image: 'sha256:abc', imageID: '' }, {}]) {
    t.true(bare('side:1', fields, {}), 'nothing was recorded');
    t.true(bare('side:1', fields, { side: 'x' }));
    t.false(bare('side:1', fields, { side: '' }), 'an empty one was recorded');
    t.false(bare(`side@${DIGEST}`, fields, {}));
  }
  t.false(
    isConsistent({ spec: {} as PodSpec, status: { containerStatuses: [{} as ContainerStatus] } }, side, recorded({})),
  );
});

/** The pod of each vector, by its description. */
const STORIES: Record<string, () => boolean> = {
  'injected only, no inplace-update-state annotation': () =>
    isUpdateCompleted(podWith({ side: { image: 'side:1', status: 'side:1' } }), side, recorded({})),
  "cold: status imageID changed to v2's": () =>
    isUpdateCompleted(
      podWith({ side: { image: 'side:2', status: 'x/side:2', imageID: 'v2' } }),
      side,
      recorded({ side: 'v1' }),
    ),
  'hot: container -2 got v2, status unchanged': () =>
    isUpdateCompleted(
      podWith({ 'side-1': { image: 'side:1', status: 'side:1' }, 'side-2': { image: 'side:2', status: 'empty:0' } }),
      new Set(['side-1', 'side-2']),
      recorded({ 'side-2': 'id/empty:0' }),
    ),
  "hot: -1 status imageID is the empty image's": () =>
    isUpdateCompleted(
      podWith({ 'side-1': { image: 'empty:0', status: 'empty:0' }, 'side-2': { image: 'side:2', status: 'side:2' } }),
      new Set(['side-1', 'side-2']),
      recorded({ 'side-1': 'id/side:1', 'side-2': 'id/empty:0' }),
    ),
};

for (const { desc, expected } of vectors('updateCompleted') as { desc: string; expected: boolean }[]) {
  test(`updateCompleted: ${desc}`, (t) => {
    t.is(STORIES[desc]?.(), expected);
  });
}
