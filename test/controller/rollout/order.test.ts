import test from 'ava';
import fc from 'fast-check';
import type { Pod } from '../../../api/kubernetes.ts';
import type { UpdateStrategy } from '../../../api/sidecar-set.ts';
import { orderOf } from '../../../controller/rollout/order.ts';
import { comparePriority } from '../../../controller/rollout/priority.ts';
import {
  expandTerms,
  scatter,
  scatterByTerm,
  usedTerms,
  type Labels,
  type ScatterTerm,
} from '../../../controller/rollout/scatter.ts';
import { vectors } from '../../oracle/corpus.ts';

type Term = [string, string];
interface Scattering {
  desc: string;
  term: Term;
  terms: Term[];
  pods: (Labels | null)[];
  waiting: number[];
  expected: number[];
}

const labelsOf = (pods: (Labels | null)[]): Labels[] => pods.map((labels) => labels ?? undefined);
const termOf = ([key, value]: Term): { key: string; value: string } => ({ key, value });

for (const [index, { desc, term, pods, waiting, expected }] of (vectors('scatterByRule') as Scattering[]).entries()) {
  test(`scatterByRule ${index}: ${desc}`, (t) => {
    t.deepEqual(scatterByTerm(waiting, labelsOf(pods), termOf(term)), expected);
  });
}

for (const [index, { desc, terms, pods, waiting, expected }] of (vectors('scatterSort') as Scattering[]).entries()) {
  test(`scatterSort ${index}: ${desc}`, (t) => {
    t.deepEqual(scatter(waiting, labelsOf(pods), terms.map(termOf)), expected);
  });
}

for (const [index, { desc, terms, pods, waiting, expected }] of (
  vectors('scatterTerms') as (Omit<Scattering, 'expected'> & {
    expected: Term[];
  })[]
).entries()) {
  test(`scatterTerms ${index}: ${desc}`, (t) => {
    t.deepEqual(usedTerms(waiting, labelsOf(pods), terms.map(termOf)), expected.map(termOf));
  });
}

for (const [index, { terms, pods, expected }] of (
  vectors('scatterExpand') as { pods: string; terms: Term[]; expected: Term[] }[]
).entries()) {
  test(`scatterExpand ${index}: ${pods}`, (t) => {
    const [, count, key = '', values = ''] = /(\d+) pods; labels (\S+) of pods 0\.\.\d+ = (\S+)/.exec(pods) ?? [];
    const given = values.split(',').map((value) => ({ [key]: value }));
    const all = [...given, ...Array.from({ length: Number(count) - given.length }, () => ({}))];
    t.deepEqual(expandTerms(all, terms.map(termOf)), expected.map(termOf));
  });
}

type Weights = [number, Record<string, string>][];
interface PriorityCase {
  strategy: { weight?: Weights; order?: string[] };
  podI: Labels;
  podJ: Labels;
  default: boolean;
  expected: boolean;
}

interface PrioritySort {
  desc: string;
  strategy: PriorityCase['strategy'];
  pods: Labels[];
  indexes: number[];
  expected: number[];
}

const strategyOf = ({ weight, order }: PriorityCase['strategy']): NonNullable<UpdateStrategy['priorityStrategy']> => ({
  ...(weight && {
    weightPriority: weight.map(([value, matchLabels]) => ({ weight: value, matchSelector: { matchLabels } })),
  }),
  ...(order && { orderPriority: order.map((orderedKey) => ({ orderedKey })) }),
});

for (const [index, vector] of (vectors('priorityCompare') as PriorityCase[]).entries()) {
  test(`priorityCompare ${index}`, (t) => {
    const compared = comparePriority(strategyOf(vector.strategy))(vector.podI, vector.podJ);
    t.is(compared === 0 ? vector.default : compared < 0, vector.expected);
  });
}

for (const [index, { desc, strategy, pods, indexes, expected }] of (
  vectors('prioritySort') as PrioritySort[]
).entries()) {
  test(`prioritySort ${index}: ${desc}`, (t) => {
    const compare = comparePriority(strategyOf(strategy));
    t.deepEqual(
      indexes.toSorted((a, b) => compare(pods[a], pods[b])),
      expected,
    );
  });
}

test('three labelled pods among ten are upgraded as the 1st, 6th and 10th (seeds)', (t) => {
  const pods: Pod[] = Array.from({ length: 10 }, (_, index): Pod => ({
    metadata: { name: `p${index}`, labels: [2, 3, 7].includes(index) ? { foo: 'bar' } : { other: 'x' } },
  }));
  const order = orderOf([...pods.keys()], pods, { scatterStrategy: [{ key: 'foo', value: 'bar' }] });
  const positions = order.flatMap((index, position) => (pods[index]?.metadata?.labels?.['foo'] ? [position + 1] : []));
  t.deepEqual(positions, [1, 6, 10]);
});

test('Q8: a pod without any of the ordered keys comes first', (t) => {
  const pods: Pod[] = [{ metadata: { labels: { rank: 'a-1' } } }, { metadata: {} }];
  t.deepEqual(orderOf([0, 1], pods, { priorityStrategy: { orderPriority: [{ orderedKey: 'rank' }] } }), [1, 0]);
});

const labels = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('', '1', 'x-2', 'x-10', '9'.repeat(400)));
const term = fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: fc.constantFrom('*', '', '1', 'x-2') });
const selector = fc.record({
  matchExpressions: fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b'),
      operator: fc.constantFrom('In', 'Exists', 'Bad'),
      values: fc.constant(['1']),
    }),
  ),
});
const pod = fc.record({
  metadata: fc.record({
    labels,
    creationTimestamp: fc.constantFrom(undefined, 'junk', '2021-01-01T00:00:00Z', '2022-01-01T00:00:00Z'),
  }),
  spec: fc.record({ nodeName: fc.constantFrom(undefined, 'n') }),
  status: fc.record({
    phase: fc.constantFrom('Pending', 'Running', 'Odd', undefined),
    conditions: fc.constantFrom(
      undefined,
      [{ type: 'Ready', status: 'True' }],
      [{ type: 'Ready', status: 'True', lastTransitionTime: 'x' }],
    ),
    containerStatuses: fc.array(fc.record({ name: fc.string(), restartCount: fc.nat(3) }), { maxLength: 2 }),
  }),
});
const strategy = fc.record(
  {
    scatterStrategy: fc.array(term, { maxLength: 4 }),
    priorityStrategy: fc.oneof(
      fc.record({
        weightPriority: fc.array(fc.record({ weight: fc.nat(100), matchSelector: selector }), { maxLength: 3 }),
      }),
      fc.record({
        orderPriority: fc.array(fc.record({ orderedKey: fc.constantFrom('a', 'b', 'c') }), { maxLength: 3 }),
      }),
    ),
  },
  { requiredKeys: [] },
);

test('whatever the pods look like, the order has each waiting pod once, and is the same each time', (t) => {
  fc.assert(
    fc.property(fc.array(pod, { maxLength: 30 }), strategy, fc.func(fc.boolean()), (pods, rules, waits) => {
      const waiting = [...pods.keys()].filter((index) => waits(index));
      const order = orderOf(waiting, pods as Pod[], rules as UpdateStrategy);
      t.deepEqual(
        order.toSorted((a, b) => a - b),
        waiting,
      );
      t.deepEqual(orderOf(waiting, pods as Pod[], rules as UpdateStrategy), order);
    }),
  );
});

test('the default order does not depend on the order of the list, equal pods aside', (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1e6), { minLength: 1, maxLength: 20 }), (seconds) => {
      const pods: Pod[] = seconds.map((second) => ({
        metadata: { name: String(second), creationTimestamp: new Date(second * 1000).toISOString() },
      }));
      const names = (list: Pod[]): unknown[] =>
        orderOf([...list.keys()], list, {}).map((index) => list[index]?.metadata?.name);
      t.deepEqual(names(pods), names(pods.toReversed()));
    }),
  );
});

/** 4.3 word by word, pod by pod. */
function slowly(waiting: number[], pods: readonly Labels[], { key, value }: ScatterTerm): number[] {
  const has = (index: number): boolean => (pods[index]?.[key] ?? '') === value;
  const matched = waiting.filter(has);
  const others = waiting.filter((index) => !has(index));
  if (matched.length <= 1 || others.length <= 1) return waiting;
  const totalMatched = [...pods.keys()].filter(has).length - 1;
  const totalOthers = pods.length - totalMatched - 1;
  const last = matched.splice(-1);
  const split = (m: number, u: number): [number, number] => {
    const n = Math.min(m, u);
    return [Math.round(m / n), Math.round(u / n)];
  };
  let count = Math.min(matched.length, others.length);
  let [ms, us] = split(matched.length, others.length);
  const order: number[] = [];
  if (Math.fround(totalOthers / totalMatched) < Math.fround(others.length / matched.length)) {
    [ms, us] = split(totalMatched, totalOthers);
    count = Math.min(Math.floor(matched.length / ms), Math.floor(others.length / us));
    order.push(...others.splice(0, others.length - count * us));
  }
  for (; count > 0; count--) order.push(...matched.splice(0, ms), ...others.splice(0, us));
  return [...order, ...matched, ...others, ...last];
}

test('scattering is what 4.3 says, whatever the labels are', (t) => {
  const value = fc.constantFrom('', 'a', 'b', 'c', 'd');
  const podLabels = fc.dictionary(fc.constantFrom('k', 'l'), value);
  const rules = fc.array(fc.record({ key: fc.constantFrom('k', 'l'), value: fc.oneof(fc.constant('*'), value) }));
  fc.assert(
    fc.property(fc.array(podLabels, { maxLength: 40 }), rules, fc.func(fc.boolean()), (pods, terms, waits) => {
      const waiting = [...pods.keys()].filter((index) => waits(index));
      const expected = usedTerms(waiting, pods, terms).reduce((order, used) => slowly(order, pods, used), waiting);
      t.deepEqual(scatter(waiting, pods, terms), expected);
    }),
    { numRuns: 500 },
  );
});

test('scattering by a label that is different in every pod takes no time to speak of', (t) => {
  const pods = Array.from({ length: 10_000 }, (_, index) => ({ host: `h${index}` }));
  const start = performance.now();
  const order = scatter([...pods.keys()], pods, [{ key: 'host', value: '*' }]);
  const took = performance.now() - start;
  t.deepEqual(order, [...pods.keys()]);
  // Looking through all pods for every term took 18 s.
  t.true(took < 3000, `${took.toFixed()} ms`);
});

test('numbers at the end of labels are compared to the last digit, as far as Go can hold them', (t) => {
  const compare = comparePriority({ orderPriority: [{ orderedKey: 'k' }] });
  const order = (a: string, b: string): number => Math.sign(compare({ k: a }, { k: b }));
  t.is(order('x-9007199254740992', 'x-9007199254740993'), 1, 'the higher number comes first');
  t.is(order('9223372036854775807', '9223372036854775806'), -1);
  t.is(order('9223372036854775808', '1'), 1, 'more than an int64 counts as 0');
  t.is(order('9223372036854775808', 'none'), 0);
});

test('of several scatter terms, one with an empty value is not for pods without the label', (t) => {
  const terms = [
    { key: 'a', value: '' },
    { key: 'b', value: 'x' },
  ];
  const pods: Labels[] = [{ b: 'x' }, { b: 'x' }, {}, {}];
  t.deepEqual(usedTerms([0, 1, 2, 3], pods, terms), [{ key: 'b', value: 'x' }]);
  t.deepEqual(usedTerms([0, 1, 2, 3], pods, terms.slice(0, 1)), terms.slice(0, 1));
});

test('a key that every JavaScript object has is no label that a pod carries', (t) => {
  const keys = ['constructor', 'toString', '__proto__'];
  t.deepEqual(
    expandTerms(
      [{}, {}],
      keys.map((key) => ({ key, value: '*' })),
    ),
    [],
  );
  const compare = comparePriority({ orderPriority: keys.map((orderedKey) => ({ orderedKey })) });
  t.is(compare({}, {}), 0);
  t.true(compare({}, { constructor: '1' }) < 0);
});
