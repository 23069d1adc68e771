import { intOrPercentErrors } from '../int-or-percent.ts';
import { invalid, notSupported, type FieldError } from './field-error.ts';
import { get, isSet, list, number, text, type Field } from './field.ts';

const SECONDS = ['migrationTimeoutSeconds', 'drainTimeoutSeconds', 'soakSeconds'];
const ROLLBACKS = ['Automatic', 'Never'];

/** What is wrong with the fields that Baton adds to OpenKruise's (design section 4). */
export function additionErrors(spec: Field): FieldError[] {
  const threshold = get(get(spec, 'updateStrategy'), 'failureThreshold');
  const containers = ['initContainers', 'containers'].flatMap((kind) => list(get(spec, kind)));
  return [
    ...containers.flatMap((container) => strategyErrors(get(container, 'upgradeStrategy'))),
    ...(isSet(threshold) ? intOrPercentErrors(threshold.value, threshold.at) : []),
  ];
}

function strategyErrors(strategy: Field): FieldError[] {
  const rollback = get(strategy, 'rollback');
  const isForeign = isSet(rollback) && !ROLLBACKS.includes(text(rollback));
  return [
    ...SECONDS.map((key) => get(strategy, key)).flatMap((field) => {
      const seconds = number(field) ?? 0;
      return seconds < 0 ? [invalid(field.at, seconds, 'must be greater than or equal to 0')] : [];
    }),
    ...(isForeign ? [notSupported(rollback.at, text(rollback), ROLLBACKS)] : []),
  ];
}
