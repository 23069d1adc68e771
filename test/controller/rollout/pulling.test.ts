import test from 'ava';
import fc from 'fast-check';
import { decide } from '../../../agent/hot-upgrade/decide.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { factsOf } from '../../../controller/rollout/facts.ts';
import { subjectOf } from '../../../controller/rollout/subject.ts';
import { there } from '../../agent/hot-upgrade/scene.ts';
import { afterWrites, EMPTY, now, planOf, podOf, setWith, verdictOf, written } from './scene.ts';

// The plan and the agents of five nodes, step by step. No kubelet: a pod that is changed stays at Upgrading.

const v1 = setWith('side:1', { hot: true });
const v2 = setWith('side:2', { hot: true, strategy: { maxUnavailable: 2 } });
const paused = setWith('side:2', { hot: true, strategy: { maxUnavailable: 2, paused: true } });
const v3 = setWith('side:3', { hot: true, strategy: { maxUnavailable: 2 } });

const fleet = (): Pod[] => Array.from({ length: 5 }, (_, index) => podOf(v1, `p${index}`, { node: `n${index}` }));

/** The pods after the controller's writes. */
function controlled(set: SidecarSet, pods: readonly Pod[]): Pod[] {
  const { grant, withdraw } = planOf(set, pods);
  return afterWrites(pods, [...grant, ...withdraw]);
}

/** The pod after its agent's next write; the agent has these images besides the empty one. */
function tended(pod: Pod, images: readonly string[]): Pod {
  const view = {
    pod,
    now: now + 1000,
    stateFiles: new Map(),
    images: { present: there(EMPTY, ...images), pulls: new Map() },
    mayStart: true,
  };
  const { step } = decide(view, { firstLookAt: now });
  if (step.do !== 'patch') return pod;
  const { resourceVersion, patch } = step;
  return written(pod, { namespace: 'default', name: pod.metadata?.name ?? '', resourceVersion, patch });
}

const phases = (pods: readonly Pod[]): (string | undefined)[] =>
  pods.map((pod) => factsOf(pod, subjectOf(v2, [])).upgrade?.phase);
const upgrading = (pods: readonly Pod[]): number => phases(pods).filter((phase) => phase === 'Upgrading').length;

test('while an image is on its way, no more pods are granted than may be down when it arrives', (t) => {
  let pods = fleet();
  for (let round = 0; round < 6; round++) pods = controlled(v2, pods).map((pod) => tended(pod, []));
  t.deepEqual(phases(pods), ['Pulling', 'Pulling', undefined, undefined, undefined]);
  t.is(verdictOf(planOf(v2, pods), 'p2'), 'waiting: maxUnavailable: 2 of 2 pods are unavailable');
  pods = pods.map((pod) => tended(pod, ['side:2']));
  pods = controlled(v2, pods).map((pod) => tended(pod, ['side:2']));
  t.deepEqual(phases(pods), ['Upgrading', 'Upgrading', undefined, undefined, undefined]);
});

test('a revert while the image is on its way leaves the pod as it is, and a later publish is granted again', (t) => {
  let pods = controlled(v2, fleet()).map((pod) => tended(pod, []));
  pods = controlled(v1, pods).map((pod) => tended(pod, ['side:2']));
  t.deepEqual(phases(pods).slice(0, 3), ['Withdrawn', 'Withdrawn', undefined]);
  t.deepEqual(controlled(v1, pods), pods, 'nothing more to write');
  pods = controlled(v2, pods).map((pod) => tended(pod, ['side:2']));
  t.deepEqual(phases(pods).slice(0, 3), ['Upgrading', 'Upgrading', undefined]);
});

test('whatever happens in whatever order, no more pods are at Upgrading than maxUnavailable says', (t) => {
  const event = fc.oneof(
    fc.constantFrom(v1, v2, v2, paused, v3).map((set) => ({ set })),
    fc.record({ agent: fc.nat(4), images: fc.constantFrom<string[][]>([], ['side:2'], ['side:2', 'side:3']) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let pods = fleet();
      for (const happening of events) {
        pods =
          'set' in happening
            ? controlled(happening.set, pods)
            : pods.map((pod, index) => (index === happening.agent ? tended(pod, happening.images) : pod));
        t.true(upgrading(pods) <= 2, phases(pods).join());
      }
    }),
    { numRuns: 300 },
  );
});
