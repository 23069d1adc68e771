import test from 'ava';
import { equalImages, isPinned } from '../../api/image.ts';
import { oracle, vectors } from './corpus.ts';

interface Unit {
  id: string;
  desc: string;
  op: string;
  in: { s: [string, string] };
  out: { digest: boolean; equal: boolean };
}

const units = oracle<Unit>('units').filter(({ op }) => op === 'image');

for (const { id, desc, in: given, out } of units) {
  test(`${id} ${desc}`, (t) => {
    t.is(isPinned(given.s[0]), out.digest);
    t.is(equalImages(...given.s), out.equal);
  });
}

for (const [index, one] of (vectors('imageEqual') as { a: string; b: string; expected: boolean }[]).entries()) {
  test(`imageEqual ${index} ${one.a} ${one.b}`, (t) => t.is(equalImages(one.a, one.b), one.expected));
}
