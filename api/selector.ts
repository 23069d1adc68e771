import { ApiError } from './error.ts';
import { own } from './json.ts';
import type { LabelSelector } from './kubernetes.ts';
import { forbidden, invalid, invalidObject, required, type FieldError } from './validation/field-error.ts';
import { entries, get, list, text, type Field } from './validation/field.ts';
import { labelValue, qualifiedName } from './validation/names.ts';

type Labels = Readonly<Record<string, string>>;
type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

/** Whether a selector demands nothing: an empty one matches every object, a missing one none. */
export const isEmptySelector = (selector: LabelSelector): boolean =>
  Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;

/**
 * Whether an object with these labels is selected. A missing selector selects nothing, an empty one everything. What
 * {@link selectorErrors} reports decides nothing here, so that objects stored by OpenKruise mean what they meant: `In`
 * without values matches nothing, `NotIn` without values everything, values of `Exists` are ignored.
 *
 * @throws ApiError `ERR_BATON_SELECTOR` at an unknown operator, whatever the labels
 */
export function matches(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  if (selector === undefined) return false;
  const requirements = selector.matchExpressions ?? [];
  for (const { operator } of requirements) {
    if (!OPERATORS.includes(operator)) {
      throw new ApiError('ERR_BATON_SELECTOR', `"${operator}" is not a valid pod selector operator`, {
        facts: { operator },
      });
    }
  }
  const { matchLabels } = selector;
  for (const key in matchLabels) {
    if (labelOf(labels, key) !== labelOf(matchLabels, key)) return false;
  }
  return requirements.every((requirement) => meets(requirement, labelOf(labels, requirement.key)));
}

/** A label's value; Go reads `null` as the empty text. */
function labelOf(labels: Readonly<Record<string, string | null>> | undefined, key: string): string | undefined {
  const value = own(labels, key);
  return value === null ? '' : value;
}

function meets({ operator, values }: Requirement, value: string | undefined): boolean {
  if (operator === 'Exists') return value !== undefined;
  if (operator === 'DoesNotExist') return value === undefined;
  const listed = value !== undefined && (values ?? []).includes(value);
  return operator === 'In' ? listed : !listed;
}

/** What Kubernetes finds wrong with a selector's syntax; `at` is the selector's own path. */
export function selectorErrors(selector: LabelSelector, at: string): FieldError[] {
  const field = { at, value: selector };
  const labels = get(field, 'matchLabels');
  return [
    ...entries(labels).flatMap(([key, value]) => [
      ...qualifiedName(key).map((problem) => invalid(labels.at, key, problem)),
      ...labelValue(value).map((problem) => invalid(labels.at, value, problem)),
    ]),
    ...list(get(field, 'matchExpressions')).flatMap(requirementErrors),
  ];
}

function requirementErrors(requirement: Field): FieldError[] {
  const [key, operator, values] = [get(requirement, 'key'), get(requirement, 'operator'), get(requirement, 'values')];
  const takesValues = text(operator).endsWith('In');
  const errors: FieldError[] = [];
  if (!OPERATORS.includes(text(operator))) {
    errors.push(invalidObject(operator.at, text(operator), 'not a valid selector operator'));
  } else if (takesValues && list(values).length === 0) {
    errors.push(required(values.at, "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (!takesValues && list(values).length > 0) {
    errors.push(forbidden(values.at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
  }
  errors.push(...qualifiedName(text(key)).map((problem) => invalid(key.at, text(key), problem)));
  for (const value of list(values)) {
    errors.push(...labelValue(text(value)).map((problem) => invalid(value.at, text(value), problem)));
  }
  return errors;
}

/**
 * Whether some labels could match both selectors, judged key by key as OpenKruise does: contradictions that only several
 * requirements together make are not found, so the answer may be a careful yes. A missing selector selects nothing.
 */
export function overlaps(a: LabelSelector | undefined, b: LabelSelector | undefined): boolean {
  return a !== undefined && b !== undefined && !excludes(a, b) && !excludes(b, a);
}

/** Whether OpenKruise takes selectors that overlap for disjoint: one wants a key present that the other does not mention (Q16). */
export function overlapsUnnoticed(a: LabelSelector, b: LabelSelector): boolean {
  return wantsMore(a, b) || wantsMore(b, a);
}

function wantsMore(a: LabelSelector, b: LabelSelector): boolean {
  const demanded = demandedValues(b);
  return (a.matchExpressions ?? []).some(({ key, operator }) => operator === 'Exists' && !demanded.has(key));
}

/** Whether one requirement of `b` contradicts what `a` demands of the same key. */
function excludes(a: LabelSelector, b: LabelSelector): boolean {
  const demanded = demandedValues(a);
  const labels = Object.entries(b.matchLabels ?? {}).map(([key, value]) => ({ key, operator: 'In', values: [value] }));
  return [...labels, ...(b.matchExpressions ?? [])].some(({ key, operator, values = [] }) => {
    const wanted = demanded.get(key);
    if (wanted === undefined || operator === 'Exists') return false;
    if (operator === 'DoesNotExist') return true;
    if (wanted === 'any') return false;
    if (operator === 'In') return !values.some((value) => wanted.has(value));
    return operator === 'NotIn' && [...wanted].every((value) => values.includes(value));
  });
}

/** The keys that a selector wants present, each with the values that it would take. */
function demandedValues({ matchLabels = {}, matchExpressions = [] }: LabelSelector): Map<string, Set<string> | 'any'> {
  const demanded = new Map<string, Set<string> | 'any'>();
  for (const [key, value] of Object.entries(matchLabels)) demanded.set(key, new Set([value]));
  for (const { key, operator, values = [] } of matchExpressions) {
    const sofar = demanded.get(key);
    if (operator === 'Exists') demanded.set(key, 'any');
    else if (operator === 'In' && values.length > 0 && sofar !== 'any')
      demanded.set(key, new Set([...(sofar ?? []), ...values]));
  }
  return demanded;
}
