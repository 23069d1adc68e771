import test from 'ava';
import fc from 'fast-check';
import {
  addQuantities,
  compareQuantities,
  fromMilli,
  fromWhole,
  milliValue,
  parseQuantity,
  quantityOf,
  quantityText,
  roundUpToMilli,
  subtractQuantities,
  wholeValue,
} from '../../api/quantity.ts';
import { numberText, parseJson } from '../../api/json.ts';
import { oracle, type Case } from '../oracle/corpus.ts';

type Recorded = Case & { op: string; in: { s: string[] }; out: { error?: string; canonical?: string } };

const recorded = oracle<Recorded>('units').filter(({ op }) => op === 'quantity');

for (const { id, desc, in: input, out } of recorded) {
  test(`${id} ${desc}`, (t) => {
    const read = (): ReturnType<typeof parseQuantity> => parseQuantity(input.s[0] ?? '');
    if (out.error !== undefined) {
      t.throws(read, { code: 'ERR_BATON_QUANTITY' });
      return;
    }
    t.is(quantityText(read()), out.canonical ?? '');
    t.is(String(milliValue(read())), numberText(out['milli']) ?? '');
    t.is(String(wholeValue(read())), numberText(out['value']) ?? '');
  });
}

const texts = (pairs: Record<string, string>) => (t: import('ava').ExecutionContext) => {
  for (const [text, expected] of Object.entries(pairs)) t.is(quantityText(parseQuantity(text)), expected, text);
};

test(
  'surprise 1: where Go keeps the text as written',
  texts({
    '5.': '5.',
    '+1': '+1',
    '00012': '00012',
    '1E+3': '1E+3',
    '12e6': '12e6',
    '1e30': '1e30',
    '1.500': '1.500',
    '1000000Mi': '1000000Mi',
    '9223372036854775808': '9223372036854775808',
  }),
);

test(
  'surprise 1: where Go prints another',
  texts({
    '1000000': '1M',
    '1e10': '10e9',
    '.5': '500m',
    '1000e3': '1e6',
    '+1.5': '1500m',
    '16Ei': '9223372036854775807',
    '8Ei': '9223372036854775807',
    '-16Ei': '-9223372036854775807',
    '0.0001Ki': '102400u',
    Ki: '0',
    '.': '0',
    '-': '0',
    '1000000000000000000000': '1',
    '-0.00000000001': '-1n',
  }),
);

test('what Go refuses is refused, saying why', (t) => {
  const refused = [
    '',
    ' 1',
    '1 ',
    'x',
    '1e',
    '1x',
    '1.2.3',
    'Ei',
    '.Pi',
    '1e99999999999999999999',
    '1ee3',
    '1Ee3',
    '0b1',
  ];
  for (const text of refused) t.throws(() => parseQuantity(text), { code: 'ERR_BATON_QUANTITY' }, text);
  t.throws(() => parseQuantity('1gi'), { message: '"1gi" is not a quantity: it must look like 100m, 0.5, 2Gi or 1e3' });
  t.throws(() => parseQuantity('1e'), { message: '"1e" is not a quantity: "e" is no unit' });
});

test('in JSON a quantity is a string, a number as it was written, or null, which is 0', (t) => {
  const read = (json: string): string => quantityText(quantityOf(parseJson(json)));
  t.is(read('"1Gi"'), '1Gi');
  t.is(read('" 100m "'), '100m');
  t.is(read('1'), '1');
  t.is(read('0.5'), '500m');
  t.is(read('1e3'), '1e3');
  t.is(read('1000000000.0'), '1G');
  t.is(read('null'), '0');
  for (const json of ['true', '{}', '[1]']) t.throws(() => read(json), { code: 'ERR_BATON_QUANTITY' }, json);
});

test('rounded to thousandths, away from zero; else the text stays', (t) => {
  const round = (text: string): string => quantityText(roundUpToMilli(parseQuantity(text)));
  t.is(round('1e-9'), '1e-3');
  t.is(round('-0.0001'), '-1m');
  t.is(round('1.0001'), '1001m');
  t.is(round('+1'), '+1');
  t.is(round('100u'), '1m');
  t.is(round('0.00000000001'), '1m');
  t.is(round('0.1Gi'), '107374182400m');
});

test('the sum is printed in the format of the first that is not 0', (t) => {
  const add = (a: string, b: string): string => quantityText(addQuantities(parseQuantity(a), parseQuantity(b)));
  t.is(add('1Gi', '1G'), '2073741824');
  t.is(add('1Gi', '1Gi'), '2Gi');
  t.is(add('0', '1Gi'), '1Gi');
  t.is(add('1e3', '1'), '1001');
  t.is(add('9223372036854775807', '1'), '9223372036854775808');
  t.is(quantityText(subtractQuantities(parseQuantity('1'), parseQuantity('100m'))), '900m');
  t.is(quantityText(fromMilli(1500n, 'DecimalSI')), '1500m');
  t.is(quantityText(fromWhole(1024n, 'BinarySI')), '1Ki');
});

test('amounts that would fill the memory are compared, but not added', (t) => {
  const huge = parseQuantity('1e2000000000');
  t.is(compareQuantities(huge, parseQuantity('1')), 1);
  t.is(milliValue(huge), 0n);
  t.throws(() => addQuantities(huge, parseQuantity('1')), { code: 'ERR_BATON_QUANTITY' });
  t.is(quantityText(parseQuantity(`1${'0'.repeat(300_000)}`)), '1');
  t.is(quantityText(parseQuantity('1e-2000000000')), '1e-9');
});

/** Amounts up to 25 digits, with 0 to 9 decimal places, and their value in billionths. */
const amounts = fc
  .tuple(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), fc.integer({ min: 0, max: 9 }))
  .map(([digits, places]) => {
    const text = `${digits < 0n ? -digits : digits}`.padStart(places + 1, '0');
    const point = text.length - places;
    return {
      text: `${digits < 0n ? '-' : ''}${text.slice(0, point)}${places > 0 ? '.' : ''}${text.slice(point)}`,
      nanos: digits * 10n ** BigInt(9 - places),
    };
  });

const nanosOf = (quantity: ReturnType<typeof parseQuantity>): bigint =>
  quantity.unscaled * 10n ** BigInt(quantity.exponent + 9);

test('property: reading, adding and comparing are exact', (t) => {
  fc.assert(
    fc.property(amounts, amounts, (a, b) => {
      const [left, right] = [parseQuantity(a.text), parseQuantity(b.text)];
      t.is(nanosOf(left), a.nanos);
      t.is(nanosOf(addQuantities(left, right)), a.nanos + b.nanos);
      t.is(nanosOf(subtractQuantities(left, right)), a.nanos - b.nanos);
      t.is(compareQuantities(left, right), a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0);
    }),
  );
});

test('property: the printed text reads as the same amount, and is printed the same again', (t) => {
  const suffix = fc.constantFrom('', 'm', 'k', 'M', 'Ki', 'Mi', 'Gi', 'e3', 'e-3', 'E2', 'u');
  const small = fc.tuple(fc.integer({ min: -99999, max: 99999 }), fc.nat(99), suffix);
  fc.assert(
    fc.property(small, ([whole, fraction, unit]) => {
      const quantity = parseQuantity(`${whole}.${fraction}${unit}`);
      const text = quantityText(quantity);
      t.is(compareQuantities(parseQuantity(text), quantity), 0, text);
      // What a binary suffix cannot express is printed without one, and read as decimal: 312.5Ki, 320000, 320k.
      const settled = unit.endsWith('i') && /\d$/.test(text) ? quantityText(parseQuantity(text)) : text;
      t.is(quantityText(parseQuantity(settled)), settled);
    }),
    { examples: [[[312, 5, 'Ki']]] },
  );
});
