import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { batonImage } from '../../../deploy/image/baton.ts';
import type { KubernetesObject } from '../../../cluster/cluster.ts';
import * as resources from '../../../cluster/resource.ts';
import { temporaryDirectory, type Scope } from '../../helpers/processes.ts';
import { helmProgram } from '../helm-test.ts';
import type { Registry } from '../node/registry.ts';
import { run } from '../node/run.ts';
import type { NodeScene, WirePod } from '../node/scene.ts';
import type { NodeFacts } from '../node/node.ts';
import type { ClusterFacts } from '../node/start.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Runs Helm as an administrator of the cluster, with files of its own; what it printed. */
export async function helmFor(
  t: ExecutionContext,
  facts: ClusterFacts,
): Promise<(...args: string[]) => Promise<string>> {
  const program = await helmProgram(t);
  const folder = temporaryDirectory(t);
  const homes = ['CACHE', 'CONFIG', 'DATA'].map((name) => `HELM_${name}_HOME=${join(folder, name)}`);
  return (...args) => run('env', ...homes, `KUBECONFIG=${facts.kubeconfigs['admin'] ?? ''}`, program, ...args);
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

/** What a user gives whose registry, kubelet and container runtime are elsewhere; a file. */
export function valuesFor(t: Scope, registry: Registry, { kubeletFolder, socket }: NodeFacts): string {
  const values = {
    image: { registry: registry.address },
    agent: { kubeletRoot: kubeletFolder, criSocket: `unix://${socket}` },
  };
  const file = join(temporaryDirectory(t), 'values.yaml');
  // JSON is YAML too.
  writeFileSync(file, JSON.stringify(values));
  return file;
}

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
