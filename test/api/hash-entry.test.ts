import test from 'ava';
import fc from 'fast-check';
import { podHashOf } from '../../api/hash-entry.ts';
import { usualTime } from '../../api/go-json.ts';
import { printHashes, readHashes } from '../../api/pod-annotations.ts';

/** What the full reader says. */
function readOf(annotation: string, set: string): { hash: string; controllerRevision: string } {
  const hashes = readHashes(annotation);
  const entry = 'problem' in hashes ? undefined : hashes.value.get(set);
  return { hash: entry?.hash ?? '', controllerRevision: entry?.controllerRevision ?? '' };
}

const word = fc.constantFrom('s', 'set', 'a"b', 'hash', '{', '"s":{', '\\', '', '\u2028', '<');
const entry = fc.record(
  {
    updateTimestamp: fc.constantFrom(
      null,
      '2021-01-01T00:00:05Z',
      '2021-02-30T00:00:00Z',
      '2021-02-29T00:00:00Z',
      '2024-02-29T00:00:00Z',
      '1900-02-29T00:00:00Z',
      '2021-04-31T00:00:00Z',
      '2021-03-31T00:00:00Z',
      '2021-01-31T23:59:59+01:00',
      'x',
    ),
    hash: word,
    sidecarSetName: word,
    sidecarList: fc.constantFrom(null, [], ['a'], ['a', '"s":{"hash":"b'], 7),
    controllerRevision: word,
  },
  { requiredKeys: ['updateTimestamp', 'hash', 'sidecarSetName', 'sidecarList'] },
);

test('the quick look at a hash annotation says what reading it says', (t) => {
  fc.assert(
    fc.property(fc.dictionary(word, fc.oneof(entry, word)), word, (entries, set) => {
      const text = JSON.stringify(entries);
      const broken = [text, text.slice(1), `${text} `, text.replace('"hash"', '"Hash"'), text.replace(',', ',,')];
      for (const annotation of broken) t.deepEqual(podHashOf(annotation, set), readOf(annotation, set), annotation);
      const hashes = readHashes(text);
      if ('problem' in hashes) return;
      const printed = printHashes(hashes.value);
      t.deepEqual(podHashOf(printed, set), readOf(printed, set), printed);
    }),
    { numRuns: 500 },
  );
});

test('annotations that are missing, or no annotations, have no hash', (t) => {
  for (const annotation of [undefined, '', 'null', '{}', '[]', '{"s":{}}', '{"s":null}']) {
    t.is(podHashOf(annotation, 's').hash, '');
  }
});

test('the quick look takes every day that there is, and no other', (t) => {
  const usual = new RegExp(`^${usualTime}$`);
  const isDay = (text: string): boolean => new Date(Date.parse(text)).toISOString().startsWith(text.slice(0, 10));
  for (const year of ['0000', '1900', '2000', '2021', '2024', '2100', '2400']) {
    for (let day = 0; day <= 13 * 33; day++) {
      const [month, date] = [Math.floor(day / 33), day % 33].map((part) => String(part).padStart(2, '0'));
      const text = `${year}-${month}-${date}T23:59:59Z`;
      t.is(usual.test(text), Number.isFinite(Date.parse(text)) && isDay(text), text);
    }
  }
});
