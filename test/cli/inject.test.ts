import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { parse, parseAllDocuments } from 'yaml';
import type { Pod } from '../../api/kubernetes.ts';
import { help, runInject } from '../../cli/inject.ts';
import { temporaryDirectory } from '../helpers/processes.ts';

const examples = fileURLToPath(new URL('../../examples/sidecarsets/', import.meta.url));
const fixtures = fileURLToPath(new URL('../fixtures/sidecarsets/', import.meta.url));

function run(...args: string[]): { code: number; stdout: string; stderr: string } {
  const texts = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof texts): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        texts[name] += String(chunk);
        done();
      },
    });
  const code = runInject(args, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { code, ...texts };
}

/** Files in a folder of their own: `#` in what is told stands for the folder. */
function runOn(t: ExecutionContext, files: Record<string, string>, ...more: string[]): ReturnType<typeof run> {
  const folder = temporaryDirectory(t);
  const paths = Object.entries(files).map(([name, text]) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  });
  const options = paths.flatMap((path) => [path.includes('pod') ? '--pod' : '--sidecarset', path]);
  const result = run(...options, ...more);
  return { ...result, stderr: result.stderr.replaceAll(`${folder}/`, '') };
}

const set = `apiVersion: apps.kruise.io/v1beta1
kind: SidecarSet
metadata: {name: s}
spec:
  selector: {matchLabels: {app: web}}
  containers: [{name: log, image: 'log:1'}]
`;
const pod = `apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: web}}
spec:
  containers: [{name: app, image: 'app:1'}]
`;
const namesIn = (yaml: string): string[] => (parse(yaml) as Pod).spec?.containers.map(({ name }) => name) ?? [];

/** Each set among the examples, the pod that goes with it, and the containers that come out. */
const shown: [string, string, string[]][] = [
  ['logging', 'logging-pod', ['nginx', 'collector']],
  ['hot-upgrade', 'hot-upgrade-pod', ['proxy-1', 'proxy-2', 'app']],
  ['gray-batch', 'gray-pod', ['agent', 'gateway']],
  ['gray-canary', 'gray-pod', ['agent', 'gateway']],
  ['gray-scatter', 'gray-pod', ['agent', 'gateway']],
];

for (const [file, podFile, containers] of shown) {
  test(`examples/sidecarsets/${file}.yaml is injected`, (t) => {
    const result = run('--sidecarset', `${examples}${file}.yaml`, '--pod', `${examples}${podFile}.yaml`);
    t.is(result.stderr, '');
    t.is(result.code, 0);
    t.deepEqual(namesIn(result.stdout), containers);
  });
}

test('every example has its test', (t) => {
  const tested = new Set(shown.flatMap(([file, podFile]) => [`${file}.yaml`, `${podFile}.yaml`]));
  // Rehearsals are run by a test of their own, with the files that they name.
  const rehearsals = readFileSync(new URL('rehearse-rollout-examples.test.ts', import.meta.url), 'utf8');
  const scenarios = readdirSync(examples).filter((file) => /^rehearse-/.test(file));
  for (const file of scenarios) {
    t.true(rehearsals.includes(file.slice('rehearse-'.length, -'.yaml'.length)), file);
    for (const [named] of readFileSync(`${examples}${file}`, 'utf8').matchAll(/[\w-]+\.yaml/g)) tested.add(named);
  }
  t.deepEqual(
    readdirSync(examples).filter((file) => !tested.has(file) && !scenarios.includes(file)),
    [],
  );
});

test('the log collector gets the folder, the time zone and the login', (t) => {
  const files = ['--sidecarset', `${examples}logging.yaml`, '--pod', `${examples}logging-pod.yaml`];
  const { spec } = JSON.parse(run(...files, '-o', 'json').stdout) as Pod;
  t.like(spec?.containers[1], {
    env: [
      { name: 'IS_INJECTED', value: 'true' },
      { name: 'TZ', value: 'Asia/Shanghai' },
    ],
    volumeMounts: [{ name: 'nginx-log', mountPath: '/var/log/nginx' }],
  });
  t.deepEqual(spec?.imagePullSecrets, [{ name: 'registry-login' }]);
  t.deepEqual(
    spec?.volumes?.map(({ name }) => name),
    ['nginx-log'],
  );
});

/** The mistakes that articles show, and what is told of them. */
const refused: Record<string, string[]> = {
  'capital-kind': ['3: Kind: unknown field; is kind meant?'],
  choices: [
    '12: spec.container.shareVolumePolicy: Invalid value: {"type":"disabled | enabled"}: unsupported share volume policy',
  ],
  indentation: ['13: Nested mappings are not allowed in compact mappings'],
  'no-selector': ['5: spec.selector: Required value: no selector defined for SidecarSet'],
  'outside-spec': ['14: maxUnavailable: unknown field'],
  'selector-list': ['14: spec.updateStrategy.selector.matchLabels: must be an object, not a list'],
  volume: [
    '16: warning: spec.volumes[0].Name: unknown field; is name meant?',
    '17: spec.volumes[0].hostPath: must be an object, not "/data/nginx/conf"',
  ],
  'share-policy': ['12: spec.containers[0].shareVolumePolicy: must be an object, not "disabled"'],
};

for (const file of readdirSync(fixtures)) {
  test(`the mistake in ${file} is told with line and field`, (t) => {
    const result = run('--sidecarset', fixtures + file, '--pod', `${examples}gray-pod.yaml`);
    t.is(result.code, 2);
    t.is(result.stdout, '');
    const told = result.stderr
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(`${fixtures}${file}:`, ''));
    t.deepEqual(told, refused[file.replace('.yaml', '')]);
  });
}

test('one file may hold everything; unused kinds are told of', (t) => {
  const namespace = 'kind: Namespace\nmetadata: {name: default, labels: {env: prod}}\n';
  const revision = `apiVersion: apps/v1
kind: ControllerRevision
metadata: {name: s-1}
revision: 1
data: {spec: {$patch: replace, containers: [{name: log, image: 'log:0'}]}}
`;
  const selecting = `${set}  namespaceSelector: {matchLabels: {env: prod}}
  injectionStrategy: {revision: {revisionName: s-1}}
`;
  const service = 'kind: Service\n';
  const files = { 'pod.yaml': [namespace, revision, selecting, service, pod].join('---\n') };
  const { code, stdout, stderr } = runOn(t, files, '--sidecarset', `${examples}gray-batch.yaml`);
  t.is(code, 0);
  t.is(stderr, 'pod.yaml:19: warning: kind: Service is not used here\n');
  t.regex(stdout, /image: log:0/);
});

test('what is only doubtful is told once, and a mistake of a set that a cluster holds already is only told', (t) => {
  const doubtful = `${set}  updateStrategy: {type: RollingUpdate, maxUnavailable: 0}
`.replace(
    "image: 'log:1'",
    "image: 'log:1', newer: 1, resourcesPolicy: {targetContainersMode: sum, targetContainersNameRegex: .*, resourcesExpr: {limits: {cpu: '100MB'}}}",
  );
  const refused = runOn(t, { 'set.yaml': doubtful, 'pod.yaml': pod });
  t.is(refused.code, 2);
  t.regex(refused.stderr, /^set\.yaml:\d+: spec\[0\]\.resourcesPolicy\.resourcesExpr\.limits\.cpu: Invalid value/m);
  const stored = runOn(t, { 'set.yaml': doubtful.replace('name: s', 'name: s, uid: 1-2'), 'pod.yaml': pod });
  t.is(stored.code, 0, stored.stderr);
  t.regex(stored.stderr, /warning: spec\[0\]\.resourcesPolicy.*the stored SidecarSet has this too/);
  t.regex(stored.stderr, /warning: spec\.updateStrategy\.maxUnavailable: with 0/);
  t.is(stored.stderr.match(/newer: unknown field/g)?.length, 1);
});

test('Q21: a set that a cluster holds is injected as it is now when its revision is not in the files', (t) => {
  const pinned = `${set}  injectionStrategy: {revision: {revisionName: gone}}\n`;
  const refused = runOn(t, { 'set.yaml': pinned, 'pod.yaml': pod });
  t.is(refused.code, 2);
  t.regex(refused.stderr, /^set\.yaml:\d+: revision: .*"gone" not found/);
  const stored = runOn(t, { 'set.yaml': pinned.replace('name: s', 'name: s, uid: 1-2'), 'pod.yaml': pod });
  t.is(stored.code, 0);
  t.regex(stored.stderr, /^set\.yaml:\d+: warning: revision: .*"gone" not found/);
  t.regex(stored.stderr, /no ControllerRevision "gone"; the newest spec is injected/);
  t.deepEqual(namesIn(stored.stdout), ['log', 'app']);
});

test('several pods, also of a list, are printed one by one', (t) => {
  const list = JSON.stringify({
    kind: 'PodList',
    apiVersion: 'v1',
    items: [{ metadata: { name: 'a' }, spec: { containers: [] } }],
  });
  const files = { 'set.yaml': set, 'pod.yaml': pod, 'pods.json': list };
  t.is(parseAllDocuments(runOn(t, files).stdout).length, 2);
  const { items } = JSON.parse(runOn(t, files, '-o', 'json').stdout) as { items: Pod[] };
  t.deepEqual(
    items.map(({ metadata }) => metadata?.name),
    ['p', 'a'],
  );
});

test('YAML is read as kubectl reads it, and printed so', (t) => {
  const odd = `${pod}  terminationGracePeriodSeconds: 0017
  priority: 1_000
  newer: {big: 9007199254740993, text: 'yes', octal: '0644', time: 12:30:00, day: 2021-03-04}
`;
  const result = runOn(t, { 'set.yaml': set, 'pod.yaml': odd });
  t.regex(result.stderr, /^pod.yaml:8: warning: spec.newer: unknown field/);
  t.regex(result.stdout, /terminationGracePeriodSeconds: 15\n {2}priority: 1000\n/);
  t.regex(
    result.stdout,
    /big: 9007199254740993\n {4}text: "yes"\n {4}octal: "0644"\n {4}time: "?12:30:00"?\n {4}day: /,
  );
  const json = runOn(t, { 'set.yaml': set, 'pod.yaml': odd }, '-o', 'json').stdout;
  t.regex(
    json,
    /"big": 9007199254740993,\n\s+"text": "yes",\n\s+"octal": "0644",\n\s+"time": "12:30:00",\n\s+"day": "2021-03-04"/,
  );
});

test('mistakes in pods and lists are found by their line', (t) => {
  const list = `kind: List
items:
  - kind: Pod
    metadata: {name: p}
    spec:
      containers:
        - name: app
          envs: [{name: TZ}]
          image: 5
  - 7
`;
  const { code, stderr } = runOn(t, { 'set.yaml': set, 'pod.yaml': list });
  t.is(code, 2);
  t.deepEqual(stderr.trimEnd().split('\n'), [
    'pod.yaml:8: warning: spec.containers[0].envs: unknown field; is env meant?',
    'pod.yaml:9: spec.containers[0].image: must be a string, not 5',
    'pod.yaml:10: must be an object',
  ]);
});

test('anchors and merge keys are followed, also to the line of a mistake', (t) => {
  const anchored = `kind: Pod
base: &base
  image: 5
spec:
  containers:
    - {name: app, <<: *base}
    - *base
`;
  const { stderr } = runOn(t, { 'set.yaml': set, 'pod.yaml': anchored });
  t.regex(stderr, /^pod.yaml:2: warning: base: unknown field/);
  t.regex(stderr, /pod.yaml:3: spec.containers\[1\].image: must be a string, not 5/);
  t.regex(stderr, /pod.yaml:6: spec.containers\[0\].image: must be a string, not 5/);
});

test('mistakes in JSON have a line, too', (t) => {
  const list = '{"kind": "PodList", "items": [\n{"spec": {"containers": []}},\n{"spec": {"containers": 1}}]}';
  t.is(
    runOn(t, { 'set.yaml': set, 'pods.json': list }).stderr,
    'pods.json:3: spec.containers: must be a list, not 1\n',
  );
  const broken = runOn(t, { 'set.yaml': set, 'pods.json': '{"kind": "Pod",\n"spec": }{' });
  t.is(broken.code, 2);
  t.regex(broken.stderr, /^pods.json:2: /);
});

test('warnings and what does not match are told on standard error', (t) => {
  const transfer = set.replace("'log:1'}", "'log:1', transferEnv: [{sourceContainerName: web, envName: A}]}");
  t.is(
    runOn(t, { 'set.yaml': transfer, 'pod.yaml': pod }).stderr,
    'baton inject: warning: pod default/p: SidecarSet s: container log: transferEnv A: the pod has no container "web"\n',
  );
  const other = runOn(t, { 'set.yaml': set.replace('web', 'x'), 'pod.yaml': pod });
  t.is(other.stderr, 'baton inject: pod default/p: no SidecarSet matches\n');
  t.deepEqual(parse(other.stdout), parse(pod));
});

test('a namespaceSelector that asks for labels of an unknown namespace is warned of', (t) => {
  const selecting = `${set}  namespaceSelector: {matchLabels: {env: prod}}\n`;
  const { stderr } = runOn(t, { 'set.yaml': selecting, 'pod.yaml': pod });
  t.regex(stderr, /no Namespace default in the files/);
});

test('a Namespace in the files has its name as a label, as in a cluster', (t) => {
  const alpha = set.replace('v1beta1', 'v1alpha1').replace('spec:', 'spec:\n  namespace: default');
  for (const labels of ['', ', labels: null', ', labels: {kubernetes.io/metadata.name: other}']) {
    const namespace = `kind: Namespace\nmetadata: {name: default${labels}}\n---\n`;
    const { stdout, stderr } = runOn(t, { 'set.yaml': alpha, 'pod.yaml': namespace + pod });
    t.is(stderr, '');
    t.deepEqual(namesIn(stdout), ['log', 'app']);
  }
  const listed = 'kind: Namespace\nmetadata: {name: default, labels: [a]}\n---\n';
  t.is(
    runOn(t, { 'set.yaml': set, 'pod.yaml': listed + pod }).stderr,
    'pod.yaml:2: metadata.labels: must be an object, not a list\n',
  );
});

test('a pod may have no containers, and labels that are null, but no null in a list', (t) => {
  const everywhere = set.replace(
    'selector: {matchLabels: {app: web}}',
    'selector: {matchExpressions: [{key: x, operator: DoesNotExist}]}',
  );
  for (const body of ['', 'spec:\n', 'spec: {}\n', 'spec: {containers: null}\n']) {
    const { stdout, stderr } = runOn(t, {
      'set.yaml': everywhere,
      'pod.yaml': `kind: Pod\nmetadata: {labels: null}\n${body}`,
    });
    t.is(stderr, '', body);
    t.deepEqual(namesIn(stdout), ['log'], body);
  }
  const nulls = `${pod}  volumes: [null]\n`.replace("'app:1'}", "'app:1', env: [null]}, null");
  t.deepEqual(runOn(t, { 'set.yaml': set, 'pod.yaml': nulls }).stderr.trimEnd().split('\n'), [
    'pod.yaml:5: spec.containers[0].env[0]: must not be null',
    'pod.yaml:5: spec.containers[1]: must not be null',
    'pod.yaml:6: spec.volumes[0]: must not be null',
  ]);
});

test('two SidecarSets of one name are a mistake', (t) => {
  const { code, stderr } = runOn(t, { 'a.yaml': set, 'b.yaml': `---\n${set}`, 'pod.yaml': pod });
  t.is(code, 2);
  t.regex(stderr, /^b\.yaml:4: metadata\.name: \S*a\.yaml:3 has a SidecarSet of this name already\n$/);
});

test('a pod that would be refused is not printed', (t) => {
  const policy =
    "resourcesPolicy: {targetContainersMode: sum, targetContainersNameRegex: '^x', resourcesExpr: {limits: {cpu: cpu}}}";
  const { code, stdout, stderr } = runOn(t, {
    'set.yaml': set.replace("'log:1'", `'log:1', ${policy}`),
    'pod.yaml': pod,
  });
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, /no containers match the regex pattern "\^x" \[ERR_BATON_RESOURCES\]\n$/);
});

test('wrong usage is said', (t) => {
  const throws = (args: string[], message: RegExp): void => void t.throws(() => run(...args), { message });
  throws([], /--sidecarset FILE is missing/);
  throws(['--sidecarset', 'x'], /--pod FILE is missing/);
  throws(['--sidecarset', 'nowhere.yaml', '--pod', 'x'], /cannot read nowhere.yaml: ENOENT/);
  throws(['-o', 'xml'], /-o is "xml"; it must be yaml or json/);
  const podFile = `${examples}gray-pod.yaml`;
  throws(['--sidecarset', podFile, '--pod', podFile], /there is no SidecarSet in the files/);
});

test('it is a command of the program', (t) => {
  const program = fileURLToPath(new URL('../../dist/baton.js', import.meta.url));
  const called = (...args: string[]) => spawnSync(process.execPath, [program, 'inject', ...args], { encoding: 'utf8' });
  t.like(called('--help'), { status: 0, stdout: help });
  t.is(called().status, 2);
});

test("the page's example is what comes out", (t) => {
  const page = readFileSync(new URL('../../docs/inject.md', import.meta.url), 'utf8');
  const [, files = '', containers = ''] =
    /```sh\nbaton inject (.*)\n```\n[\s\S]*?```yaml\n([\s\S]*?)```/.exec(page) ?? [];
  const { stdout } = run(...files.split(' ').map((word) => word.replace('examples/sidecarsets/', examples)));
  const lines = (text: string): string => text.trim().split(/\n\s*/).join('\n');
  t.true(containers !== '' && lines(stdout).includes(lines(containers)), stdout);
});
