import { baseKey, baseOf as baseOfSet } from '../canary.ts';
import { invalidObject, type FieldError } from './field-error.ts';
import { entries, get, text, type Field } from './field.ts';

/** A set's name. */
export const nameOf = (set: Field): string => text(get(get(set, 'metadata'), 'name'));

/** The base that a canary names, or undefined for any other set. */
export const baseOf = (set: Field): string | undefined =>
  baseOfSet({ metadata: { annotations: annotationsOf(set) }, spec: {} });

const annotationsOf = (set: Field): Record<string, string> =>
  Object.fromEntries(entries(get(get(set, 'metadata'), 'annotations')));

/** What is wrong with a canary set; `cluster` holds the sets that exist, on an update this one too. */
export function canaryErrors(set: Field, old: Field | undefined, cluster: readonly Field[]): FieldError[] {
  const base = baseOf(set);
  if (base === undefined) return [];
  const wrong = (detail: string): FieldError => invalidObject('metadata', annotationsOf(set), detail);
  const errors: FieldError[] = [];
  if (base === nameOf(set)) errors.push(wrong('base sidecarSet cannot be itself'));
  if (old && annotationsOf(old)[baseKey] !== base) errors.push(wrong(`annotations[${baseKey}] is immutable`));
  const found = cluster.find((other) => nameOf(other) === base);
  if (!found) {
    errors.push(wrong(`fetch base sidecarSet[${base}] failed: sidecarsets.apps.kruise.io "${base}" not found`));
  } else if (baseOf(found) !== undefined) {
    errors.push(wrong('base sidecarSet cannot be canary'));
  }
  if (text(get(get(get(set, 'spec'), 'updateStrategy'), 'type')) !== 'NotUpdate') {
    errors.push(wrong('RollingUpdate is not supported for canary sidecarSet'));
  }
  return errors;
}
