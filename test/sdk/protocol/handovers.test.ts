import test from 'ava';
import { handOver } from '../../helpers/handovers.ts';

test('30 handovers in a row leave no descriptor and no file behind', async (t) => {
  const [early, late] = await handOver(t, 30, [5, 30]);
  // A leak is one for each of the 25 handovers between; Node itself may have a file open in the moment of a count.
  t.true(Math.abs((late?.descriptors ?? Infinity) - (early?.descriptors ?? 0)) < 5, JSON.stringify([early, late]));
  t.deepEqual(late?.files, early?.files);
  t.deepEqual(late?.files, ['VERSION.json', 'VERSION.sock', 'owner']);
});
