// docs/coming-from-openkruise.md, command by command, on a real API server with what OpenKruise 1.8 leaves.
import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ControllerRevision, Pod } from '../../../api/kubernetes.ts';
import { injectedLabel } from '../../../api/pod-contract.ts';
import { toAlpha } from '../../../api/conversion.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import * as resources from '../../../cluster/resource.ts';
import { newRevision } from '../../../controller/revisions/revision.ts';
import { objectsOf } from '../../deploy/objects.ts';
import { temporaryDirectory, until } from '../../helpers/processes.ts';
import { binaries } from '../cluster-test.ts';
import { ask, type Access } from '../control-plane/api.ts';
import { accessOf } from '../control-plane/namespace.ts';
import { startControlPlane } from '../control-plane/start.ts';
import { startTestKubelet } from '../kubelet.ts';
import { connect } from '../kubernetes/connect.ts';
import { startFront } from './front.ts';
import { kubectlTest } from './kubectl.ts';
import { installItsWebhooks, installOpenKruise, playDeployments } from './played-openkruise.ts';
import { after, recorded, type Recorded } from './recorded.ts';
import { startReplica, type Replica } from './replica.ts';
import {
  forThisMachine,
  kubeconfigOf,
  servicesByName,
  setNodeReady,
  strictFlags,
  type WirePod,
  type WireSet,
} from './start-system.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const history = 'kruise-system';
const at = '2026-01-02T00:00:00Z';

/** The page's commands, by the headings above them. */
const steps = new Map(
  readFileSync(join(root, 'docs/coming-from-openkruise.md'), 'utf8')
    .split(/^## /m)
    .map((section) => [
      section.split('\n')[0] ?? '',
      [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, code = '']) => code).join(''),
    ]),
);

type Revision = ControllerRevision & KubernetesObject;

/** The set and its pods in the cluster as OpenKruise left them, with its revision and the one before. */
async function leave(
  admin: Access,
  cluster: Cluster,
  { sidecarSet, out: { reconcile } }: Recorded,
  pods: Pod[],
): Promise<void> {
  const name = sidecarSet.metadata.name ?? '';
  const stored = toAlpha(sidecarSet);
  const path = '/apis/apps.kruise.io/v1alpha1/sidecarsets';
  const created = JSON.parse(await ask(admin, 'POST', path, stored)) as WireSet;
  const set = { ...sidecarSet, metadata: { ...sidecarSet.metadata, uid: created.metadata.uid ?? '' } };
  const older = structuredClone(set);
  for (const container of older.spec.containers ?? []) container.image = `${container.image ?? ''}-old`;
  const revisions = [older, set].map((of, index) =>
    newRevision(of, { namespace: history, revision: index + 1, collisionCount: 0 }),
  );
  for (const revision of revisions) await cluster.create<Revision>(resources.controllerRevisions, revision as Revision);
  const [first = '', latest = ''] = revisions.map(({ metadata }) => metadata?.name ?? '');
  const status = { ...reconcile.status, latestRevision: latest, matchedPods: pods.length };
  await ask(admin, 'PATCH', `${path}/${name}/status`, { status }, 'application/merge-patch+json');
  for (const [index, pod] of pods.entries()) {
    const annotations = Object.fromEntries(
      Object.entries(pod.metadata?.annotations ?? {}).map(([key, text]) => [
        key,
        text.replaceAll('s-rev1', first).replaceAll('s-rev2', latest).replaceAll('<now>', at),
      ]),
    );
    const key = { namespace: 'default', name: `${name}-${index}` };
    await cluster.create<WirePod>(resources.pods, {
      metadata: { ...pod.metadata, ...key, annotations },
      ...(pod.spec && { spec: pod.spec }),
    });
    await cluster.patch(resources.pods, key, { status: pod.status }, { subresource: 'status' });
  }
}

const restartsOf = ({ status }: WirePod): Record<string, number> =>
  Object.fromEntries((status?.containerStatuses ?? []).map(({ name, restartCount }) => [name, restartCount]));
const imagesOf = ({ spec }: WirePod): Record<string, string> =>
  Object.fromEntries((spec?.containers ?? []).map(({ name, image = '' }) => [name, image]));

kubectlTest(
  'the page’s commands move a cluster from OpenKruise to Baton, and pods that are up to date stay as they are',
  async (t) => {
    t.timeout(120_000);
    const controlPlane = await startControlPlane({
      binaries: await binaries(t),
      apiServerFlags: [...servicesByName, ...strictFlags],
    });
    t.teardown(() => controlPlane.stop());
    const admin = accessOf(controlPlane);
    const cluster = connect(controlPlane);
    const front = await startFront(t);
    const folder = temporaryDirectory(t);
    const run = shell(folder, controlPlane.kubeconfigs['admin'] ?? '');

    // OpenKruise is there, and in the middle of its work.
    await cluster.create(resources.nodes, { metadata: { name: 'node-1' } });
    await setNodeReady(cluster, 'node-1', true);
    await installOpenKruise(admin, cluster);
    await until('SidecarSets are served', () =>
      ask(admin, 'GET', '/apis/apps.kruise.io/v1alpha1/sidecarsets').catch(() => undefined),
    );
    const cold = recorded('upgrade-001', 'cold');
    const idle = recorded('upgrade-087', 'idle');
    const half = recorded('upgrade-072', 'half');
    const done = after(cold.pod, cold.out.upgrade);
    await leave(admin, cluster, cold, [done, done, cold.pod, cold.pod]);
    await leave(admin, cluster, idle, [idle.pod]);
    await leave(admin, cluster, half, [half.pod]);
    await installItsWebhooks(cluster);
    let replica: Replica | undefined;
    const played = playDeployments(t, admin, cluster, async (replicas) => {
      if (replicas === 0) {
        await replica?.kill('SIGTERM');
        return;
      }
      replica = await startReplica(t, await kubeconfigOf(t, admin));
      front.replicas.add(replica.webhookPort);
    });
    await until('OpenKruise leads', () =>
      cluster.get(resources.leases, { namespace: history, name: 'kruise-manager' }).catch(() => undefined),
    );
    const kubelet = startTestKubelet({ cluster, namespace: 'default', nodes: ['node-1'] });
    t.teardown(() => kubelet.stop());
    const podsNow = async (): Promise<Record<string, WirePod>> =>
      Object.fromEntries(
        (await cluster.list<WirePod>(resources.pods, { namespace: 'default' })).items.map((pod) => [
          pod.metadata.name ?? '',
          pod,
        ]),
      );
    const before = await podsNow();

    const files = join(folder, 'deploy.json');
    const objects = objectsOf().map((object) => forThisMachine(object, front.port) ?? object);
    writeFileSync(files, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    const step = async (heading: string): Promise<string> => {
      const code = steps.get(heading);
      if (code === undefined) throw new Error(`the page has no ${heading}`);
      return run(code.replaceAll('-k deploy', `--filename ${files}`));
    };
    const make = (name: string): Promise<WirePod> =>
      cluster.create<WirePod>(resources.pods, {
        metadata: { namespace: 'default', name, labels: { app: 'cold' } },
        spec: { containers: [{ name: 'main', image: 'app:1' }] },
      });

    await step('1. Let nothing delete the CRD');
    const crd = (): Promise<KubernetesObject> =>
      cluster.get(resources.customResourceDefinitions, { name: 'sidecarsets.apps.kruise.io' });
    t.is((await cluster.list(resources.secrets, { namespace: 'default' })).items.length, 0, 'Helm knows no release');
    await step('2. Switch OpenKruise off');
    await t.throwsAsync(make('refused'), { message: /failed calling webhook/ });
    await step('3. Install Baton');
    t.like((await crd()).metadata, {
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'helm.sh/resource-policy': 'keep', 'meta.helm.sh/release-name': 'baton' },
    });
    await step('4. Switch its webhooks off');

    // They are adopted, and the rollout goes on where it was.
    const now = await until(
      'all are labelled, and the rollout goes on',
      async () => {
        const all = await podsNow();
        const isLabelled = Object.values(all).every(({ metadata }) => metadata.labels?.[injectedLabel] === 'true');
        const next = ['cold-2', 'cold-3'].map((name) => imagesOf(all[name] as WirePod)['side']);
        return isLabelled && next.includes('side:2') ? all : undefined;
      },
      40_000,
    );
    for (const name of ['cold-0', 'cold-1', 'idle-0']) {
      t.deepEqual(now[name]?.spec, before[name]?.spec, name);
      t.deepEqual(now[name]?.metadata.annotations, before[name]?.metadata.annotations, name);
      t.deepEqual(restartsOf(now[name] as WirePod), restartsOf(before[name] as WirePod), name);
    }
    const { items } = await cluster.list<Revision>(resources.controllerRevisions, { namespace: history });
    t.is(items.length, 6, 'the history is OpenKruise’s, with nothing added');
    t.is(played.failure(), undefined);
  },
);

/** Runs a page's code as a person would, in a folder of its own; its output. */
function shell(folder: string, kubeconfig: string): (code: string) => Promise<string> {
  const baton = join(folder, 'baton');
  writeFileSync(baton, `#!/bin/sh\nexec ${process.execPath} ${join(root, 'dist/baton.js')} "$@"\n`);
  chmodSync(baton, 0o755);
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}`, KUBECONFIG: kubeconfig };
  return (code) =>
    new Promise((resolve, reject) => {
      const child = spawn('sh', ['-c', code.startsWith('baton doctor') ? code : `set -e\n${code}`], {
        cwd: folder,
        env,
      });
      let output = '';

      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
      child.on('error', reject);
      child.on('close', (status) => {
        if (status === 0) resolve(output);
        else reject(new Error(`${code}\n${output}`));
      });
    });
}
