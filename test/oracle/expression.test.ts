import test from 'ava';
import { calculate, evaluateExpression, type Value } from '../../api/expression.ts';
import { parseQuantity, quantityText } from '../../api/quantity.ts';
import { resourcesPolicyErrors } from '../../api/validation/resources-policy.ts';
import { oracle, vectors } from './corpus.ts';
import { hasUnreadable, needsAmount } from './excuses/validation.ts';

interface Unit {
  id: string;
  desc: string;
  op: string;
  in: { s: [expression: string, variable: 'cpu' | 'memory', aggregate: string] };
  out: { value?: string; error?: string; validate?: string };
}

/** The value as text, or the error's message. */
function outcome(compute: () => Value): string {
  try {
    const value = compute();
    return typeof value === 'number' ? String(value) : quantityText(value);
  } catch (error) {
    return `error: ${(error as Error).message}`;
  }
}

for (const { id, desc, in: given, out } of oracle<Unit>('units').filter(({ op }) => op === 'expr')) {
  const [expression, , aggregate] = given.s;
  // An unset expression is the caller's case: nothing is computed.
  if (expression === '') continue;
  test(`${id} ${desc}`, (t) => {
    const expected = out.error === undefined ? out.value : `error: ${out.error}`;
    t.is(
      outcome(() => evaluateExpression(expression, parseQuantity(aggregate))),
      expected ?? '',
    );
  });
}

for (const { id, desc, in: given, out } of oracle<Unit>('units').filter(({ op }) => op === 'expr')) {
  const [text, resource] = given.s;
  test(`${id} validated, ${desc}`, (t) => {
    const resourcesPolicy = { targetContainersNameRegex: '.*', resourcesExpr: { limits: { [resource]: text } } };
    const [error] = resourcesPolicyErrors({ at: '', value: { resourcesPolicy } }, 'spec[0].resourcesPolicy');
    if (hasUnreadable({ text, resource }) || needsAmount({ text, resource })) t.pass('mended: Q18, Q19');
    else t.is(error?.detail, out.validate);
  });
}

for (const { expr, var: aggregate, expected } of vectors('expressionEval') as Record<string, string>[]) {
  if (!expr) continue;
  test(`expressionEval ${expr} of ${aggregate}`, (t) =>
    t.is(
      outcome(() => evaluateExpression(expr, parseQuantity(aggregate ?? ''))),
      expected ?? '',
    ));
}

interface Calculation {
  expr: string;
  vars?: Record<string, string>;
  expected: string;
}
const calculations = ['calculator', 'calculatorWithVars'].flatMap((section) => vectors(section) as Calculation[]);

for (const { expr, vars = {}, expected } of calculations) {
  test(`calculator ${JSON.stringify(expr)} ${JSON.stringify(vars)}`, (t) => {
    const bound = Object.entries(vars).map(([name, text]) => [name, parseQuantity(text)] as const);
    const actual = outcome(() => calculate(expr, Object.fromEntries(bound)));
    const [, error, reason = ''] = /^(error)(?:: (.*))?$/.exec(expected) ?? [];
    if (error !== undefined) t.true(actual.startsWith('error') && actual.includes(reason), actual);
    else if (expected === 'no error') t.false(actual.startsWith('error'), actual);
    else t.is(actual, expected);
  });
}
