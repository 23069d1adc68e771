// Rehearsals of the real SDK's HTTP example: what the page promises of each fault. Needs `npm run build:sdk`.
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Fault } from '../../cli/rehearsal/faults.ts';
import { run } from './rehearse-helpers.ts';

const sidecar = {
  name: 'http-echo',
  command: [process.execPath, fileURLToPath(new URL('../../examples/http-echo/sidecar.js', import.meta.url))],
  postStart: ['baton', 'migrate'],
};
const load = { connections: 20, rate: 400, before: '500ms', between: '300ms', after: '500ms' };

test.serial('connections move from version to version, and none is closed', async (t) => {
  const { status, report } = await run(t, { sidecar, load, upgrades: 3, expect: { 'connections.moved': 60 } });
  t.is(status, 0);
  t.deepEqual(
    report.upgrades.map(({ predecessor }) => predecessor?.counters.moved),
    [20, 20, 20],
  );
  t.true(report.upgrades.every(({ successor }) => (successor?.counters.handoverMs ?? 0) > 0));
});

const results: [Fault, string][] = [
  ['crash-before-ready', 'rolled-back'],
  ['crash-after-ready', 'rolled-back'],
  ['hang', 'rolled-back'],
  ['hang-after-ready', 'rolled-back'],
  ['postStart-fails', 'rolled-back'],
  ['bad-command', 'rolled-back'],
  ['predecessor-crash', 'done'],
];

for (const [fault, result] of results) {
  test.serial(`${fault}: ${result}, and clients see what the page says`, async (t) => {
    // A second upgrade shows that the first one left everything in order.
    const { status, report } = await run(t, { sidecar, load, upgrades: [{ fault }, {}] });
    t.is(status, 0);
    t.like(report.upgrades[0], { result, faultHappened: true });
    t.is(report.upgrades[1]?.result, 'done');
  });
}
