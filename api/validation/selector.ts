import { selectorErrors } from '../selector.ts';
import { invalidObject, type FieldError } from './field-error.ts';
import { entries, get, list, text, texts, type Field } from './field.ts';
import { labelValue, qualifiedName } from './names.ts';

/** What is wrong with a selector that may not be empty. As in OpenKruise, a malformed one is reported a second time as a whole. */
export function requiredSelectorErrors(selector: Field): FieldError[] {
  const errors = selectorErrors(selector.value ?? {}, selector.at);
  if (isEmpty(selector)) {
    errors.push(invalidObject(selector.at, selector.value, 'empty selector is not valid for sidecarset.'));
  } else if (errors.length > 0) {
    errors.push(invalidObject(`${selector.at}.selector`, selector.value, ''));
  }
  return errors;
}

/** Whether a selector demands nothing. */
export const isEmpty = (selector: Field): boolean =>
  entries(get(selector, 'matchLabels')).length === 0 && list(get(selector, 'matchExpressions')).length === 0;

/** Why the first malformed requirement cannot be used, in the words of Kubernetes' label library; undefined if all can. */
export function selectorProblem(selector: Field): string | undefined {
  const labels = entries(get(selector, 'matchLabels')).map(([key, value]) => requirementProblem(key, '=', [value]));
  const expressions = list(get(selector, 'matchExpressions')).map((requirement) => {
    const [key, operator] = [text(get(requirement, 'key')), text(get(requirement, 'operator'))];
    return requirementProblem(key, operator, texts(get(requirement, 'values')));
  });
  return [...labels, ...expressions].find((problem) => problem !== undefined);
}

function requirementProblem(key: string, operator: string, values: readonly string[]): string | undefined {
  if (!['=', 'In', 'NotIn', 'Exists', 'DoesNotExist'].includes(operator)) {
    return `"${operator}" is not a valid label selector operator`;
  }
  const problems: string[] = [];
  const keyProblems = qualifiedName(key);
  if (keyProblems.length > 0) problems.push(`key: Invalid value: ${JSON.stringify(key)}: ${keyProblems.join('; ')}`);
  if (operator.endsWith('In') && values.length === 0) {
    problems.push("values: Invalid value: []string(nil): for 'in', 'notin' operators, values set can't be empty");
  }
  if (operator.endsWith('Exist') || operator === 'Exists') {
    const shown = `[]string{${values.map((value) => JSON.stringify(value)).join(', ')}}`;
    if (values.length > 0) {
      problems.push(`values: Invalid value: ${shown}: values set must be empty for exists and does not exist`);
    }
  }
  values.forEach((value, index) => {
    const wrong = labelValue(value);
    if (wrong.length > 0) {
      problems.push(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${wrong.join('; ')}`);
    }
  });
  return problems.length > 1 ? `[${problems.join(', ')}]` : problems[0];
}
