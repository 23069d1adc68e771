import test from 'ava';
import fc from 'fast-check';
import { copyJson, isObject } from '../../../api/json.ts';
import { answer } from '../../../api/validation/validate.ts';
import { sidecarSets } from '../../helpers/sidecar-sets.ts';
import { findings, set } from '../../helpers/validation.ts';

/** A JSON value with one member somewhere inside replaced. */
function spoil(value: unknown, path: readonly number[], by: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || (!Array.isArray(value) && !isObject(value))) return by;
  const keys = Object.keys(value);
  const key = keys[step % Math.max(keys.length, 1)];
  if (key === undefined) return by;
  const copy = copyJson(value) as Record<string, unknown>;
  copy[key] = spoil(copy[key], rest, by);
  return copy;
}

const spoilt = fc
  .tuple(sidecarSets, fc.array(fc.nat(9), { maxLength: 6 }), fc.jsonValue({ maxDepth: 2 }))
  .map(([object, path, by]) => spoil(object, path, by));

test('validation answers whatever it is given', (t) => {
  const anything = fc.oneof(spoilt, fc.jsonValue());
  fc.assert(
    fc.property(anything, fc.option(anything, { nil: undefined }), fc.string(), (object, old, whitelist) => {
      const others = [set({}, 'other')];
      const { allowed, message } = answer(findings(object, { old, others, whitelist }));
      return message !== '' && typeof allowed === 'boolean';
    }),
    { numRuns: 1500 },
  );
  t.pass();
});

test('a set that is unchanged brings no mistake that it did not have, and none that OpenKruise accepts', (t) => {
  fc.assert(
    fc.property(sidecarSets, (object) => {
      const update = findings(object, { old: object });
      return update.errors.every((error) => error.stricter === undefined);
    }),
  );
  t.pass();
});
