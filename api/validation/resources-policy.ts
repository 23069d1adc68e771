import { ApiError } from '../error.ts';
import { calculate, namesMemory, unreadableNumbers, type Value } from '../expression.ts';
import { goPattern } from '../go-pattern.ts';
import { isObject } from '../json.ts';
import { parseQuantity } from '../quantity.ts';
import { invalid, invalidObject, required, stricter, type FieldError } from './field-error.ts';
import { get, isSet, text, type Field } from './field.ts';

const RESOURCES = ['cpu', 'memory'] as const;
type Resource = (typeof RESOURCES)[number];

/** Pods from tiny to huge, in which an expression is tried. */
const SAMPLES: Record<Resource, readonly Value[]> = {
  cpu: ['0', '1m', '100m', '1', '10', '1k'].map(parseQuantity),
  memory: ['0', '1Mi', '1Gi', '16Gi', '1Ti'].map(parseQuantity),
};

/** What is wrong with a container's `resourcesPolicy`; `at` is its path. */
export function resourcesPolicyErrors(container: Field, at: string): FieldError[] {
  const policy = get(container, 'resourcesPolicy');
  const resources = get(container, 'resources');
  if (['limits', 'requests'].some((key) => hasKeys(get(resources, key)))) {
    return [invalidObject(at, policy.value, 'resourcesPolicy and resources cannot be configured together')];
  }
  const pattern = text(get(policy, 'targetContainersNameRegex'));
  const expressions = get(policy, 'resourcesExpr');
  const kinds = ['limits', 'requests'].filter((kind) => isSet(get(expressions, kind)));
  return [
    ...patternErrors(pattern, `${at}.targetContainersNameRegex`),
    ...(kinds.length > 0
      ? expressionsOf(container).flatMap(({ kind, resource, expression }) => {
          const problem = expressionProblem(expression, resource);
          if (problem === undefined) return [];
          const field = `${at}.resourcesExpr.${kind}.${resource}`;
          const error = invalid(field, expression, `invalid expression: ${problem}`);
          // OpenKruise tries an expression with the plain number 1.
          return [problemWith(expression, { [resource]: 1 }) === undefined ? stricter(error) : error];
        })
      : [
          invalidObject(
            `${at}.resourcesExpr`,
            expressions.value,
            'at least one of limits or requests must be configured',
          ),
        ]),
  ];
}

interface Expression {
  at: string;
  kind: string;
  resource: Resource;
  expression: string;
}

/** The expressions of a container that are not empty. */
export function expressionsOf(container: Field): Expression[] {
  const expressions = get(get(container, 'resourcesPolicy'), 'resourcesExpr');
  return ['limits', 'requests'].flatMap((kind) =>
    RESOURCES.map((resource) => {
      const field = get(get(expressions, kind), resource);
      return { at: field.at, kind, resource, expression: text(field) };
    }).filter(({ expression }) => expression !== ''),
  );
}

const hasKeys = ({ value }: Field): boolean => isObject(value) && Object.keys(value).length > 0;

function patternErrors(pattern: string, at: string): FieldError[] {
  if (pattern === '') return [required(at, 'invalid empty regex')];
  try {
    goPattern(pattern);
    return [];
  } catch (error) {
    // Go quotes a part of the pattern after every message, be it empty.
    const { message } = error as Error;
    return [invalid(at, pattern, `invalid regex pattern: ${message}${message.endsWith('`') ? '' : ': ``'}`)];
  }
}

/** Why an expression has a value in no pod (Q19), or holds a number that nobody can mean (Q18). */
function expressionProblem(expression: string, resource: Resource): string | undefined {
  const problems = problemsOf(expression, resource);
  const [unreadable] = unreadableNumbers(expression);
  // With plenty of resources only what is negative everywhere still is: the last sample tells best.
  if (problems.every((problem) => problem !== undefined)) return problems.at(-1);
  return unreadable === undefined ? undefined : `${JSON.stringify(unreadable)} is no number with a known unit`;
}

/** Why an expression fails in some pods although it works in others. */
export function partialProblem(expression: string, resource: Resource): string | undefined {
  const problems = problemsOf(expression, resource);
  return problems.includes(undefined) ? problems.find((problem) => problem !== undefined) : undefined;
}

function problemsOf(expression: string, resource: Resource): (string | undefined)[] {
  // At injection the aggregate is called `memory` only if that very word is in the text.
  const isBound = resource === 'cpu' || namesMemory(expression);
  return SAMPLES[resource].map((sample) => problemWith(expression, isBound ? { [resource]: sample } : {}));
}

function problemWith(expression: string, variables: Record<string, Value>): string | undefined {
  try {
    calculate(expression, variables);
    return undefined;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'ERR_BATON_EXPRESSION') return String(error.facts['reason']);
    throw error;
  }
}
