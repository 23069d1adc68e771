import test from 'ava';
import fc from 'fast-check';
import { intOrPercentErrors, maxUnavailableOf, partitionOf } from '../../api/int-or-percent.ts';

test('an unset maxUnavailable is 1, an unset partition 0', (t) => {
  t.is(maxUnavailableOf(undefined, 10), 1);
  t.is(maxUnavailableOf(null, 10), 1);
  t.is(partitionOf(undefined, 10), 0);
});

test('surprise 7: an old maxUnavailable "5" is 5 %, and validation refuses a new one', (t) => {
  t.is(maxUnavailableOf('5', 101), 6);
  t.is(maxUnavailableOf('9223372036854775808%', 10), 0);
  t.is(intOrPercentErrors('5', 'spec.updateStrategy.maxUnavailable')[0]?.field, 'spec.updateStrategy.maxUnavailable');
});

test('numbers and percentages that are not negative are fine', (t) => {
  for (const value of [0, 7, '0%', '101%']) t.deepEqual(intOrPercentErrors(value, 'x'), []);
  for (const value of [-1, 1.5, '-1%', '1.5%', '%', '', null, {}, true]) {
    t.is(intOrPercentErrors(value, 'x').length, 1, JSON.stringify(value));
  }
});

test('a partition is between 0 and all, and only 100% or a number keeps all of several pods', (t) => {
  const value = fc.oneof(
    fc.integer({ min: -5, max: 300 }),
    fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
  );
  fc.assert(
    fc.property(value, fc.nat(200), (partition, total) => {
      const kept = partitionOf(partition, total);
      const all = typeof partition === 'number' || partition === '100%' || total <= 1;
      return kept >= 0 && kept <= total && (all || kept < total);
    }),
  );
  t.pass();
});

test('a percentage that is too large for a number is none', (t) => {
  t.is(partitionOf('1e400%', 5), 0);
  t.is(partitionOf('1e2%', 5), 4);
});
