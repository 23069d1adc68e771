import test from 'ava';
import { handOver, type Footprint } from '../helpers/handovers.ts';

test('1,000 handovers: descriptors, memory and files stay as they were', async (t) => {
  const prints = await handOver(t, 1000, [100, 400, 700, 1000]);
  const [early, ...later] = prints as [Footprint, ...Footprint[]];
  t.log(prints.map(({ descriptors, heap }) => `${descriptors} descriptors, ${(heap / 1e6).toFixed(1)} MB`));
  for (const print of later) {
    t.is(print.descriptors, early.descriptors);
    t.deepEqual(print.files, early.files);
  }
  const growth = (later.at(-1)?.heap ?? Infinity) - early.heap;
  // 900 handovers: a kilobyte for each would show.
  t.true(growth < 900_000, `${growth} bytes more`);
});
