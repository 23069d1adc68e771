import test from 'ava';
import type { Pod, PodCondition } from '../../../api/kubernetes.ts';
import { hashWithoutImageKey } from '../../../api/pod-contract.ts';
import { conditionPatch } from '../../../controller/rollout/condition.ts';
import { now, planOf, podOf, setWith, withAnnotation, written } from './scene.ts';

const v1 = setWith('side:1');
const v2 = setWith('side:2');

function withCondition(pod: Pod, message: string, status: 'True' | 'False' = 'False'): Pod {
  const condition: PodCondition = { type: 'SidecarSetUpgradable', status, reason: 'UpdateImmutableField', message };
  return { ...pod, status: { ...pod.status, conditions: [...(pod.status?.conditions ?? []), condition] } };
}

const messageOf = (pod: Pod): string | undefined =>
  pod.status?.conditions?.find(({ type }) => type === 'SidecarSetUpgradable')?.message;

test('a pod that cannot be upgraded says so, once', (t) => {
  const pod = withAnnotation(podOf(v1, 'p0'), hashWithoutImageKey, '{"s":"other"}');
  const [write] = planOf(v2, [pod]).conditions;
  t.truthy(write);
  const marked = write ? written(pod, write) : pod;
  t.is(messageOf(marked), '{"s":false}');
  t.deepEqual(planOf(v2, [marked]).conditions, []);
});

test('a pod that carries the hash of the set is no more said to be not upgradable', (t) => {
  const pod = withCondition(podOf(v2, 'p0'), '{"o":false,"s":false}');
  const [write] = planOf(v2, [pod]).conditions;
  t.is(write && messageOf(written(pod, write)), '{"o":false,"s":true}');
});

test('Q22: entries of sets that are gone go, and with them a False that nobody could end', (t) => {
  const pod = withCondition(podOf(v2, 'p0'), '{"gone":false}');
  t.deepEqual(planOf(v2, [pod]).conditions, [], 'which sets there are is not known');
  const [write] = planOf(v2, [pod], { sets: new Set(['s']) }).conditions;
  const condition = write && written(pod, write).status?.conditions?.at(-1);
  t.like(condition, { status: 'True', reason: 'AllSidecarsetUpgradable', message: '{"s":true}' });
});

test('a message that cannot be read is written anew', (t) => {
  for (const message of ['{bad', '7', 'null']) {
    const pod = withCondition(podOf(v1, 'p0'), message);
    const patch = conditionPatch(pod, { set: 's', upgradable: true, now });
    t.is(messageOf(written(pod, { namespace: '', name: '', resourceVersion: '', patch })), '{"s":true}');
  }
});
