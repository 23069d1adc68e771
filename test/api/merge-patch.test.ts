import test from 'ava';
import fc from 'fast-check';
import { mergePatch } from '../../api/merge-patch.ts';

const merged = (document: string, patch: string): string => {
  const result = mergePatch(document, patch);
  return 'text' in result ? result.text : `invalid ${result.invalid}`;
};

// RFC 7386, appendix A, but for patches that are neither object nor list: OpenKruise refuses those.
const rfc = [
  ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
  ['{"a":"b"}', '{"a":null}', '{}'],
  ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
  ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
  ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
  ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
  ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
  ['["a","b"]', '["c","d"]', '["c","d"]'],
  ['{"a":"b"}', '["c"]', '["c"]'],
  ['{"e":null}', '{"a":1}', '{"a":1,"e":null}'],
  ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
  ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
] as const;

for (const [document, patch, result] of rfc) {
  test(`${document} with ${patch} is ${result}`, (t) => t.is(merged(document, patch), result));
}

test('keys are sorted by bytes where it looks, and only there', (t) => {
  t.is(merged('{"b":{"z":1,"a":2},"a":{"z":1,"a":2}}', '{"a":{"m":3}}'), '{"a":{"a":2,"m":3,"z":1},"b":{"z":1,"a":2}}');
  t.is(merged('{"10":1,"9":2}', '{"\u{1F600}":1,"\uFF5E":2}'), '{"10":1,"9":2,"\uFF5E":2,"\u{1F600}":1}');
});

test('numbers and escapes keep their spelling, <>& are escaped, blanks go', (t) => {
  t.is(merged(' { "a" : 1.0 , "b" : 1e3 } ', '{"c":"\\u00e9<"}'), '{"a":1.0,"b":1e3,"c":"\\u00e9\\u003c"}');
  t.is(merged('{"a":"[,]{ \\" }"}', '{"b":9007199254740993}'), '{"a":"[,]{ \\" }","b":9007199254740993}');
});

test('lists keep their nulls, but the objects in them do not', (t) => {
  t.is(merged('{"a":1}', '{"l":[null,{"b":null,"c":1}]}'), '{"a":1,"l":[null,{"c":1}]}');
});

test('it says which of the two cannot be used', (t) => {
  for (const document of ['', '{', 'null', 'x']) t.is(merged(document, '{}'), 'invalid document');
  for (const patch of ['', '{', 'null', '5', '"x"']) t.is(merged('{}', patch), 'invalid patch');
});

test('merging the same patch again changes nothing', (t) => {
  const object = fc.jsonValue().filter((value) => typeof value === 'object' && value !== null);
  fc.assert(
    fc.property(object, object, (document, patch) => {
      const [a, b] = [JSON.stringify(document), JSON.stringify(patch)];
      const once = merged(a, b);
      t.deepEqual(JSON.parse(merged(once, b)), JSON.parse(once));
    }),
  );
});
