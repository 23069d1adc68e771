import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { imageFaults } from '../../cli/rehearsal/faults.ts';
import { isRollout, parseRollout, rolloutMetrics, type RolloutScenario } from '../../cli/rehearsal/rollout/scenario.ts';
import { stepFigures } from '../../cli/rehearsal/rollout/steps.ts';
import { temporaryDirectory } from '../helpers/processes.ts';

const examples = fileURLToPath(new URL('../../examples/sidecarsets/', import.meta.url));
const page = readFileSync(new URL('../../docs/reference/rehearsal.md', import.meta.url), 'utf8');

/** The whole file but for `steps`, which comes last. */
const head = `sidecarSets: [echo.yaml]
pods: {file: echo-pod.yaml, count: 3}
images: {app:1: {}, echo:1: {}, echo:empty: {}}
port: 9090
`;
const parse = (text: string): ReturnType<typeof parseRollout> => parseRollout(text, join(examples, 's.yaml'));
const lines = (text: string): string[] => parse(text).lines.map((line) => line.replace(examples, ''));
function valid(text: string): RolloutScenario {
  const { scenario, lines } = parse(text);
  if (!scenario) throw new Error(lines.join('\n'));
  return scenario;
}

test('a scenario with sidecarSets is one of a rollout', (t) => {
  t.true(isRollout(head));
  t.false(isRollout('sidecar: {command: [node, s.js]}\n'));
  t.false(isRollout('- 1\n'));
  t.false(isRollout('a: [\n'));
});

test('the smallest rollout has the documented defaults', (t) => {
  const scenario = valid(head);
  t.like(scenario, { port: 9090, agent: 'kept', steps: [], timeouts: { start: 30_000, step: 120_000 } });
  t.deepEqual(
    scenario.pods.map(({ metadata, spec }) => [metadata?.namespace, metadata?.name, spec?.nodeName]),
    ['web-0', 'web-1', 'web-2'].map((name) => ['default', name, 'rehearsal']),
  );
  t.is(scenario.load.kind, 'http');
  t.is(scenario.expect.length, 4);
});

test('the example of the page, and those in examples/sidecarsets, are scenarios', (t) => {
  const [, , example] = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml ?? '');
  t.is(valid(example ?? '').steps.length, 2);
  const files = readdirSync(examples).filter((file) => file.startsWith('rehearse-'));
  t.true(files.length >= 4);
  for (const file of files)
    t.truthy(parseRollout(readFileSync(join(examples, file), 'utf8'), join(examples, file)).scenario);
});

test('every figure and every fault of an image is on the page', (t) => {
  for (const name of [...rolloutMetrics, ...stepFigures, ...imageFaults]) t.true(page.includes(`\`${name}\``), name);
});

test('what a step changes is one merge patch, and its name says what', (t) => {
  const { steps } = valid(`${head}steps:
  - publish: {echo: echo:2}
    set: {updateStrategy: {partition: 1, selector: null}}
    annotations: {baton.dev/resume: '1'}
  - {name: again, publish: {echo: echo:1}}
  - create: {file: echo-pod.yaml, count: 2}
`);
  const [first, second, third] = steps;
  t.is(first?.name, 'publish echo: echo:2, partition: 1, selector: null, baton.dev/resume: 1');
  t.like(first?.patch, {
    spec: { updateStrategy: { partition: 1, selector: null } },
    metadata: { annotations: { 'baton.dev/resume': '1' } },
  });
  t.is(second?.name, 'again');
  t.is(third?.name, 'create web-3, web-4', 'numbers go on');
  t.is(third?.patch, undefined);
});

const refused: [string, string[]][] = [
  [head.replace(/pods: .*\n/, ''), ['s.yaml:1: pods is missing: which pods are to be injected into?']],
  [head.replace('port: 9090\n', ''), ['s.yaml:1: port is missing: where do the sidecars serve?']],
  [`${head}stpes: []\n`, ['s.yaml:5: stpes is not known; did you mean steps?']],
  [head.replace('echo:1: {}, ', ''), ['s.yaml:3: images needs "echo:1", which SidecarSet echo runs']],
  [head.replace('app:1: {}, ', ''), ['s.yaml:3: images needs "app:1", which Pod web-2 runs']],
  [
    head.replace('app:1: {}', 'app:1: {fault: hang-aftr-ready}'),
    [`s.yaml:3: images.app:1.fault must be one of ${imageFaults.join(', ')}; did you mean hang-after-ready?`],
  ],
  [`${head}agent: dead\n`, ['s.yaml:5: agent must be one of kept, restarted']],
  [`${head}steps:\n  - publish: {eco: echo:2}\n`, ['s.yaml:6: steps[0].publish has eco; the set has echo']],
  [
    `${head}steps:\n  - set:\n      updateStrategy: {partiton: 1}\n`,
    [
      's.yaml:6: steps[0].set makes a set that is refused: spec.updateStrategy.partiton: unknown field; is partition meant?',
    ],
  ],
  [`${head}steps:\n  - publish: {echo: echo:1}\n`, ['s.yaml:6: steps[0].publish changes nothing']],
  [
    `${head}steps:\n  - sidecarSet: ecko\n    publish: {echo: echo:2}\n`,
    ['s.yaml:6: steps[0].sidecarSet must be one of echo; did you mean echo?'],
  ],
  [
    `${head}steps:\n  - expect: {updatd: 3}\n`,
    ['s.yaml:6: steps[0].expect.updatd is not known; did you mean updated?'],
  ],
  [`${head}steps:\n  - create: {count: 3}\n`, ['s.yaml:6: steps[0].create needs file']],
  [
    `${head}load: {kind: none}\nexpect: {requests.failed: 0}\n`,
    ['s.yaml:6: expect.requests.failed is not measured with load.kind none'],
  ],
];

for (const [text, expected] of refused) {
  test(`refused: ${expected.join('; ')}`, (t) => {
    t.deepEqual(lines(text), expected);
    t.is(parse(text).scenario, undefined);
  });
}

test('a step that makes an invalid set is refused with what the cluster would say', (t) => {
  const [line = '', ...more] = lines(`${head}steps:\n  - set: {updateStrategy: {maxUnavailable: x}}\n`);
  t.regex(line, /^s\.yaml:6: steps\[0\]\.set makes a set that is refused: .*maxUnavailable/);
  t.deepEqual(more, []);
});

function folder(t: ExecutionContext, files: Record<string, string>): string {
  const directory = temporaryDirectory(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

test('mistakes in the files are told with file, line and field', (t) => {
  const set = readFileSync(join(examples, 'echo.yaml'), 'utf8').replace('maxUnavailable', 'maxUnavailble');
  const pod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers: 3\n';
  const directory = folder(t, { 'set.yaml': set, 'pod.yaml': pod });
  const text = 'sidecarSets: [set.yaml]\npods: pod.yaml\nimages: {}\nport: 9090\n';
  const { scenario, lines } = parseRollout(text, join(directory, 's.yaml'));
  t.is(scenario, undefined);
  const told = lines.map((line) => line.replace(`${directory}/`, ''));
  t.regex(told[0] ?? '', /^set\.yaml:\d+: spec\.updateStrategy\.maxUnavailble: /);
  t.regex(told[1] ?? '', /^pod\.yaml:5: spec\.containers: /);
  t.is(told.length, 2);
});

test('a file that is not there is told with the field that names it', (t) => {
  const told = lines(head.replace('echo.yaml', 'nowhere.yaml'));
  t.is(told.length, 1);
  t.regex(told[0] ?? '', /^s\.yaml:1: sidecarSets cannot read .*nowhere\.yaml/);
});

test('with several sets a step says which it is about', (t) => {
  const text = `${head.replace('[echo.yaml]', '[echo.yaml, echo-canary.yaml]').replace('app:1', 'echo:3: {}, app:1')}steps:\n  - publish: {echo: echo:2}\n`;
  t.deepEqual(lines(text), ['s.yaml:6: steps[0] needs sidecarSet: there are echo, echo-canary']);
});
