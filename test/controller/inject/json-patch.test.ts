import test from 'ava';
import fc from 'fast-check';
import jsonpatch from 'fast-json-patch';
import { parseJson, printJson } from '../../../api/json.ts';
import { jsonPatch } from '../../../controller/inject/json-patch.ts';

/** The patch carried out by an independent library, on what went over the wire. */
function apply(before: unknown, after: unknown): unknown {
  const patch = JSON.parse(printJson(jsonPatch(before, after))) as jsonpatch.Operation[];
  return jsonpatch.applyPatch(JSON.parse(printJson(before)), patch, true).newDocument;
}

const items = fc.array(fc.constantFrom('a', 'b', { name: 'c', n: 1 }, { name: 'c', n: 2 }, [1, 2], null), {
  maxLength: 7,
});
const key = fc.constantFrom('a', 'b/c', 'd~e', '', '0');
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, 0, 'x'),
    items,
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    fc.array(tie('value'), { maxLength: 4 }),
  ),
})).value;

test('the patch between any two values gives the second one', (t) => {
  const object = fc.dictionary(key, json, { noNullPrototype: true });
  fc.assert(
    fc.property(object, object, (before, after) => {
      t.deepEqual(apply(before, after), JSON.parse(JSON.stringify(after)));
    }),
    { numRuns: 1000 },
  );
});

test('what is equal is not named', (t) => {
  t.deepEqual(jsonPatch({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }], c: undefined }), []);
});

test('an item put into a list is one operation, wherever it is put', (t) => {
  const [a, b, x] = [
    { name: 'a', image: 'i' },
    { name: 'b', image: 'i' },
    { name: 'x', image: 'i' },
  ];
  t.deepEqual(jsonPatch([a, b], [x, a, b]), [{ op: 'add', path: '/0', value: x }]);
  t.deepEqual(jsonPatch([a, b], [a, x, b]), [{ op: 'add', path: '/1', value: x }]);
  t.deepEqual(jsonPatch([a, b], [a, b, x]), [{ op: 'add', path: '/2', value: x }]);
  t.deepEqual(jsonPatch([a, x, b], [a, b]), [{ op: 'remove', path: '/1' }]);
});

test('a changed field of an item is named alone; an item with nothing in common is replaced', (t) => {
  const container = { name: 'a', image: 'i:1', command: ['sh', '-c', 'something long'] };
  t.deepEqual(jsonPatch([container], [{ ...container, image: 'i:2' }]), [
    { op: 'replace', path: '/0/image', value: 'i:2' },
  ]);
  t.deepEqual(jsonPatch([container], [{ other: true }]), [{ op: 'replace', path: '/0', value: { other: true } }]);
});

test('keys with slashes and tildes are escaped', (t) => {
  t.deepEqual(jsonPatch({}, { 'a/b~c': 1 }), [{ op: 'add', path: '/a~1b~0c', value: 1 }]);
});

test('numbers that JavaScript cannot hold are told apart and kept', (t) => {
  const before = parseJson('{"a":9007199254740993,"b":1.0}');
  t.deepEqual(jsonPatch(before, parseJson('{"a":9007199254740993,"b":1.0}')), []);
  t.is(
    printJson(jsonPatch(before, parseJson('{"a":9007199254740992.0,"b":1.0}'))),
    '[{"op":"replace","path":"/a","value":9007199254740992.0}]',
  );
});
