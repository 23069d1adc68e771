import test from 'ava';
import fc from 'fast-check';
import { attemptOf, printGrants } from '../../../api/grant.ts';
import { maxUnavailableOf, partitionOf } from '../../../api/int-or-percent.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import {
  grantKey,
  hashKey,
  hashWithoutImageKey,
  inPlaceStateKey,
  upgradeKey,
  workingKey,
} from '../../../api/pod-contract.ts';
import type { SidecarSet, UpdateStrategy } from '../../../api/sidecar-set.ts';
import { factsOf } from '../../../controller/rollout/facts.ts';
import { grantOf } from '../../../controller/rollout/grants.ts';
import { isUnavailable } from '../../../controller/rollout/limits.ts';
import { subjectOf } from '../../../controller/rollout/subject.ts';
import { afterWrites, now, planOf, podOf, setWith, withAnnotation, withRecord } from './scene.ts';

const OLD = { cold: setWith('side:1'), hot: setWith('side:1', { hot: true }) };
const setOf = (hot: boolean, strategy: UpdateStrategy): SidecarSet => setWith('side:2', { hot, strategy });

const strategy = fc.record(
  {
    partition: fc.constantFrom(0, 1, 3, '0%', '30%', '99%', '100%', '5', 'x'),
    maxUnavailable: fc.constantFrom(0, 1, 2, '10%', '50%', '5', 'x', '-10%'),
    paused: fc.boolean(),
    failureThreshold: fc.constantFrom(1, 3, '50%', 'x'),
    scatterStrategy: fc.constant([{ key: 'zone', value: '*' }]),
    priorityStrategy: fc.constant({ orderPriority: [{ orderedKey: 'zone' }] }),
  },
  { requiredKeys: ['partition', 'maxUnavailable'] },
);

const garbage = fc.constantFrom(
  '',
  'null',
  '7',
  '{',
  '{"s":null}',
  '{"s":7}',
  '{"s":{}}',
  '{"s":{"hash":7}}',
  '[]',
  '{"s":{"v":1}}',
);
const keys = [
  hashKey,
  hashWithoutImageKey,
  inPlaceStateKey,
  workingKey,
  grantKey,
  upgradeKey,
  'version.sidecarset.kruise.io/side-2',
];

interface Odd {
  updated: boolean;
  ready: boolean;
  node: string;
  zone: string | undefined;
  phase: 'Pulling' | 'Upgrading' | 'RollingBack' | 'Failed' | 'Done' | 'Withdrawn' | undefined;
  newCopyRuns: boolean;
  granted: boolean;
  annotations: [string, string][];
  image: string | undefined;
}

const odd: fc.Arbitrary<Odd> = fc.record({
  updated: fc.boolean(),
  ready: fc.boolean(),
  node: fc.constantFrom('n1', 'n2', ''),
  zone: fc.constantFrom(undefined, 'a', 'b-3'),
  phase: fc.constantFrom(
    undefined,
    undefined,
    undefined,
    'Pulling',
    'Upgrading',
    'RollingBack',
    'Failed',
    'Done',
    'Withdrawn',
  ),
  newCopyRuns: fc.boolean(),
  granted: fc.boolean(),
  annotations: fc.oneof(
    { weight: 3, arbitrary: fc.constant<[string, string][]>([]) },
    { weight: 1, arbitrary: fc.array(fc.tuple(fc.constantFrom<string[]>(...keys), garbage), { maxLength: 2 }) },
  ),
  image: fc.constantFrom(undefined, undefined, undefined, 'odd:1'),
});

function build(set: SidecarSet, old: SidecarSet, pods: readonly Odd[]): Pod[] {
  return pods.map(({ updated, ready, node, zone, phase, newCopyRuns, granted, annotations, image }, index) => {
    let pod = podOf(updated ? set : old, `p${index}`, { ready, node, labels: zone === undefined ? {} : { zone } });
    const revision = attemptOf(set.metadata.annotations?.[hashKey] ?? '', undefined);
    if (granted) {
      const grant = grantOf(pod, subjectOf(set, []), { now });
      pod = withAnnotation(pod, grantKey, printGrants(new Map([['s', grant]])));
    }
    if (phase) pod = withRecord(pod, { phase, revision }, newCopyRuns ? { before: 'x' } : {});
    if (image !== undefined) {
      const [first, ...others] = pod.spec?.containers ?? [];
      pod.spec = { ...pod.spec, containers: first ? [{ ...first, image }, ...others] : [] };
    }
    return annotations.reduce((changed, [key, value]) => withAnnotation(changed, key, value), pod);
  });
}

const fleet = fc.record({ hot: fc.boolean(), strategy, pods: fc.array(odd, { maxLength: 25 }) });

function scene({ hot, strategy, pods }: { hot: boolean; strategy: object; pods: readonly Odd[] }): {
  set: SidecarSet;
  fleet: Pod[];
} {
  const set = setOf(hot, strategy);
  return { set, fleet: build(set, hot ? OLD.hot : OLD.cold, pods) };
}

test('whatever the pods look like, no plan exceeds maxUnavailable or partition', (t) => {
  fc.assert(
    fc.property(fleet, (drawn) => {
      const { set, fleet: pods } = scene(drawn);
      const planned = planOf(set, pods);
      const subject = subjectOf(set, []);
      const facts = new Map(
        pods
          .filter((pod) => planned.matched.includes(`default/${pod.metadata?.name ?? ''}`))
          .map((pod) => {
            const known = factsOf(pod, subject);
            return [known.key, known];
          }),
      );
      const down = [...facts.values()].filter((known) => isUnavailable(known, { now }));
      const taken = planned.waiting.filter((key) =>
        planned.pods.some(
          ({ name, verdict }) => `default/${name}` === key && ['upgrade', 'grant', 'upgrading'].includes(verdict),
        ),
      );
      const matched = facts.size;
      const { partition, maxUnavailable } = set.spec.updateStrategy ?? {};
      t.true(taken.length <= Math.max(0, planned.waiting.length - partitionOf(partition, matched)), 'partition');
      const costs = taken.filter(
        (key) => facts.get(key)?.isReady && !down.includes(facts.get(key) as (typeof down)[0]),
      );
      t.true(costs.length <= Math.max(0, maxUnavailableOf(maxUnavailable, matched) - down.length), 'maxUnavailable');
    }),
    { numRuns: 400 },
  );
});

test('a plan that was carried out asks for no more ready pods until the pods change', (t) => {
  fc.assert(
    fc.property(fleet, (drawn) => {
      const { set, fleet: start } = scene(drawn);
      let pods = start;
      let isAsBefore = false;
      for (let round = 0; round < 4; round++) {
        const { upgrade, grant, withdraw } = planOf(set, pods);
        // The order may have changed: pods that cost nothing may come before the limit now, and count from then on.
        const ready = pods
          .filter((pod) => factsOf(pod, subjectOf(set, [])).isReady)
          .map(({ metadata }) => metadata?.name);
        const more = [...upgrade, ...grant].filter(({ name }) => ready.includes(name));
        if (isAsBefore) t.deepEqual(more, [], `round ${round}`);
        pods = afterWrites(pods, [...upgrade, ...grant, ...withdraw]);
        // A pod that lacked only the hash is done at once, and its place is free.
        isAsBefore = upgrade.every(({ patch }) => patch.some(({ path }) => path.endsWith('/image')));
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('whatever is in the annotations, each pod gets one verdict with a reason, and the figures add up', (t) => {
  fc.assert(
    fc.property(fleet, (drawn) => {
      const { set, fleet: pods } = scene(drawn);
      const { pods: verdicts, matched, status } = planOf(set, pods);
      t.deepEqual(
        verdicts.map(({ name }) => name),
        pods.map(({ metadata }) => metadata?.name ?? ''),
      );
      t.true(verdicts.every(({ reason }) => reason !== ''));
      t.is(verdicts.filter(({ verdict }) => verdict !== 'unmatched').length, matched.length);
      t.true(status.updatedReadyPods <= Math.min(status.updatedPods, status.readyPods));
      t.is(status.matchedPods, matched.length);
    }),
  );
});
