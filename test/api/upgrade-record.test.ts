import test from 'ava';
import type { LifeFacts } from '../../api/containers.ts';
import type { RecordedPhase, UpgradeRecord } from '../../api/upgrade-record.ts';
import { isRenewed, newCopies, phaseOf, printRecords, readRecords } from '../../api/upgrade-record.ts';

const record: UpgradeRecord = {
  revision: 'h2',
  hash: 'h2',
  phase: 'Upgrading',
  startedAt: Date.parse('2026-01-01T00:00:00.123Z'),
  phaseAt: Date.parse('2026-01-01T00:00:01.000Z'),
  deadline: Date.parse('2026-01-01T00:05:00.123Z'),
  sidecars: {
    mesh: {
      emptyImage: 'empty',
      migrationTimeoutSeconds: 300,
      drainTimeoutSeconds: 600,
      soakSeconds: 0,
      rollback: 'Automatic',
    },
  },
  previous: {
    hash: { updateTimestamp: '2025-01-01T00:00:00Z', hash: 'h1', sidecarSetName: 's', sidecarList: null },
    working: { mesh: 'mesh-1' },
    versions: { 'mesh-1': '1', 'mesh-2': '0' },
    images: { 'mesh-1': 'mesh:1', 'mesh-2': 'empty' },
    containerIDs: { 'mesh-1': 'A1', 'mesh-2': 'B1' },
  },
  emptied: [],
  highestVersion: '200',
};

function read(text: string): UpgradeRecord | string {
  const records = readRecords(text);
  if ('problem' in records) return records.problem;
  const its = records.value.get('s');
  if (!its) return 'none';
  return 'problem' in its ? its.problem : its.value;
}

test('a record is read as it was printed', (t) => {
  t.deepEqual(read(printRecords(new Map([['s', record]]))), record);
  const failed: UpgradeRecord = {
    ...record,
    phase: 'RollingBack',
    result: 'failed',
    reason: 'Crashed',
    message: 'it <ended>',
    previous: { ...record.previous, hash: null },
    emptied: ['mesh-2'],
  };
  t.deepEqual(read(printRecords(new Map([['s', failed]]))), failed);
});

test('sidecars may be named like what every JavaScript object has', (t) => {
  const wire = JSON.parse(printRecords(new Map([['s', record]]))) as { s: { sidecars: Record<string, unknown> } };
  const { mesh } = wire.s.sidecars;
  for (const name of ['constructor', '__proto__']) {
    const sidecars = Object.fromEntries([[name, mesh]]);
    const odd = read(JSON.stringify({ s: { ...wire.s, sidecars, previous: { ...record.previous, working: {} } } }));
    if (typeof odd === 'string') return t.fail(odd);
    t.deepEqual(Object.keys(odd.sidecars), [name]);
    t.deepEqual(newCopies(odd), [`${name}-1`], 'no copy is known to have worked');
  }
});

test('a malformed record says what is wrong', (t) => {
  const wire = JSON.parse(printRecords(new Map([['s', record]]))) as { s: Record<string, object> };
  const changes: [string, unknown, RegExp][] = [
    ['phase', 'Soaking', /phase is unknown/],
    ['startedAt', 'x', /not a time/],
    ['highestVersion', 200, /highestVersion/],
    ['emptied', 'mesh-1', /emptied/],
    ['result', 'x', /result/],
    ['reason', 'x', /reason/],
    ['message', 5, /message/],
    ['revision', null, /revision/],
    ['sidecars', [], /sidecars/],
    ['sidecars', { a: 1 }, /sidecars\.a/],
    ['sidecars', { a: {} }, /sidecars\.a is incomplete/],
    ['previous', null, /previous/],
    ['previous', {}, /previous is incomplete/],
    ['previous', { ...wire.s['previous'], hash: 5 }, /previous\.hash/],
  ];
  for (const [field, value, problem] of changes) {
    const its = read(JSON.stringify({ s: { ...wire.s, [field]: value } }));
    t.regex(typeof its === 'string' ? its : '', problem, field);
  }
  t.is(read('{"s":5}'), 'not an object');
  t.is(read('null'), 'not a JSON object');
});

test('the new copy is the one that did not serve', (t) => {
  t.deepEqual(newCopies(record), ['mesh-2']);
  t.deepEqual(newCopies({ ...record, previous: { ...record.previous, working: { mesh: 'mesh-2' } } }), ['mesh-1']);
});

test('what was written and what is seen make the phase', (t) => {
  const phase = (recorded: RecordedPhase, emptied: string[], lives: Record<string, Partial<LifeFacts>>) =>
    phaseOf({ ...record, phase: recorded, emptied }, (name) => ({
      id: `${name.endsWith('1') ? 'A' : 'B'}1`,
      running: true,
      ready: true,
      ...lives[name],
    }));
  t.is(phase('Upgrading', [], {}), 'Upgrading', 'still the old life of the new copy');
  t.is(phase('Upgrading', [], { 'mesh-2': { id: 'B2', ready: false } }), 'Upgrading');
  t.is(phase('Upgrading', [], { 'mesh-2': { id: 'B2' } }), 'Soaking');
  t.is(phase('Resetting', ['mesh-1'], {}), 'Resetting');
  t.is(phase('Resetting', ['mesh-1'], { 'mesh-1': { id: 'A2', running: false } }), 'Resetting');
  t.is(phase('Resetting', ['mesh-1'], { 'mesh-1': { id: 'A2', ready: false } }), 'Done');
  t.is(phase('RollingBack', ['mesh-2'], {}), 'RollingBack');
  t.is(phase('RollingBack', ['mesh-2'], { 'mesh-2': { id: 'B2' } }), 'Failed');
  for (const written of ['Pulling', 'Done', 'Failed', 'Withdrawn'] as const) t.is(phase(written, [], {}), written);
});

test('a container is renewed when its life is another than before the last patch, as long as that was the last change', (t) => {
  const life = { id: 'B2', running: true, ready: true };
  const renewed = (change: Partial<UpgradeRecord> = {}, podHash = 'h2', seen: LifeFacts = life): boolean =>
    isRenewed({ ...record, ...change }, podHash, seen, 'mesh-2');
  t.true(renewed());
  t.true(renewed({ phase: 'Resetting' }));
  t.false(renewed({}, 'h2', { ...life, id: 'B1' }));
  t.false(renewed({}, 'h2', { ...life, id: '' }));
  t.false(renewed({}, 'h2', { ...life, running: false }));
  t.false(renewed({}, 'h3'), 'its images were changed again');
  t.true(renewed({ phase: 'RollingBack' }, 'h1'), 'a roll-back leaves the hash from before');
  t.false(renewed({ phase: 'RollingBack' }, 'h2'));
  t.false(isRenewed(record, 'h2', life, 'cold'), 'nothing is known of it');
});
