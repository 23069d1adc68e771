import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { metrics } from '../../cli/rehearsal/expectation.ts';
import { faults } from '../../cli/rehearsal/faults.ts';
import { nearest } from '../../api/nearest.ts';
import type { Scenario } from '../../cli/rehearsal/scenario.ts';
import { formatProblem, parseScenario } from '../../cli/rehearsal/scenario.ts';

const sidecar = 'sidecar: {command: [node, s.js]}\n';
const page = readFileSync(new URL('../../docs/reference/rehearsal.md', import.meta.url), 'utf8');

function valid(text: string): Scenario {
  const scenario = parseScenario(text, 'dir/s.yaml');
  if (Array.isArray(scenario)) throw new Error(JSON.stringify(scenario));
  return scenario;
}

function problems(text: string): string[] {
  const scenario = parseScenario(text, 's.yaml');
  return Array.isArray(scenario) ? scenario.map((problem) => formatProblem('s.yaml', problem)) : [];
}

test('the smallest scenario has the documented defaults', (t) => {
  const scenario = valid(sidecar);
  t.like(scenario.sidecar, { name: 'sidecar', host: '127.0.0.1', port: 0, grace: 30_000, postStart: undefined });
  t.deepEqual(scenario.upgrades, [{ env: {} }]);
  t.like(scenario.load, { kind: 'http', connections: 100, method: 'GET', path: '/', timeout: 10_000, rate: undefined });
  t.deepEqual(scenario.pauses, { before: 2_000, between: 1_000, after: 2_000 });
  t.deepEqual(scenario.timeouts, { start: 15_000, migration: 30_000, drain: 60_000 });
  t.deepEqual(scenario.expect.upgrades, ['done']);
  t.deepEqual(scenario.expect.figures.map(({ metric, operator, value }) => `${metric} ${operator} ${value}`).sort(), [
    'connections.closed == 0',
    'connections.refused == 0',
    'requests.failed == 0',
    'requests.total > 0',
  ]);
  t.regex(scenario.directory, /\/dir$/);
});

test('the examples of the page are scenarios', (t) => {
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml ?? '');
  t.is(examples.length, 3, 'the third is a rollout; its own test reads it');
  const full = valid(examples[1] ?? '');
  t.is(valid(examples[0] ?? '').upgrades.length, 3);
  t.deepEqual(full.upgrades[2], { env: {}, fault: 'crash-after-ready' });
  t.like(full.load, { kind: 'http', method: 'POST', body: 'twelve bytes' });
  t.deepEqual(
    full.expect.figures.filter(({ metric }) => metric === 'connections.moved'),
    [{ metric: 'connections.moved', operator: '>=', value: 100 }],
  );
});

test('every fault and every figure is on the page', (t) => {
  for (const name of [...faults, ...metrics]) t.true(page.includes(`\`${name}\``), name);
});

const wrong: [string, string | string[]][] = [
  ['sidecar:\n  command: [node]\n  host: 127\n', 's.yaml:3: sidecar.host must be text: put 127 in quotes'],
  ['upgrades: 1\n', 's.yaml:1: sidecar is missing: which command is to be rehearsed?'],
  ['sidecar:\n  name: a\n', 's.yaml:1: sidecar needs command: a list, for example [node, sidecar.js]'],
  ['sidecar:\n  command: node s.js\n', 's.yaml:2: sidecar.command must be a list: [node, s.js]'],
  ['sidecar:\n  command: []\n', 's.yaml:2: sidecar.command must name a program'],
  [`${sidecar}upgardes: 3\n`, 's.yaml:2: upgardes is not known; did you mean upgrades?'],
  [`${sidecar}load:\n  conections: 3\n`, 's.yaml:3: load.conections is not known; did you mean connections?'],
  [
    `${sidecar}load:\n  kind: none\n  rate: 3\n`,
    's.yaml:4: load.rate is not known here; known are kind, before, between, after',
  ],
  [`${sidecar}load:\n  kind: htp\n`, 's.yaml:3: load.kind must be one of http, tcp, none; did you mean http?'],
  [`${sidecar}load: {rate: 0}\n`, 's.yaml:2: load.rate must be a whole number from 1 to 1000000'],
  [`${sidecar}upgrades:\n  - {}\n  - fault: crash\n`, /must be one of crash-before-ready/.source],
  [
    `${sidecar}upgrades:\n  -\n    fault: hangs\n`,
    's.yaml:4: upgrades[0].fault must be one of crash-before-ready, crash-after-ready, hang, hang-after-ready, predecessor-crash, postStart-fails, bad-command; did you mean hang?',
  ],
  [`${sidecar}soak: soon\n`, 's.yaml:2: soak must be a duration: seconds, or 500ms, 2s, 3m (at most 24 hours)'],
  [
    `${sidecar}expect:\n  requests.failed: none\n`,
    's.yaml:3: expect.requests.failed must be a number, a comparison such as ">= 100" or "< 50", or any',
  ],
  [
    `${sidecar}expect:\n  upgrades: [done, done]\n`,
    's.yaml:3: expect.upgrades must have one entry per upgrade: 1, not 2',
  ],
  [
    `${sidecar}load: {kind: none}\nexpect:\n  requests.failed: 0\n`,
    's.yaml:4: expect.requests.failed is not measured with load.kind none',
  ],
  ['sidecar:\n  command: [node]\n  env: {A: [1]}\n', 's.yaml:3: sidecar.env.A must be text, not a list'],
  [
    'sidecar:\n  command: [node]\n  name: Echo\n',
    's.yaml:3: sidecar.name must be a container name: small letters, digits and inner hyphens, at most 61',
  ],
  [
    'sidecar: 3\nsoak: x\n',
    [
      's.yaml:1: sidecar must be a mapping (name: value), not a number',
      's.yaml:1: sidecar needs command: a list, for example [node, sidecar.js]',
      's.yaml:2: soak must be a duration: seconds, or 500ms, 2s, 3m (at most 24 hours)',
    ],
  ],
];

for (const [text, expected] of wrong) {
  test(`refused: ${JSON.stringify(text)}`, (t) => {
    const found = problems(text);
    if (Array.isArray(expected)) t.deepEqual(found, expected);
    else if (expected.startsWith('s.yaml')) t.deepEqual(found, [expected]);
    else t.true(found.length === 1 && found[0]?.includes(expected), found.join('\n'));
  });
}

test('a syntax error names its line', (t) => {
  t.regex(problems('sidecar:\n  command: [node\nload: {}\n')[0] ?? '', /^s\.yaml:[23]: /);
  t.true(problems('').length > 0);
});

test('defaults follow the faults', (t) => {
  const rolledBack = faults.filter((fault) => fault !== 'predecessor-crash');
  for (const fault of rolledBack)
    t.deepEqual(valid(`${sidecar}upgrades: [{fault: ${fault}}]`).expect.upgrades, ['rolled-back']);
  const { expect } = valid(`${sidecar}upgrades: [{fault: predecessor-crash}]`);
  t.deepEqual(expect.upgrades, ['done']);
  t.deepEqual(expect.figures.map(({ metric }) => metric).sort(), ['connections.refused', 'requests.total']);
});

test('what is expected replaces the default; any removes it', (t) => {
  const { expect } = valid(
    `${sidecar}expect: {requests.failed: any, connections.closed: '<= 3', latency.after.p99: '< 7.5'}`,
  );
  t.deepEqual(expect.figures.map(({ metric, operator, value }) => `${metric} ${operator} ${value}`).sort(), [
    'connections.closed <= 3',
    'connections.refused == 0',
    'latency.after.p99 < 7.5',
    'requests.total > 0',
  ]);
});

test('durations', (t) => {
  const read = (text: string) => valid(`${sidecar}soak: ${text}`).soak;
  t.deepEqual(['2', '0.5', '500ms', '1.5s', '2m', '"3 s"'].map(read), [2_000, 500, 500, 1_500, 120_000, 3_000]);
});

test('no text makes the parser throw', (t) => {
  const piece = fc.constantFrom(
    'sidecar:',
    'command:',
    '[node]',
    '\n',
    '  ',
    '- ',
    '{',
    '}',
    'load:',
    'expect: ',
    '&a ',
    '*a',
    'upgrades:',
    '3',
    ': ',
    '!!x',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
      ),
      (text) => {
        const result = parseScenario(text, 's.yaml');
        return !Array.isArray(result) || result.every(({ line }) => line >= 1);
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test('the nearest name is near', (t) => {
  t.is(nearest('grase', ['grace', 'name']), 'grace');
  t.is(nearest('POSTSTART', ['postStart', 'port']), 'postStart');
  t.is(nearest('zzz', ['grace', 'name']), undefined);
});
