import test from 'ava';
import * as fc from 'fast-check';
import { createRateLimit, take, type Bucket } from '../../../cluster/kubernetes/rate-limit.ts';
import { createFakeClock } from './fake-clock.ts';

test('a burst goes at once, the rest at the rate, and quiet time fills the burst again', async (t) => {
  const clock = createFakeClock();
  const ready = createRateLimit({ qps: 10, burst: 3 }, clock);
  const gone: number[] = [];
  const ask = (): void => void ready().then(() => gone.push(clock.now()));
  for (let times = 0; times < 6; times += 1) ask();
  await clock.pass(5000);
  t.deepEqual(gone, [0, 0, 0, 100, 200, 300]);
  for (let times = 0; times < 5; times += 1) ask();
  await clock.pass(1000);
  t.deepEqual(gone.slice(6), [5000, 5000, 5000, 5100, 5200]);
});

test('in any stretch of time no more go than the burst and the rate allow, and each as soon as that', (t) => {
  const limit = fc.record({ qps: fc.integer({ min: 1, max: 500 }), burst: fc.integer({ min: 1, max: 50 }) });
  fc.assert(
    fc.property(limit, fc.array(fc.nat(300), { minLength: 1, maxLength: 200 }), ({ qps, burst }, gaps) => {
      let bucket: Bucket = { tokens: burst, at: 0 };
      let now = 0;
      const gone = gaps.map((gap) => {
        now += gap;
        const taken = take(bucket, { qps, burst }, now);
        bucket = taken.bucket;
        return { asked: now, at: now + taken.wait };
      });
      for (const [index, { asked, at }] of gone.entries()) {
        const before = gone[index - burst];
        // The one that went `burst` places before needs 1000 / qps milliseconds for its token to come back.
        if (before) t.true(at - before.at >= 1000 / qps - 1e-6);
        const due = Math.max(asked, ...gone.slice(0, index).map((other) => other.at));
        t.true(at <= due + 1000 / qps + 1e-6);
        t.true(at >= asked);
      }
    }),
  );
});
