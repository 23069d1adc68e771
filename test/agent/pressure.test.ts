import test from 'ava';
import { createPressure, pressureOf } from '../../agent/pressure.ts';
import type { Cluster } from '../../cluster/cluster.ts';

test('what a node is short of', (t) => {
  const node = (...conditions: [string, string][]) => ({
    metadata: { name: 'n' },
    status: { conditions: conditions.map(([type, status]) => ({ type, status })) },
  });
  t.is(pressureOf(node(['Ready', 'True'], ['MemoryPressure', 'False'], ['PIDPressure', 'Unknown'])), undefined);
  t.is(pressureOf({}), undefined);
  const short = node(['DiskPressure', 'True'], ['MemoryPressure', 'True']);
  t.is(pressureOf(short), 'node n has DiskPressure, MemoryPressure');
});

test('it is asked every five seconds at most, and again after a failure', async (t) => {
  let now = 0;
  let asked = 0;
  let failure: Error | undefined;
  const cluster = {
    get() {
      asked += 1;
      return failure ? Promise.reject(failure) : Promise.resolve({ metadata: { name: 'n' } });
    },
  } as unknown as Cluster;
  const pressure = createPressure(cluster, 'n', () => now);
  await Promise.all([pressure(), pressure()]);
  now = 4_999;
  await pressure();
  t.is(asked, 1);
  now = 5_000;
  failure = new Error('away');
  await t.throwsAsync(pressure(), { message: 'away' });
  failure = undefined;
  t.is(await pressure(), undefined);
  t.is(asked, 3);
});
