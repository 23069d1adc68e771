// A set with a hot sidecar and a cold one: what the agent has done, and then what the controller does.
import test from 'ava';
import { decide } from '../../../agent/hot-upgrade/decide.ts';
import { hashesOf } from '../../../api/hash.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { grantKey, hashKey, hashWithoutImageKey, inPlaceStateKey } from '../../../api/pod-contract.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import {
  EMPTY,
  now,
  planOf,
  podOf,
  setWith,
  settled,
  verdictOf,
  withAnnotation,
  withRecord,
  written,
} from './scene.ts';

/** `side`, hot, and `clock`, cold. */
function mixed(side: string, clock: string): SidecarSet {
  const { metadata, spec } = setWith(side, { hot: true });
  const cold = { name: 'clock', image: clock, upgradeStrategy: { upgradeType: 'ColdUpgrade' as const } };
  const set = { metadata, spec: { ...spec, containers: [cold, ...(spec.containers ?? [])] } };
  const { hash, hashWithoutImage } = hashesOf(set);
  return {
    ...set,
    metadata: { ...metadata, annotations: { [hashKey]: hash, [hashWithoutImageKey]: hashWithoutImage } },
  };
}

const [v1, hotDone, coldToo] = [mixed('side:1', 'clock:1'), mixed('side:2', 'clock:1'), mixed('side:2', 'clock:2')];

/** Its agent has upgraded `side`; the grant is on it until the controller's next write. */
function afterHotUpgrade(): Pod {
  const [grant] = planOf(hotDone, [podOf(v1, 'p0')]).grant;
  if (!grant) throw new Error('nothing is granted');
  const text = written(podOf(v1, 'p0'), grant).metadata?.annotations?.[grantKey] ?? '';
  const revision = hotDone.metadata.annotations?.[hashKey] ?? '';
  const done = withRecord(
    podOf(hotDone, 'p0'),
    { phase: 'Done', revision, result: 'done' },
    { before: 'the life before' },
  );
  return withAnnotation(done, grantKey, text);
}

function coldUpgraded(pod: Pod): Pod {
  const [write] = planOf(coldToo, [pod]).upgrade;
  if (!write) throw new Error('nothing is upgraded');
  return written(pod, write);
}

test('a cold upgrade takes the grant that the agent is done with along: it is not carried out again', (t) => {
  const pod = coldUpgraded(afterHotUpgrade());
  t.is(pod.metadata?.annotations?.[grantKey], undefined);
  const { step } = decide({ pod, now, stateFiles: new Map(), mayStart: true }, { firstLookAt: now });
  t.is(step.do, 'nothing');
});

test('an idle copy whose empty image has the same ID as the one before is not waited for after the next cold upgrade', (t) => {
  const recorded = `{"s":{"revision":"r","updateTimestamp":null,"lastContainerStatuses":{"side-2":{"imageID":"id/same"}}}}`;
  const idle = (pod: Pod): Pod => ({
    ...pod,
    status: {
      ...pod.status,
      containerStatuses: (pod.status?.containerStatuses ?? []).map((one) =>
        one.name === 'side-2' ? { ...one, image: 'another-tag:0', imageID: 'id/same' } : one,
      ),
    },
  });
  const before = idle(withAnnotation(afterHotUpgrade(), inPlaceStateKey, recorded));
  t.is(before.spec?.containers.find(({ name }) => name === 'side-2')?.image, EMPTY);
  t.is(verdictOf(planOf(hotDone, [before])), 'updated: it is up to date and ready');
  const after = idle(settled(coldUpgraded(before)));
  t.is(verdictOf(planOf(coldToo, [after])), 'updated: it is up to date and ready');
});
