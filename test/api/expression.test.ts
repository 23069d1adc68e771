import test from 'ava';
import fc from 'fast-check';
import { calculate, evaluateExpression, unreadableNumbers, type Value } from '../../api/expression.ts';
import { milliValue, parseQuantity, quantityText } from '../../api/quantity.ts';

const evaluate = (expression: string, aggregate: string): string =>
  quantityText(evaluateExpression(expression, parseQuantity(aggregate)));

test('the aggregate is called memory if that word is in the text, else cpu', (t) => {
  t.is(evaluate('Memory*0 + memory/2', '1Gi'), '512Mi');
  t.is(evaluate('CPU*50%', '1500m'), '750m');
  t.throws(() => evaluate('MEMORY*2', '1Gi'), {
    code: 'ERR_BATON_EXPRESSION',
    message: 'failed to parse expression "MEMORY*2": undefined variable: memory',
  });
});

test('of several mistakes the last is reported, and one before a syntax error', (t) => {
  const reason = (expression: string): string | undefined =>
    t.throws(() => calculate(expression, {})).message.replace(/^.*": /, '');
  t.is(reason('x + y'), 'undefined variable: y');
  t.is(reason('foo(x, 1)'), 'unknown function: foo');
  t.is(reason('1/0)'), 'division by zero');
  t.is(reason('x y'), 'undefined variable: x');
  t.is(reason('2 y'), 'parse error: syntax error at line 1, col 4');
  t.is(reason('1 +\n  * 2'), 'parse error: syntax error at line 2, col 4');
  t.is(reason(''), 'parse error: syntax error at line 1, col 1');
  t.is(reason('max(1,2,3)'), 'parse error: syntax error at line 1, col 9');
  t.is(reason('1e3m'), "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  t.is(reason('é'), 'undefined variable: \ufffd');
  t.is(reason('-1000000'), 'calculation result is negative: -1e+06');
  t.is(reason('-1e-5'), 'calculation result is negative: -1e-05');
});

test('surprise 13: what looks like a number and is none counts as 0', (t) => {
  for (const expression of ['100MB', '5x', '1e', '1e+', '1ki', '.']) {
    t.is(calculate(expression, {}), 0, expression);
    t.deepEqual(unreadableNumbers(expression), [expression]);
  }
  t.deepEqual(unreadableNumbers('max(5., .5) + 1e3 + 50% + 100m + 1.5Gi'), []);
  // Go reads `1e999` as infinite, but gives up on a percentage of it.
  t.deepEqual(unreadableNumbers('1e999 + 1e999%'), ['1e999%']);
});

test('brackets without end do not exhaust the stack', (t) => {
  t.throws(() => calculate('('.repeat(100_000), {}), { message: /500 brackets/ });
  t.throws(() => calculate('-'.repeat(100_000), {}), { message: /500 brackets/ });
});

/** An expression and its value, worked out while it is made: an exact fraction of thousandths, or a float. */
type Made = { text: string } & ({ number: number } | { milli: bigint });

const leaf: fc.Arbitrary<Made> = fc.oneof(
  fc.integer({ min: 0, max: 50 }).map((number) => ({ text: String(number), number })),
  fc.integer({ min: 0, max: 100 }).map((percent) => ({ text: `${percent}%`, number: percent / 100 })),
  fc.integer({ min: 0, max: 5000 }).map((milli) => ({ text: `${milli}m`, milli: BigInt(milli) })),
  fc.integer({ min: 0, max: 64 }).map((mi) => ({ text: `${mi}Mi`, milli: BigInt(mi) * 1_048_576_000n })),
  fc.constant({ text: 'cpu', milli: 1500n }),
);

const milliOf = (made: Made): bigint => ('milli' in made ? made.milli : BigInt(Math.trunc(made.number * 1000)));

function combine(operator: string, a: Made, b: Made): Made | undefined {
  const text = operator.length === 1 ? `(${a.text} ${operator} ${b.text})` : `${operator}(${a.text},${b.text})`;
  if ('number' in a && 'number' in b) {
    const [x, y] = [a.number, b.number];
    const results = { '+': x + y, '-': x - y, '*': x * y, '/': x / y, max: Math.max(x, y), min: Math.min(x, y) };
    const number = results[operator as keyof typeof results];
    return Number.isFinite(number) ? { text, number } : undefined;
  }
  const [x, y] = [milliOf(a), milliOf(b)];
  if (operator === '+') return { text, milli: x + y };
  if (operator === '-') return { text, milli: x - y };
  if (operator === 'max') return { text, milli: x > y ? x : y };
  if (operator === 'min') return { text, milli: x < y ? x : y };
  const by = 'number' in b ? b.number : operator === '*' && 'number' in a ? a.number : undefined;
  const of = 'number' in b ? x : y;
  if (by === undefined || (operator === '/' && by === 0)) return undefined;
  return { text, milli: BigInt(Math.trunc(operator === '*' ? Number(of) * by : Number(of) / by)) };
}

const made = fc.letrec<{ tree: Made }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc
      .tuple(fc.constantFrom('+', '-', '*', '/', 'max', 'min'), tie('tree'), tie('tree'))
      .map(([operator, a, b]) => combine(operator, a, b) ?? a),
  ),
})).tree;

test('the value is that of an evaluation by hand', (t) => {
  const variables: Record<string, Value> = { cpu: parseQuantity('1500m') };
  fc.assert(
    fc.property(made, (one) => {
      const least = 'milli' in one ? Number(one.milli) : one.number;
      fc.pre(least >= 0 && least < 2 ** 62);
      const value = calculate(one.text, variables);
      return 'milli' in one
        ? typeof value !== 'number' && milliValue(value) === one.milli
        : typeof value === 'number' && Object.is(value + 0, one.number + 0);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('no text makes it fail otherwise than with its own error', (t) => {
  const words = fc.array(fc.constantFrom(...'0123456789.eE+-*/()%,mkMGi cpumaxin\n\u00e9\0'.split('')), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        words.map((parts) => parts.join('')),
      ),
      (text) => {
        try {
          calculate(text, { cpu: 1 });
          return true;
        } catch (error) {
          return (error as { code?: string }).code === 'ERR_BATON_EXPRESSION';
        }
      },
    ),
    { numRuns: 5000 },
  );
  t.pass();
});
