import test from 'ava';
import { handOver } from '../../helpers/handovers.ts';

test('30 handovers in a row leave no descriptor and no file behind', async (t) => {
  const [early, late] = await handOver(t, 30, [5, 30]);
  t.is(late?.descriptors, early?.descriptors);
  t.deepEqual(late?.files, early?.files);
  t.deepEqual(late?.files, ['VERSION.json', 'VERSION.sock', 'owner']);
});
