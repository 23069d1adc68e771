import { intOrPercentErrors } from '../int-or-percent.ts';
import { invalidObject, required, type FieldError } from './field-error.ts';
import { get, isSet, list, number, text, type Field } from './field.ts';
import { isEmpty, requiredSelectorErrors, selectorProblem } from './selector.ts';

/** What OpenKruise checks of an update strategy, if its type is `RollingUpdate`. */
export function updateStrategyErrors(strategy: Field): FieldError[] {
  if (text(get(strategy, 'type')) !== 'RollingUpdate') return [];
  const [partition, selector] = [get(strategy, 'partition'), get(strategy, 'selector')];
  const both = isSet(selector) && isSet(partition) && partition.value !== 0;
  const [priority, scatter] = [get(strategy, 'priorityStrategy'), get(strategy, 'scatterStrategy')];
  const [priorityMistake, scatterMistake] = [priorityProblem(priority), scatterProblem(scatter)];
  return [
    ...(both
      ? [invalidObject('updateStrategy', strategy.value, 'Partition and Selector cannot be used together')]
      : []),
    ...usedFieldErrors(strategy),
    ...(priorityMistake === undefined ? [] : [required(priority.at, priorityMistake)]),
    ...(scatterMistake === undefined ? [] : [required(scatter.at, scatterMistake)]),
  ];
}

/** What is wrong with the fields that matter even without a rollout: injection by `policy: Partial` reads them too. */
export function usedFieldErrors(strategy: Field): FieldError[] {
  const [selector, ...amounts] = ['selector', 'partition', 'maxUnavailable'].map((key) => get(strategy, key));
  return [
    ...(selector && isSet(selector) ? requiredSelectorErrors(selector) : []),
    ...amounts.filter(isSet).flatMap(({ value, at }) => intOrPercentErrors(value, at)),
  ];
}

function priorityProblem(priority: Field): string | undefined {
  const [weights, orders] = [list(get(priority, 'weightPriority')), list(get(priority, 'orderPriority'))];
  if (weights.length > 0 && orders.length > 0) return 'only one of weightPriority and orderPriority can be used';
  for (const term of weights) {
    const weight = number(get(term, 'weight')) ?? 0;
    if (weight < 0 || weight > 100) return 'weight must be valid number in the range 1-100';
    const selector = get(term, 'matchSelector');
    if (isEmpty(selector)) return 'selector can not be empty';
    const problem = selectorProblem(selector);
    if (problem !== undefined) return `invalid selector ${problem}`;
  }
  return orders.some((term) => text(get(term, 'orderedKey')) === '') ? 'order key can not be empty' : undefined;
}

function scatterProblem(scatter: Field): string | undefined {
  const seen = new Set<string>();
  for (const term of list(scatter)) {
    const [key, value] = [text(get(term, 'key')), text(get(term, 'value'))];
    if (key === '') return 'key should not be empty';
    if (seen.has(`${key}:${value}`)) return `duplicated key=${key} value=${value}`;
    seen.add(`${key}:${value}`);
  }
  return undefined;
}
