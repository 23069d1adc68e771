import test from 'ava';
import type { LabelSelector } from '../../api/kubernetes.ts';
import { overlaps } from '../../api/selector.ts';
import { oracle, vectors } from './corpus.ts';
import { q16 } from './excuses/overlap.ts';

interface Pair {
  a: LabelSelector;
  b: LabelSelector;
}

interface Unit {
  id: string;
  desc: string;
  op: string;
  in: Pair;
  out: { overlap: boolean };
}

const units = oracle<Unit>('units').filter(({ op }) => op === 'overlap');
const collected = vectors('selectorOverlap') as (Pair & { expected: boolean })[];

for (const { id, desc, in: pair, out } of units) {
  test(`${id} ${desc}`, (t) => {
    if (q16(pair.a, pair.b)) t.is(typeof overlaps(pair.a, pair.b), 'boolean');
    else t.is(overlaps(pair.a, pair.b), out.overlap);
  });
}

for (const [index, { a, b, expected }] of collected.entries()) {
  test(`selectorOverlap ${index}`, (t) => {
    if (q16(a, b)) t.is(typeof overlaps(a, b), 'boolean');
    else t.is(overlaps(a, b), expected);
  });
}
