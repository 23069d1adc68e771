import { closeSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { batonImage, type Component } from '../../../deploy/image/baton.ts';
import { writeImages } from '../../../deploy/image/image.ts';
import { lock } from '../../../native/index.ts';
import { until } from '../../helpers/processes.ts';
import { ask, type Access } from '../control-plane/api.ts';
import { accessOf } from '../control-plane/namespace.ts';
import { ownerOf } from '../control-plane/owner.ts';
import { folderOf } from '../control-plane/shared.ts';
import { untilTrusted } from '../controller/start-system.ts';
import { containerdAt } from '../node/containerd.ts';
import { cluster } from '../node/node-test.ts';
import { run } from '../node/run.ts';
import type { NodeFacts } from '../node/node.ts';
import type { ClusterFacts } from '../node/start.ts';
import { sharedImages } from './images.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const home = 'baton-system';

/** To start a cluster and install Baton on a machine that is busy. */
const TIMEOUT_MS = 240_000;
/** Until all of Baton's pods are Ready. */
const START_TIMEOUT_MS = 120_000;
/** Pods injected one after the other, until both replicas were surely asked. */
const IN_A_ROW = 10;

/**
 * The cluster that all tests of this run share, with Baton installed on it as users do it: `kubectl apply -k deploy`. The first to
 * ask installs it; it stays until the run ends. Its images are `names` of images.ts.
 */
export async function installedCluster(t: ExecutionContext): Promise<ClusterFacts> {
  const facts = await cluster(t);
  t.timeout(TIMEOUT_MS);
  const owner = ownerOf(process.ppid);
  if (!owner) throw new Error('the test run is over');
  const folder = folderOf(owner, 'cluster');
  const done = join(folder, 'installed');
  const claim = openSync(join(folder, 'install.lock'), 'a');
  try {
    while (!existsSync(done)) {
      if (lock(claim)) {
        await install(facts, join(folder, 'install'));
        writeFileSync(done, '');
      } else await delay(50);
    }
  } finally {
    closeSync(claim);
  }
  return facts;
}

/**
 * Installs Baton on a cluster with one node, and waits until its webhooks answer and its agent runs.
 *
 * @param folder for its files; is made
 * @param agentArgs more arguments of the agent
 */
export async function install(facts: ClusterFacts, folder: string, agentArgs: readonly string[] = []): Promise<void> {
  const { nodes, kubeconfigs } = facts;
  const [node, ...others] = nodes;
  if (!node || others.length > 0)
    throw new Error(`the agents' folders can be those of one node, not of ${nodes.length}`);
  mkdirSync(folder, { recursive: true });
  const archive = join(folder, 'images.tar');
  writeImages(archive, [
    ...(['controller', 'agent'] as const).map((one) => batonImage(root, one, `docker.io/library/${imageOf(one)}`)),
    ...sharedImages,
  ]);
  await containerdAt(node.socket).importImage(archive);
  writeFileSync(join(folder, 'kustomization.yaml'), kustomization(folder, node, agentArgs));
  await run('kubectl', '--kubeconfig', kubeconfigs['admin'] ?? '', 'apply', '--kustomize', folder);
  const admin = accessOf(facts);
  await until('Baton runs', () => isRunning(admin), START_TIMEOUT_MS).catch(async (error: unknown) => {
    throw new Error(await ask(admin, 'GET', `/api/v1/namespaces/${home}/pods`), { cause: error });
  });
  await untilTrusted(admin);
  await untilInjecting(admin);
}

/**
 * Until every replica injects. The API server starts to serve a kind anew when its definition gets the webhooks' certificate, and
 * ends the watches: for a moment a replica may not have heard of a new set.
 */
export async function untilInjecting(admin: Access): Promise<void> {
  const sets = '/apis/apps.kruise.io/v1beta1/sidecarsets';
  const container = { name: 'trial', image: 'trial:1' };
  const selector = { matchLabels: { trial: 'install' } };
  const metadata = { name: 'install-trial' };
  await ask(admin, 'POST', sets, {
    apiVersion: 'apps.kruise.io/v1beta1',
    kind: 'SidecarSet',
    metadata,
    spec: { selector, containers: [container] },
  });
  const pod = {
    metadata: { name: 'trial', labels: selector.matchLabels },
    spec: { containers: [{ ...container, name: 'app' }] },
  };
  let injected = 0;
  await until('every replica injects', async () => {
    const answer = await ask(admin, 'POST', '/api/v1/namespaces/default/pods?dryRun=All', pod).catch(String);
    injected = answer.includes('IS_INJECTED') ? injected + 1 : 0;
    return injected >= IN_A_ROW;
  });
  await ask(admin, 'DELETE', `${sets}/${metadata.name}`);
}

/** As the manifests have it. */
function imageOf(component: Component): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return `baton-${component}:${version}`;
}

/** What a user writes whose kubelet and container runtime are elsewhere on the nodes. JSON is YAML too. */
function kustomization(folder: string, { kubeletFolder, socket }: NodeFacts, agentArgs: readonly string[]): string {
  const hostPath = (name: string, path: string): object => ({ name, hostPath: { path, type: 'Directory' } });
  const volumes = [
    hostPath('pods', join(kubeletFolder, 'pods')),
    hostPath('pod-resources', join(kubeletFolder, 'pod-resources')),
    hostPath('containerd', dirname(socket)),
  ];
  const patch = [
    { op: 'replace', path: '/spec/template/spec/volumes', value: volumes },
    { op: 'replace', path: '/spec/template/spec/containers/0/args', value: ['agent', ...agentArgs] },
  ];
  return JSON.stringify({
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [relative(realpathSync(folder), join(root, 'deploy'))],
    patches: [{ target: { kind: 'DaemonSet', name: 'baton-agent' }, patch: JSON.stringify(patch) }],
  });
}

async function isRunning(admin: Access): Promise<boolean> {
  const apps = `/apis/apps/v1/namespaces/${home}`;
  const statusOf = async (path: string): Promise<Record<string, number>> =>
    (JSON.parse(await ask(admin, 'GET', `${apps}/${path}`)) as { status: Record<string, number> }).status;
  const deployment = await statusOf('deployments/baton-controller');
  const daemonSet = await statusOf('daemonsets/baton-agent');
  return deployment['readyReplicas'] === 2 && daemonSet['numberReady'] === 1;
}
