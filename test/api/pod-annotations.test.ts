import test from 'ava';
import {
  highestVersion,
  printHashes,
  printInjectedList,
  printInPlaceStates,
  printWorking,
  readHashes,
  readInjectedList,
  readInPlaceStates,
  readVersion,
  readWorking,
  upgradedAnnotations,
} from '../../api/pod-annotations.ts';
import { hashKey, hashWithoutImageKey, injectedListKey, inPlaceStateKey } from '../../api/pod-contract.ts';
import type { Reading } from '../../api/reading.ts';

function value<T>(reading: Reading<T>): T {
  if ('problem' in reading) throw new Error(reading.problem);
  return reading.value;
}
const problem = (reading: Reading<unknown>) => ('problem' in reading ? reading.problem : undefined);
const again = (text: string) => printHashes(value(readHashes(text)));

const entry =
  '{"updateTimestamp":"2021-06-04T05:44:26Z","hash":"h","sidecarSetName":"a","sidecarList":["x","y"],"controllerRevision":"a-1"}';

test('a hash annotation is printed as it was read, sets sorted by bytes', (t) => {
  t.is(again(`{"9":${entry},"10":${entry}}`), `{"10":${entry},"9":${entry}}`);
  t.is(again('{}'), '{}');
});

test('absent and empty annotations are empty maps', (t) => {
  t.is(value(readHashes(undefined)).size, 0);
  t.is(value(readHashes('')).size, 0);
  t.is(value(readInPlaceStates('')).size, 0);
  t.is(value(readWorking(undefined)).size, 0);
  t.deepEqual(readInjectedList(undefined), []);
  t.deepEqual(readInjectedList(''), []);
});

test('keys are read in any case, unknown ones dropped, missing ones null (oracle surprise 9)', (t) => {
  t.is(
    again('{"o":{"HASH":"y","SidecarSetName":"q","foo":1}}'),
    '{"o":{"updateTimestamp":null,"hash":"y","sidecarSetName":"q","sidecarList":null}}',
  );
  t.is(again('{"o":null}'), '{"o":{"updateTimestamp":null,"hash":"","sidecarSetName":"","sidecarList":null}}');
  t.is(again('{"o":{"hash":"x","Hash":"y","hash":null}}').includes('"hash":"y"'), true);
});

test('timestamps are written in UTC and whole seconds', (t) => {
  const printed = (time: string) =>
    value(readHashes(JSON.stringify({ s: { updateTimestamp: time } }))).get('s')?.updateTimestamp;
  t.is(printed('2021-06-04T05:44:26.9+08:00'), '2021-06-03T21:44:26Z');
  t.is(printed('2021-12-31T23:30:00-01:00'), '2022-01-01T00:30:00Z');
  t.is(printed('0001-01-01T00:00:00Z'), null);
  for (const bad of ['', 'yesterday', '2021-02-30T00:00:00Z', '2021-01-01T24:00:00Z', '2021-01-01 00:00:00Z']) {
    t.regex(problem(readHashes(JSON.stringify({ s: { updateTimestamp: bad } }))) ?? '', /is not a time/, bad);
  }
});

test('the old format of hashes is understood', (t) => {
  const reading = readHashes('{"other":"h","n":null}');
  t.true(reading.legacy);
  t.deepEqual(value(reading).get('other'), {
    updateTimestamp: null,
    hash: 'h',
    sidecarSetName: 'other',
    sidecarList: null,
  });
  t.is(value(reading).get('n')?.hash, '');
});

test('malformed annotations are told, never thrown', (t) => {
  for (const text of ['null', '[]', '5', '"x"', 'garbage', '{', '{"a":"x","b":{}}', '{"a":{"hash":5}}', '{"a":[]}']) {
    t.not(problem(readHashes(text)), undefined, text);
  }
  t.is(problem(readHashes('{"a":{"sidecarList":[1]}}')), '"a": sidecarList is not a list of strings');
  for (const text of ['null', '[]', '{bad', '{"s":5}', '{"s":{"lastContainerStatuses":[]}}', '{"s":{"revision":1}}']) {
    t.not(problem(readInPlaceStates(text)), undefined, text);
  }
  for (const text of ['null', 'x', '[1]']) t.not(problem(readWorking(text)), undefined, text);
});

test('a set is named in the injected list only without blanks around it (oracle surprise 8)', (t) => {
  t.false(readInjectedList('a, s').includes('s'));
  t.is(printInjectedList([...readInjectedList('z, a,a,set-a,'), 'set-a']), ', a,a,set-a,z');
});

test('the in-place state keeps its first revision and time, and names without image ID (Q7)', (t) => {
  const text =
    '{"s":{"revision":"h0","updateTimestamp":"2021-01-02T00:00:00Z","lastContainerStatuses":{"a":{"imageID":"id/a"},"b":{}}}}';
  t.is(printInPlaceStates(value(readInPlaceStates(text))), text);
});

test('a null in-place state, with which OpenKruise panics, counts as absent (oracle surprise 4)', (t) => {
  t.is(value(readInPlaceStates('{"s":null,"o":{}}')).size, 1);
});

test('Q30: versions are numbers of any size', (t) => {
  t.is(readVersion('123456789012345678901234567890'), 123456789012345678901234567890n);
  for (const text of [undefined, '', '-1', '1.0', 'x', ' 1']) t.is(readVersion(text), undefined);
  const annotations = {
    'version.sidecarset.kruise.io/a-1': '9007199254740993',
    'version.sidecarset.kruise.io/a-2': '9007199254740992',
    'version.sidecarset.kruise.io/b-1': '?',
  };
  t.is(highestVersion(annotations, ['a-1', 'a-2', 'b-1', 'c-1']), 9007199254740993n);
});

test('a bad entry of the working containers leaves the others', (t) => {
  const working = value(readWorking('{"mesh":"mesh-2","a":5,"b":null,"c":["x"],"d":{}}'));
  t.deepEqual([...working], Object.entries({ mesh: 'mesh-2', a: '', b: '', c: '', d: '' }));
  for (const text of ['[', '[]', '"mesh-2"', 'null']) t.true('problem' in readWorking(text), text);
});

test('the working containers are printed sorted', (t) => {
  t.is(printWorking(value(readWorking('{"mesh":"mesh-2","env":"env-1"}'))), '{"env":"env-1","mesh":"mesh-2"}');
});

const now = Date.parse('2026-01-01T00:00:00.900Z');
const upgrade = { set: 's', hash: 'new', sidecarList: ['x'], controllerRevision: 's-2', now };
const written = { updateTimestamp: '2026-01-01T00:00:00Z', hash: 'new', sidecarSetName: 's', sidecarList: ['x'] };

test('an upgrade writes hash, image IDs and a missing injected list, and leaves the rest', (t) => {
  const annotations = { [hashKey]: `{"a":${entry}}`, [hashWithoutImageKey]: '{"a":"old"}' };
  const result = upgradedAnnotations(annotations, { ...upgrade, imageIDs: new Map([['x', 'id/x']]) });
  t.deepEqual(Object.keys(result).sort(), [hashKey, injectedListKey, inPlaceStateKey].sort());
  t.deepEqual(JSON.parse(result[hashKey] ?? ''), {
    a: JSON.parse(entry) as unknown,
    s: { ...written, controllerRevision: 's-2' },
  });
  t.is(
    result[inPlaceStateKey],
    '{"s":{"revision":"new","updateTimestamp":"2026-01-01T00:00:00Z","lastContainerStatuses":{"x":{"imageID":"id/x"}}}}',
  );
  t.is(result[injectedListKey], 's');
});

test("old hashes are converted with the upgraded set's name, garbage is replaced (oracle surprise 9)", (t) => {
  const old = { [hashKey]: '{"o":"h"}', [hashWithoutImageKey]: '{"o":"hw"}', [injectedListKey]: 'o,s' };
  const result = upgradedAnnotations(old, { ...upgrade, imageIDs: new Map() });
  const converted = { ...written, sidecarList: null };
  t.deepEqual(JSON.parse(result[hashKey] ?? ''), {
    o: { ...converted, hash: 'h' },
    s: { ...written, controllerRevision: 's-2' },
  });
  t.deepEqual(JSON.parse(result[hashWithoutImageKey] ?? ''), { o: { ...converted, hash: 'hw' } });
  t.false(injectedListKey in result);
  const replaced = upgradedAnnotations(
    { [hashKey]: 'garbage', [inPlaceStateKey]: '{bad' },
    { ...upgrade, imageIDs: new Map() },
  );
  t.deepEqual(Object.keys(JSON.parse(replaced[hashKey] ?? '') as object), ['s']);
  t.regex(replaced[inPlaceStateKey] ?? '', /"lastContainerStatuses":\{\}/);
});
