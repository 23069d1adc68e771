import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { batonImage } from '../../../deploy/image/baton.ts';
import type { KubernetesObject } from '../../../cluster/cluster.ts';
import * as resources from '../../../cluster/resource.ts';
import { temporaryDirectory, type Scope } from '../../helpers/processes.ts';
import { ask } from '../control-plane/api.ts';
import { helmProgram } from '../helm-test.ts';
import type { Registry } from '../node/registry.ts';
import { run } from '../node/run.ts';
import type { NodeScene, WirePod } from '../node/scene.ts';
import type { NodeFacts } from '../node/node.ts';
import type { ClusterFacts } from '../node/start.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** A command of the chart's README, as `install`, for this chart and registry. */
type Helm = (command: 'install' | 'upgrade' | 'uninstall', its: { chart?: string; more?: string[] }) => Promise<string>;

/** Runs the commands of the chart's README as an administrator of the cluster, and waits until they are carried out. */
export async function helmFor(t: ExecutionContext, facts: ClusterFacts, registry: Registry): Promise<Helm> {
  const program = await helmProgram(t);
  const folder = temporaryDirectory(t);
  const homes = ['CACHE', 'CONFIG', 'DATA'].map((name) => `HELM_${name}_HOME=${join(folder, name)}`);
  const readme = readFileSync(join(root, 'deploy/chart/README.md'), 'utf8');
  return (command, { chart = '', more = [] }) => {
    const line = new RegExp(`^helm (${command} .*)$`, 'm').exec(readme)?.[1];
    if (line === undefined) throw new Error(`the chart's README has no helm ${command}`);
    const words = line.replace('deploy/chart', chart).replace('registry.example/team', registry.address).split(' ');
    const env = [...homes, `KUBECONFIG=${facts.kubeconfigs['admin'] ?? ''}`];
    return run('env', ...env, program, ...words, '--wait', '--timeout', '3m', ...more);
  };
}

/** A copy of the chart as of another version of Baton. */
export function chartOf(t: Scope, version: string): string {
  const folder = join(temporaryDirectory(t), 'chart');
  cpSync(join(root, 'deploy/chart'), folder, { recursive: true });
  const file = join(folder, 'Chart.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/^(version|appVersion): .*$/gm, `$1: ${version}`));
  return folder;
}

/** Pushes both images of Baton under the tag that a chart of this version asks for. */
export async function pushBaton(registry: Registry, version: string): Promise<void> {
  for (const component of ['controller', 'agent'] as const) {
    const image = batonImage(root, component, `baton-${component}:${version}`);
    await registry.push({ ...image, env: { ...image.env, OF: version } });
  }
}

/** What a user gives whose kubelet and container runtime are elsewhere; a file. */
export function valuesFor(t: Scope, { kubeletFolder, socket }: NodeFacts): string {
  const values = { agent: { kubeletRoot: kubeletFolder, criSocket: `unix://${socket}` } };
  const file = join(temporaryDirectory(t), 'values.yaml');
  // JSON is YAML too.
  writeFileSync(file, JSON.stringify(values));
  return file;
}

/** What `baton doctor` prints; throws where it finds something wrong. */
export const doctorOf = ({ kubeconfigs }: ClusterFacts): Promise<string> =>
  run(process.execPath, join(root, 'dist/baton.js'), 'doctor', '--kubeconfig', kubeconfigs['admin'] ?? '');

/** The pods of Baton that are not about to go. */
export async function batonPods({ cluster }: NodeScene): Promise<WirePod[]> {
  const labels = { matchLabels: { 'app.kubernetes.io/name': 'baton' } };
  const { items } = await cluster.list<WirePod>(resources.pods, { namespace: 'baton-system', labels });
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** The `caBundle`s that an object has, `none` for a place without. */
function bundlesIn(object: KubernetesObject): string[] {
  const found: string[] = [];
  JSON.stringify(object, (key, value: unknown) => {
    if (key === 'clientConfig') found.push((value as { caBundle?: string }).caBundle ?? 'none');
    return value;
  });
  return found;
}

/** Every state that those objects go through whom API servers trust by a `caBundle`, from now on; all `caBundle`s in them. */
export async function recordBundles(
  t: Scope,
  { cluster }: NodeScene,
): Promise<{ states: string[]; seen: Set<string> }> {
  const over = new AbortController();
  t.teardown(() => over.abort());
  const states: string[] = [];
  const seen = new Set<string>();
  const places = [
    [resources.mutatingWebhookConfigurations, 'baton'],
    [resources.validatingWebhookConfigurations, 'baton'],
    [resources.customResourceDefinitions, 'sidecarsets.apps.kruise.io'],
  ] as const;
  for (const [resource, name] of places) {
    const see = (object: KubernetesObject): void => {
      states.push(resource.kind);
      for (const bundle of bundlesIn(object)) seen.add(bundle);
    };
    const query = { fields: { 'metadata.name': name } };
    const { items, resourceVersion } = await cluster.list(resource, query);
    items.forEach(see);
    void (async () => {
      for await (const event of cluster.watch(resource, { ...query, resourceVersion, signal: over.signal }))
        if (event.type !== 'BOOKMARK') see(event.object);
    })().catch((error: unknown) => {
      if (!over.signal.aborted) seen.add(String(error));
    });
  }
  return { states, seen };
}

/** Asks for pods, which are not stored, one after the other until it is ended: how many, and how many came without sidecars. */
export function askForPods(t: Scope, { admin, namespace }: NodeScene, labels: Record<string, string>) {
  const over = new AbortController();
  t.teardown(() => over.abort());
  let [asked, missed] = [0, 0];
  const pod = { metadata: { name: 'asked', labels }, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
  const asking = (async () => {
    while (!over.signal.aborted) {
      const answer = await ask(admin, 'POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod);
      asked += 1;
      if (!answer.includes('IS_INJECTED')) missed += 1;
      await delay(50);
    }
  })();
  // It is told at the end.
  asking.catch(() => undefined);
  return {
    async end() {
      over.abort();
      await asking;
      return { asked, missed };
    },
  };
}
