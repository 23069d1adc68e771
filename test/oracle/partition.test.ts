import test from 'ava';
import { maxUnavailableOf, partitionOf, percentToFraction, scaledValue } from '../../api/int-or-percent.ts';
import { oracle, vectors } from './corpus.ts';

interface Unit {
  id: string;
  desc: string;
  op: string;
  in: { a: number | string; n: number };
  out: { partition: number; maxUnavailable: number; partitionError?: string };
}

const units = oracle<Unit>('units');

for (const { id, desc, in: given, out } of units.filter(({ op }) => op === 'partition')) {
  test(`${id} ${desc}`, (t) => {
    t.is(partitionOf(given.a, given.n), out.partition);
    t.is(maxUnavailableOf(given.a, given.n), out.maxUnavailable);
    t.is(out.partitionError !== undefined, scaledValue(given.a, given.n) === undefined);
  });
}

const partitions = vectors('partition') as {
  total: number | null;
  partition: number | string | null;
  expected: number;
}[];
for (const { total, partition, expected } of partitions) {
  test(`partition ${partition} of ${total}`, (t) => t.is(partitionOf(partition ?? undefined, total ?? 1), expected));
}

interface Scaled {
  input: number | string;
  total?: number;
  roundUp?: boolean;
  expected?: number;
}
for (const { input, total = 0, roundUp, expected } of vectors('scaledValue') as Scaled[]) {
  test(`scaledValue ${input} of ${total}, ${roundUp ? 'up' : 'down'}`, (t) =>
    t.is(scaledValue(input, total, { roundUp: roundUp ?? false }), expected));
}

for (const { input, expected } of vectors('percentToFloat') as { input: string; expected?: unknown }[]) {
  test(`percentToFloat ${input}`, (t) =>
    t.is(percentToFraction(input), expected === undefined ? undefined : Number(expected)));
}
