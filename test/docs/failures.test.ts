import { readFileSync } from 'node:fs';
import test from 'ava';
import { root } from './blocks.ts';

const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');
const page = read('docs/when-an-upgrade-fails.md');

/** What the list below a heading explains. */
function explained(heading: string): string[] {
  const [, section = ''] = new RegExp(`^## ${heading}\\n([\\s\\S]*?)(?=^## )`, 'm').exec(page) ?? [];
  return [...section.matchAll(/^- `(\w+)`:/gm)].map(([, name]) => name ?? '').sort();
}

test('every reason why a pod is rolled back is explained, and no other', (t) => {
  const [, list = ''] = /const failureReasons = \[([\s\S]*?)\]/.exec(read('api/upgrade-record.ts')) ?? [];
  const reasons = [...list.matchAll(/'(\w+)'/g)].map(([, reason]) => reason ?? '');
  t.true(reasons.length > 5);
  t.deepEqual(explained('Why a pod was rolled back'), reasons.sort());
});

test('every reason why a rollout stands still is explained, and no other', (t) => {
  const source = read('controller/rollout/conditions.ts');
  const named = [...source.matchAll(/(?:stands\(|reason: |^ +\[)'([A-Z]\w+)'/gm)].map(([, reason]) => reason ?? '');
  const fine = ['Complete', 'Upgrading', 'BelowThreshold', 'AsExpected'];
  for (const reason of fine) t.true(named.includes(reason), reason);
  const reasons = new Set(named.filter((reason) => !fine.includes(reason)));
  t.deepEqual(explained('Why the rollout stands still'), [...reasons].sort());
});

test('every trouble that the agent cannot help is explained, and no other', (t) => {
  const [, list = ''] = /what: ('Degraded'[^;]*);/.exec(read('agent/chronicle.ts')) ?? [];
  const troubles = [...list.matchAll(/'(\w+)'/g)].map(([, what]) => `HotUpgrade${what}`);
  t.deepEqual(explained('What the agent cannot help'), troubles.sort());
});

test("the events of a rollout's changes are named", (t) => {
  const reasons = [...read('controller/events.ts').matchAll(/reason: '(\w+)'/g)].map(([, reason]) => reason ?? '');
  t.true(reasons.length > 3);
  for (const reason of reasons) t.true(page.includes(`\`${reason}\``), reason);
});
