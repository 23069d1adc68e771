import test from 'ava';
import fc from 'fast-check';
import { restartDelay } from '../../local/back-off.ts';

const backOff = { base: 1_000, max: 30_000, resetAfter: 60_000 };

test('the first restart comes at once, later ones double up to the limit', (t) => {
  const delays: number[] = [];
  let delay: number | undefined;
  for (let crash = 0; crash < 8; crash++) {
    delay = restartDelay(delay, 10, backOff);
    delays.push(delay);
  }
  t.deepEqual(delays, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test('a life that lasted is forgiven', (t) => {
  t.is(restartDelay(30_000, 60_000, backOff), 0);
  t.is(restartDelay(30_000, 59_999, backOff), 30_000);
});

test('a delay never shrinks while lives are short, and never exceeds the limit', (t) => {
  const options = fc.record({
    base: fc.integer({ min: 1, max: 1_000 }),
    max: fc.integer({ min: 1_000, max: 100_000 }),
    resetAfter: fc.constant(1_000),
  });
  fc.assert(
    fc.property(options, fc.array(fc.integer({ min: 0, max: 999 }), { maxLength: 40 }), (its, lives) => {
      let delay: number | undefined;
      for (const ranFor of lives) {
        const next = restartDelay(delay, ranFor, its);
        if (next < (delay ?? 0) || next > its.max) return false;
        delay = next;
      }
      return true;
    }),
  );
  t.pass();
});
