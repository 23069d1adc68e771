import test from 'ava';
import type { Pod } from '../../api/kubernetes.ts';
import { printHashes, printInPlaceStates, readInPlaceStates } from '../../api/pod-annotations.ts';
import { hashKey, inPlaceStateKey, upgradeKey } from '../../api/pod-contract.ts';
import { settledAnnotations } from '../../api/settled.ts';
import { printRecords, type UpgradeRecord } from '../../api/upgrade-record.ts';

const record: UpgradeRecord = {
  revision: 'h2',
  hash: 'h2',
  phase: 'Resetting',
  result: 'done',
  startedAt: 0,
  phaseAt: 0,
  deadline: 0,
  sidecars: {},
  previous: { hash: null, working: {}, versions: {}, images: {}, containerIDs: { 'a-1': 'old', 'b-1': 'same' } },
  emptied: ['a-1'],
  highestVersion: '7',
};

/** The idle copies of two pairs were changed once: `a-1` lives another life since, `b-1` does not. */
function podWith({ hash = 'h2', records = printRecords(new Map([['s', record]])) } = {}): Pod {
  const entry = { updateTimestamp: null, sidecarSetName: 's', sidecarList: null };
  const imageIDs = new Map([
    ['a-1', 'id'],
    ['b-1', 'id'],
    ['cold', 'id'],
  ]);
  const state = { revision: 'h2', updateTimestamp: null, imageIDs };
  const status = (name: string, id: string) => ({
    name,
    image: 'i',
    imageID: 'id',
    containerID: `containerd://${id}`,
    ready: true,
    restartCount: 0,
    state: { running: {} },
  });
  return {
    metadata: {
      annotations: {
        [hashKey]: printHashes(new Map([['s', { ...entry, hash }]])),
        [upgradeKey]: records,
        [inPlaceStateKey]: printInPlaceStates(new Map([['s', state]])),
      },
    },
    status: { containerStatuses: [status('a-1', 'new'), status('b-1', 'same'), status('cold', 'any')] },
  };
}

function recorded(pod: Pod): string[] {
  const states = readInPlaceStates(settledAnnotations(pod, 's')[inPlaceStateKey]);
  return 'problem' in states ? [] : [...(states.value.get('s')?.imageIDs.keys() ?? [])];
}

test('only containers that are known to be new since are left out of what was recorded', (t) => {
  t.deepEqual(recorded(podWith()), ['b-1', 'cold']);
});

test('where nothing is known the annotations stay as they are', (t) => {
  for (const pod of [podWith({ hash: 'h3' }), podWith({ records: '{}' }), podWith({ records: 'none' })]) {
    t.is(settledAnnotations(pod, 's'), pod.metadata?.annotations ?? {});
  }
  t.deepEqual(settledAnnotations({ metadata: {} }, 's'), {});
  t.is(settledAnnotations(podWith(), 'other')[inPlaceStateKey], podWith().metadata?.annotations?.[inPlaceStateKey]);
});
