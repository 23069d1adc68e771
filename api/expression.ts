import { ApiError } from './error.ts';
import { readExpression, type Token } from './expression-tokens.ts';
import {
  addQuantities,
  compareQuantities,
  fromMilli,
  milliValue,
  parseQuantity,
  quantityText,
  subtractQuantities,
  type Quantity,
} from './quantity.ts';

/** What an expression works with: plain numbers and amounts of a resource. */
export type Value = number | Quantity;

/** Brackets and signs within one another; nobody writes so many, and each costs stack. */
const MAX_DEPTH = 500;

const QUANTITY = '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$';

/**
 * The amount that an expression of a `resourcesPolicy` gives for a pod, `aggregate` being what the pod's containers sum up
 * to, or their maximum. As in OpenKruise, the text decides what the aggregate is called: `memory` if that word (in lower
 * case) is in it, else `cpu`. A plain number is cut to thousandths.
 *
 * @throws ApiError `ERR_BATON_EXPRESSION`
 */
export function evaluateExpression(expression: string, aggregate: Quantity): Quantity {
  return asQuantity(calculate(expression, { [namesMemory(expression) ? 'memory' : 'cpu']: aggregate }));
}

/** Whether an expression's aggregate is called `memory` at injection. */
export const namesMemory = (expression: string): boolean => /\bmemory\b/.test(expression);

/**
 * The value of an expression (sidecarset.md 2.8, and the corpus' surprises 12 and 13). Operands are worked out as soon as
 * they are read, left to right, and of several mistakes the last is reported: what OpenKruise's parser generator makes it do.
 * A number that cannot be read (`100MB`) counts as 0, which validation refuses: {@link unreadableNumbers}.
 *
 * @throws ApiError `ERR_BATON_EXPRESSION`
 */
export function calculate(expression: string, variables: Readonly<Record<string, Value>>): Value {
  const tokens = readExpression(expression);
  let next = 0;
  let problem: string | undefined;

  const failed = (why: string): ApiError =>
    new ApiError('ERR_BATON_EXPRESSION', `failed to parse expression ${JSON.stringify(expression)}: ${why}`, {
      facts: { expression, reason: why },
    });

  /** Notes a mistake; the value is missing from here on, and only the syntax is still read. */
  const fault = (why: string): Value | undefined => {
    problem = why;
    return;
  };

  const peek = (): Token => tokens[next] ?? { kind: 'end', text: '', line: 1, column: 1 };
  const isSign = (...signs: string[]): boolean => peek().kind === 'sign' && signs.includes(peek().text);

  const expect = (sign: string): void => {
    if (!isSign(sign)) throw misplaced();
    next += 1;
  };
  const misplaced = (): ApiError =>
    failed(problem ?? `parse error: syntax error at line ${peek().line}, col ${peek().column}`);

  function sum(depth: number): Value | undefined {
    let left = product(depth);
    while (isSign('+', '-')) {
      const operate = peek().text === '+' ? add : subtract;
      next += 1;
      const right = product(depth);
      left = left === undefined || right === undefined ? undefined : operate(left, right);
    }
    return left;
  }

  function product(depth: number): Value | undefined {
    let left = factor(depth);
    while (isSign('*', '/')) {
      const operate = peek().text === '*' ? multiply : divide;
      next += 1;
      const right = factor(depth);
      left = left === undefined || right === undefined ? undefined : operate(left, right);
    }
    return left;
  }

  function factor(depth: number): Value | undefined {
    if (depth > MAX_DEPTH) throw failed(`more than ${MAX_DEPTH} brackets and signs within one another`);
    const token = peek();
    if (isSign('-')) {
      next += 1;
      const value = factor(depth + 1);
      return value === undefined ? undefined : negate(value);
    }
    if (isSign('(')) {
      next += 1;
      const value = sum(depth + 1);
      expect(')');
      return value;
    }
    if (token.kind === 'sign' || token.kind === 'end') throw misplaced();
    next += 1;
    if (token.kind === 'number') return readNumber(token.text) ?? 0;
    if (token.kind === 'quantity') return quantity(token.text);
    return isSign('(') ? call(token.text, depth) : variable(token.text.toLowerCase());
  }

  function call(name: string, depth: number): Value | undefined {
    expect('(');
    const values = [sum(depth + 1)];
    if (isSign(',')) {
      next += 1;
      values.push(sum(depth + 1));
    }
    expect(')');
    const lower = name.toLowerCase();
    if (lower !== 'max' && lower !== 'min') return fault(`unknown function: ${name}`);
    const [left, right] = values;
    if (values.length !== 2) return fault(`${lower} function requires exactly 2 arguments, got ${values.length}`);
    return left === undefined || right === undefined ? undefined : choose(lower === 'max' ? 1 : -1, left, right);
  }

  function variable(name: string): Value | undefined {
    return (Object.hasOwn(variables, name) ? variables[name] : undefined) ?? fault(`undefined variable: ${name}`);
  }

  function quantity(text: string): Value | undefined {
    try {
      return parseQuantity(text);
    } catch {
      return fault(`quantities must match the regular expression '${QUANTITY}'`);
    }
  }

  function multiply(left: Value, right: Value): Value | undefined {
    if (typeof left !== 'number' && typeof right !== 'number') return fault('multiplication of two quantities');
    if (typeof left !== 'number') return scale(left, (milli) => milli * (right as number));
    return typeof right === 'number' ? left * right : scale(right, (milli) => milli * left);
  }

  function divide(left: Value, right: Value): Value | undefined {
    if (typeof right !== 'number') return fault('division by quantity');
    if (right === 0) return fault('division by zero');
    return typeof left === 'number' ? left / right : scale(left, (milli) => milli / right);
  }

  const result = sum(0);
  if (peek().kind !== 'end') throw misplaced();
  if (result === undefined) throw failed(problem ?? 'no result');
  const negative = typeof result === 'number' ? result < 0 : result.unscaled < 0n;
  if (negative) {
    const shown = typeof result === 'number' ? shortest(result) : quantityText(result);
    throw failed(`calculation result is negative: ${shown}`);
  }
  return result;
}

/** The numbers of an expression that OpenKruise cannot read and silently takes for 0, such as `100MB` (quirk Q18). */
export function unreadableNumbers(expression: string): string[] {
  return readExpression(expression)
    .filter(({ kind, text }) => kind === 'number' && readNumber(text) === undefined)
    .map(({ text }) => text);
}

/** A decimal number or percentage. */
function readNumber(text: string): number | undefined {
  const [, digits, percent] = /^((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(%?)$/.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const value = Number(digits);
  if (percent !== '%') return value;
  return Number.isFinite(value) ? value / 100 : undefined;
}

const asQuantity = (value: Value): Quantity =>
  typeof value === 'number' ? fromMilli(toInt64(value * 1000), 'DecimalSI') : value;

const add = (left: Value, right: Value): Value =>
  typeof left === 'number' && typeof right === 'number'
    ? left + right
    : addQuantities(asQuantity(left), asQuantity(right));

const subtract = (left: Value, right: Value): Value =>
  typeof left === 'number' && typeof right === 'number'
    ? left - right
    : subtractQuantities(asQuantity(left), asQuantity(right));

const negate = (value: Value): Value => {
  if (typeof value === 'number') return -value;
  const { unscaled, exponent, format, wide } = value;
  return { unscaled: -unscaled, exponent, format, wide };
};

/** The larger (`sign` 1) or smaller (-1) of two; the first if they are equal. A number wins as a quantity over a quantity. */
function choose(sign: 1 | -1, left: Value, right: Value): Value {
  if (typeof left === 'number' && typeof right === 'number') return (left - right) * sign >= 0 ? left : right;
  const [a, b] = [asQuantity(left), asQuantity(right)];
  return compareQuantities(a, b) * sign >= 0 ? a : b;
}

const scale = (quantity: Quantity, by: (milli: number) => number): Quantity =>
  fromMilli(toInt64(by(Number(milliValue(quantity)))), quantity.format);

/** Cut to an integer as Go does on amd64: what does not fit becomes the least one. */
function toInt64(value: number): bigint {
  const least = -(2n ** 63n);
  if (!Number.isFinite(value)) return least;
  const whole = BigInt(Math.trunc(value));
  return BigInt.asIntN(64, whole) === whole ? whole : least;
}

/** A negative number as Go's `%g` prints it. */
function shortest(value: number): string {
  if (value === -Infinity) return '-Inf';
  const [digits = '', exponent = ''] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}
