import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parse, parseAllDocuments } from 'yaml';
import { generated } from '../../deploy/generate.ts';
import { hasKubectl } from '../cluster/controller/kubectl.ts';
import { helmProgram, helmTest } from '../cluster/helm-test.ts';
import { chart, forCluster, render, runHelm, template } from './chart.ts';
import { deploy, objectOf, objectsOf, type Manifest } from './objects.ts';

const root = join(deploy, '..');
const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

test('what is generated of the chart is up to date: npm run generate', async (t) => {
  for (const [path, text] of await generated()) t.is(readFileSync(path, 'utf8'), text, path);
});

test("the chart's versions are the package's", (t) => {
  const { version } = json(join(root, 'package.json')) as { version: string };
  t.like(parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8')), { version, appVersion: version });
});

test("the README installs the chart as the chart's README does", (t) => {
  const commandIn = (file: string): string | undefined =>
    /^helm install .*$/m.exec(readFileSync(join(root, file), 'utf8'))?.[0];
  t.truthy(commandIn('README.md'));
  t.is(commandIn('README.md'), commandIn('deploy/chart/README.md'));
});

helmTest('helm lint has nothing to say', async (t) => {
  const { code, output } = await runHelm(await helmProgram(t), 'lint', '--strict', ...forCluster, chart);
  t.is(code, 0, output);
});

/** Labels that Helm's users look for. */
const helmLabels = ['instance', 'version', 'managed-by'].map((name) => `app.kubernetes.io/${name}`);

/** An object of the chart without what is known to differ from the kustomize base: the values below, and Helm's own. */
function asInBase({ ...object }: Manifest): Manifest {
  const { metadata } = (object = structuredClone(object));
  metadata.labels = Object.fromEntries(
    Object.entries(metadata.labels ?? {}).filter(([key]) => !helmLabels.includes(key) && key !== 'helm.sh/chart'),
  );
  if (object.kind === 'CustomResourceDefinition') {
    // There, it has no labels, and stays as long as nobody deletes it.
    delete metadata.labels;
    const { 'helm.sh/resource-policy': policy, ...annotations } = metadata.annotations ?? {};
    if (policy !== 'keep') throw new Error('the definition goes with the release, and all SidecarSets with it');
    if (Object.keys(annotations).length > 0) metadata.annotations = annotations;
    else delete metadata.annotations;
  }
  const container = containerIn(object);
  if (container) {
    // There, the defaults of the program and of the API server.
    container.args = container.args.filter((arg) => !defaults.includes(arg));
    if (container.imagePullPolicy === 'IfNotPresent') delete container.imagePullPolicy;
  }
  return object;
}

const defaults = [
  '--exclude-namespace=kube-system',
  '--exclude-namespace=kube-public',
  '--history-namespace=kruise-system',
  '--qps=200',
  '--parallel=16',
  '--kubelet-root=/var/lib/kubelet',
  '--cri-socket=unix:///run/containerd/containerd.sock',
  '--max-concurrent-upgrades=3',
  '--log-level=info',
];

function containerIn(object: Manifest): { args: string[]; imagePullPolicy?: string } | undefined {
  if (object.kind !== 'Deployment' && object.kind !== 'DaemonSet') return undefined;
  const { spec } = object as unknown as {
    spec: { template: { spec: { containers: { args: string[]; imagePullPolicy?: string }[] } } };
  };
  return spec.template.spec.containers[0];
}

const byName = (objects: readonly Manifest[]): Record<string, Manifest> =>
  Object.fromEntries(objects.map((object) => [`${object.kind} ${object.metadata.name}`, object]));

/** The namespace is Helm's user's to make. */
const withoutNamespace = (objects: readonly Manifest[]): Manifest[] =>
  objects.filter(({ kind }) => kind !== 'Namespace');

helmTest('with its defaults the chart makes the objects of the kustomize base', async (t) => {
  const objects = await render(await helmProgram(t));
  t.deepEqual(byName(objects.map(asInBase)), byName(withoutNamespace(objectsOf())));
  for (const { kind, metadata } of objects) {
    for (const label of [...helmLabels, 'helm.sh/chart']) t.truthy(metadata.labels?.[label], `${kind}: ${label}`);
  }
});

(hasKubectl ? helmTest : test.skip)('with cert-manager too', async (t) => {
  const objects = await render(await helmProgram(t), { 'certManager.enabled': true });
  const text = execFileSync('kubectl', ['kustomize', join(deploy, 'cert-manager')], { encoding: 'utf8' });
  const base = parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  t.deepEqual(byName(objects.map(asInBase)), byName(withoutNamespace(base)));
});

helmTest('in another namespace, nothing names the usual one', async (t) => {
  const objects = await render(await helmProgram(t), { 'certManager.enabled': true }, 'elsewhere');
  t.false(JSON.stringify(objects).includes('baton-system'));
  const moved = JSON.parse(
    JSON.stringify(await render(await helmProgram(t), { 'certManager.enabled': true })).replaceAll(
      'baton-system',
      'elsewhere',
    ),
  ) as Manifest[];
  t.deepEqual(objects, moved);
  t.is(objectOf('Service', 'baton-webhook', objects).metadata.namespace, 'elsewhere');
});

const refused: [values: object, field: string][] = [
  [{ replicas: 3 }, 'replicas'],
  [{ 'image.tag': 5 }, '/image/tag'],
  [{ 'image.pullPolicy': 'Sometimes' }, '/image/pullPolicy'],
  [{ 'image.registry': 'a b' }, '/image/registry'],
  [{ imagePullSecrets: ['name'] }, '/imagePullSecrets/0'],
  [{ excludedNamespaces: [] }, '/excludedNamespaces'],
  [{ excludedNamespaces: ['Kube_System'] }, '/excludedNamespaces/0'],
  [{ logLevel: 'verbose' }, '/logLevel'],
  [{ debug: 'yes' }, '/debug'],
  [{ 'controller.image.digest': 'sha256:5' }, '/controller/image/digest'],
  [{ 'controller.image.name': 'x' }, '/controller/image'],
  [{ 'controller.replicas': 0 }, '/controller/replicas'],
  [{ 'controller.qps': '200' }, '/controller/qps'],
  [{ 'controller.parallel': 0.5 }, '/controller/parallel'],
  [{ 'controller.resources.limit': {} }, '/controller/resources'],
  [{ 'controller.affinity.zone': {} }, '/controller/affinity'],
  [{ 'agent.kubeletRoot': 'var' }, '/agent/kubeletRoot'],
  [{ 'agent.criSocket': '/run/containerd/containerd.sock' }, '/agent/criSocket'],
  [{ 'agent.maxConcurrentUpgrades': 0 }, '/agent/maxConcurrentUpgrades'],
  [{ 'agent.tolerations': [{ operator: 'exists' }] }, '/agent/tolerations/0/operator'],
  [{ 'agent.nodeSelector': { a: true } }, '/agent/nodeSelector/a'],
  [{ 'certManager.enabled': 'true' }, '/certManager/enabled'],
  [{ 'metrics.monitor': true }, '/metrics/monitor'],
  [{ 'metrics.interval': '30' }, '/metrics/interval'],
];

helmTest('a wrong value is refused with its name', async (t) => {
  const helm = await helmProgram(t);
  for (const [values, field] of refused) {
    const { code, output } = await template(helm, values);
    t.not(code, 0, JSON.stringify(values));
    t.true(output.includes(`'${field}'`), output);
  }
});

helmTest('a chart that has this one as a part may have values of all', async (t) => {
  t.is((await template(await helmProgram(t), { 'global.x': 1 })).code, 0);
});
