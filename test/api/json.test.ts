import test from 'ava';
import fc from 'fast-check';
import { compareBytes, own, parseJson, printJson, printSortedJsonLikeGo } from '../../api/json.ts';

test('numbers come out of JSON as they went in, wherever they stand', (t) => {
  for (const text of ['-0', '1.0', '[1e3,-0.5]', '{"a":9007199254740993,"b":[0.10]}', '{"a":{"b":-0}}', '[1,2.50]']) {
    t.is(printJson(parseJson(text)), text);
  }
  t.deepEqual(parseJson('{"at":"2021-01-01T00:00:00Z","id":"sha256:5e","image":"a:1.2"}'), {
    at: '2021-01-01T00:00:00Z',
    id: 'sha256:5e',
    image: 'a:1.2',
  });
});

test('any JSON text is parsed without losing a digit', (t) => {
  const number = fc.oneof(
    fc.bigInt().map(String),
    fc.tuple(fc.nat(), fc.nat()).map(([whole, part]) => `${whole}.${part}`),
    fc.tuple(fc.integer(), fc.integer({ min: -400, max: 400 })).map(([digits, power]) => `${digits}e${power}`),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), number)), (fields) => {
      const texts = fields.map(([key, value]) => `[${JSON.stringify(key)},{"v": ${value}}]`);
      t.is(printJson(parseJson(`[${texts.join()}]`)), `[${texts.join().replaceAll('{"v": ', '{"v":')}]`);
    }),
  );
  t.pass();
});

test('sorted printing orders keys by their bytes, also those that JavaScript would put first', (t) => {
  t.is(
    printSortedJsonLikeGo({ b: 1, 9: 2, 10: [{ z: '<', a: null }] }),
    '{"10":[{"a":null,"z":"\\u003c"}],"9":2,"b":1}',
  );
  t.is(printSortedJsonLikeGo({ '\u{1f600}': 1, '\uffff': 2, gone: undefined }), '{"\uffff":2,"\u{1f600}":1}');
});

test('texts are compared as their UTF-8 bytes are', (t) => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', '\u007f', 'é', '\ud7ff', '\ue000', '\uffff', '\u{1f600}', '\u{10ffff}'),
  });
  fc.assert(
    fc.property(text, text, (a, b) => {
      t.is(Math.sign(compareBytes(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
    { numRuns: 1000 },
  );
});

test('a map has its own values only, and null is none', (t) => {
  t.is(own({ a: 1 }, 'a'), 1);
  for (const map of [{}, null, undefined]) t.is(own(map, 'constructor'), undefined);
});
