import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { parse } from 'yaml';
import { parseJson, printJson } from '../../api/json.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { hashWithoutImageKey } from '../../api/pod-contract.ts';
import { help, runPlan } from '../../cli/plan.ts';
import type { Plan } from '../../controller/rollout/plan.ts';
import { readObjects } from '../../cli/objects.ts';
import { podOf, withAnnotation } from '../controller/rollout/scene.ts';
import { temporaryDirectory } from '../helpers/processes.ts';

const setText = (image: string): string => `apiVersion: apps.kruise.io/v1beta1
kind: SidecarSet
metadata: {name: proxy}
spec:
  selector: {matchLabels: {app: web}}
  containers: [{name: side, image: '${image}'}]
`;

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

function run(...args: string[]): Ran {
  const texts = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof texts): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        texts[name] += String(chunk);
        done();
      },
    });
  const code = runPlan(args, { stdout: stream('stdout'), stderr: stream('stderr') });
  return { code, ...texts };
}

/** A plan for pods that carry `side:1` where the set says `side:2`; `make` gets what injects them. */
function planOf(
  t: ExecutionContext,
  make: (old: (name: string) => Pod, next: (name: string) => Pod) => unknown[],
  ...more: string[]
): Ran {
  const folder = temporaryDirectory(t);
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const podsFrom = (image: string): ((name: string) => Pod) => {
    const [set] = readObjects([file(`${image.replace(':', '-')}.yaml`, setText(image))]).sidecarSets;
    return (name) => (set ? podOf(set, name) : {});
  };
  const items = make(podsFrom('side:1'), podsFrom('side:2'));
  const pods = file('pods.json', printJson({ apiVersion: 'v1', kind: 'List', items }));
  return run('--sidecarset', join(folder, 'side-2.yaml'), '--pods', pods, ...more);
}

const fleet = (old: (name: string) => Pod, next: (name: string) => Pod): unknown[] => [
  next('a'),
  old('b'),
  old('c'),
  withAnnotation(old('d'), hashWithoutImageKey, '{}'),
  { ...old('old'), metadata: { name: 'old', namespace: 'default', labels: { app: 'web' } } },
];

test('a table with the verdict and the reason for every pod, as the page shows it', (t) => {
  const { code, stdout, stderr } = planOf(t, fleet);
  t.is(code, 0, stderr);
  const page = readFileSync(fileURLToPath(new URL('../../docs/plan.md', import.meta.url)), 'utf8');
  const shown = /```\n(SidecarSet [\s\S]*?)```/.exec(page)?.[1] ?? '';
  const revision = / revision (\S+)/.exec(stdout)?.[1] ?? '';
  t.is(stdout.replace(revision, 'proxy-5b8d9c7f6'), shown);
  t.regex(revision, /^proxy-[a-z0-9]+$/);
});

test('-o json and -o yaml print the whole plan', (t) => {
  const json = planOf(t, fleet, '-o', 'json');
  const planned = parseJson(json.stdout) as Plan;
  t.deepEqual(
    planned.pods.map(({ verdict }) => verdict),
    ['updated', 'upgrade', 'waiting', 'notUpgradable', 'unmatched'],
  );
  t.deepEqual(planned.waiting, ['default/b', 'default/c']);
  t.is(planned.upgrade[0]?.resourceVersion, '100');
  const yaml = parse(planOf(t, fleet, '-o', 'yaml').stdout) as Plan;
  t.deepEqual(yaml.pods, planned.pods);
});

test('namespaces that are in no file are known by their names', (t) => {
  const folder = temporaryDirectory(t);
  const file = join(folder, 'all.yaml');
  const namespaced = setText('side:2').replace(
    'spec:',
    'spec:\n  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: team}}',
  );
  const pod = (namespace: string): string =>
    `---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ${namespace}, labels: {app: web}}\nspec: {containers: [{name: app, image: a}]}\n`;
  writeFileSync(file, `${namespaced}${pod('team')}${pod('other')}`);
  const { code, stdout } = run('--sidecarset', file, '--pods', file);
  t.is(code, 0);
  t.regex(stdout, /team\/p +unmatched +it was never injected/);
  t.regex(stdout, /other\/p +unmatched +its namespace does not match/);
});

test('bad files are told with line and field, wrong usage in a sentence', (t) => {
  const folder = temporaryDirectory(t);
  const file = join(folder, 'set.yaml');
  writeFileSync(file, setText('side:2').replace('selector:', 'selektor:'));
  const { code, stderr } = run('--sidecarset', file, '--pods', file);
  t.is(code, 2);
  t.regex(stderr, /set\.yaml:5: .*selektor/);
  t.throws(() => run('--pods', file), { message: '--sidecarset FILE is missing' });
  t.throws(() => run('--sidecarset', file), { message: '--pods FILE is missing' });
  t.throws(() => run('--sidecarset', file, '--pods', file, '-o', 'table'), { message: /-o is "table"/ });
  t.throws(() => run('--sidecarset', join(folder, 'none'), '--pods', file), { message: /cannot read/ });
  t.is(run('--help').stdout, help);
});

test('a status that is none is an error with its field, not a crash; what it lacks is empty', (t) => {
  const withStatus = (status: object): Ran => planOf(t, (old) => [{ ...old('a'), status }]);
  const rows: [object, RegExp][] = [
    [{ containerStatuses: {} }, /status\.containerStatuses: must be a list, not an object/],
    [{ containerStatuses: [null] }, /status\.containerStatuses\[0\]: must not be null/],
    [{ containerStatuses: [{ name: 'side', image: 5 }] }, /status\.containerStatuses\[0\]\.image: must be a string/],
    [{ conditions: 'abc' }, /pods\.json:1: status\.conditions: must be a list/],
    [{ conditions: [null] }, /status\.conditions\[0\]: must not be null/],
  ];
  for (const [status, message] of rows) {
    const { code, stderr } = withStatus(status);
    t.is(code, 2);
    t.regex(stderr, message);
  }
  const bare = withStatus({ phase: 'Running', containerStatuses: [{ name: 'side', ready: true }, {}], podIPs: [] });
  t.deepEqual([bare.code, bare.stderr], [0, '']);
  t.regex(bare.stdout, /default\/a +upgrade/);
});

test('two sets are one too many', (t) => {
  const folder = temporaryDirectory(t);
  const file = join(folder, 'sets.yaml');
  writeFileSync(file, `${setText('side:2')}---\n${setText('side:1').replace(/(?<=name: )\w+/g, 'other')}`);
  t.throws(() => run('--sidecarset', file, '--pods', file), { message: /there are 2 SidecarSets/ });
});
