import test from 'ava';
import fc from 'fast-check';
import type { LabelSelector } from '../../api/kubernetes.ts';
import { matches, overlaps, selectorErrors } from '../../api/selector.ts';

const expression = (operator: string, values?: string[]): LabelSelector => ({
  matchExpressions: [{ key: 'k', operator, ...(values ? { values } : {}) }],
});

test('a missing selector matches nothing, an empty one everything', (t) => {
  t.false(matches(undefined, { k: 'v' }));
  t.true(matches({}, undefined));
  t.true(matches({ matchLabels: {}, matchExpressions: [] }, { k: 'v' }));
});

test('labels and requirements must all hold', (t) => {
  const selector = { matchLabels: { a: '1' }, ...expression('NotIn', ['x']) };
  t.true(matches(selector, { a: '1' }));
  t.true(matches(selector, { a: '1', k: 'y' }));
  t.false(matches(selector, { a: '1', k: 'x' }));
  t.false(matches(selector, { a: '2' }));
  t.false(matches(selector, undefined));
});

test('null is no labels, and a label that is null an empty one', (t) => {
  const absent = null as unknown as undefined;
  t.true(matches(expression('DoesNotExist'), absent));
  t.false(matches({ matchLabels: { a: '' } }, absent));
  const labels = { k: null } as unknown as Record<string, string>;
  t.true(matches({ matchLabels: { k: '' } }, labels));
  t.true(matches(expression('In', ['']), labels));
  t.true(matches(expression('Exists'), labels));
  t.false(matches({ matchExpressions: [{ key: 'k', operator: 'In', values: absent }] }, labels));
});

test('names that every JavaScript object has are not labels', (t) => {
  t.false(matches({ matchExpressions: [{ key: 'constructor', operator: 'Exists' }] }, {}));
  t.true(matches({ matchExpressions: [{ key: 'toString', operator: 'DoesNotExist' }] }, {}));
});

test('surprise 6: only an unknown operator is an error, whatever the labels', (t) => {
  t.false(matches(expression('In'), { k: 'v' }));
  t.true(matches(expression('NotIn'), { k: 'v' }));
  t.true(matches(expression('Exists', ['x']), { k: 'v' }));
  t.false(matches({ matchLabels: { 'bad key': 'v' } }, { k: 'v' }));
  const mixed = { matchLabels: { a: '1' }, ...expression('Near', ['1']) };
  t.throws(() => matches(mixed, {}), {
    code: 'ERR_BATON_SELECTOR',
    message: '"Near" is not a valid pod selector operator',
  });
});

test('what is malformed is reported with its path', (t) => {
  const errors = selectorErrors(
    {
      matchLabels: { 'a b': 'c!' },
      matchExpressions: [
        { key: 'k', operator: 'In' },
        { key: 'k', operator: 'Exists', values: ['v'] },
        { key: '', operator: 'Near', values: ['v!'] },
      ],
    },
    'spec.selector',
  );
  t.deepEqual(
    errors.map(({ field }) => field),
    [
      'spec.selector.matchLabels',
      'spec.selector.matchLabels',
      'spec.selector.matchExpressions[0].values',
      'spec.selector.matchExpressions[1].values',
      'spec.selector.matchExpressions[2].operator',
      'spec.selector.matchExpressions[2].key',
      'spec.selector.matchExpressions[2].key',
      'spec.selector.matchExpressions[2].values[0]',
    ],
  );
});

test('Q16: a key that must exist overlaps with a selector that does not mention it', (t) => {
  t.true(overlaps({ matchLabels: { a: 'h' } }, { matchExpressions: [{ key: 'b', operator: 'Exists' }] }));
  t.true(overlaps(expression('NotIn', ['1']), expression('Exists')));
  t.true(overlaps({}, expression('Exists')));
  t.false(overlaps(expression('DoesNotExist'), expression('Exists')));
});

const key = fc.constantFrom('a', 'b', 'c');
const value = fc.constantFrom('1', '2', 'ALL');
const labels = fc.dictionary(key, value, { maxKeys: 3 });
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  {
    matchLabels: labels,
    matchExpressions: fc.array(
      fc.oneof(
        fc.record({ key, operator: fc.constantFrom('In', 'NotIn'), values: fc.uniqueArray(value, { maxLength: 3 }) }),
        fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
      ),
      { maxLength: 3 },
    ),
  },
  { requiredKeys: [] },
);

test('selectors that match the same labels overlap', (t) => {
  fc.assert(
    fc.property(selector, selector, labels, (a, b, of) => {
      fc.pre(matches(a, of) && matches(b, of));
      return overlaps(a, b);
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('overlapping is symmetric, and so is each selector with itself if it matches anything', (t) => {
  fc.assert(fc.property(selector, selector, (a, b) => overlaps(a, b) === overlaps(b, a)));
  fc.assert(fc.property(selector, labels, (a, of) => !matches(a, of) || overlaps(a, a)));
  t.pass();
});
