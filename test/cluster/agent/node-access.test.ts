// What an agent sees and does on a real node: its containerd, its kubelet's volumes, a real registry.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { stopGrace } from '../../../agent/cri/client.ts';
import type { NodeView } from '../../../agent/hot-upgrade/view.ts';
import { loadDatagrams } from '../../../cli/datagrams.ts';
import { openNode, type NodeAccessOptions, type RealNode } from '../../../agent/node-access.ts';
import type { PullReport } from '../../../agent/pulls.ts';
import { printGrants } from '../../../api/grant.ts';
import type { Container } from '../../../api/kubernetes.ts';
import { copies, grantKey, versionKey } from '../../../api/pod-contract.ts';
import { pods } from '../../../cluster/resource.ts';
import * as native from '../../../native/index.ts';
import { until } from '../../helpers/processes.ts';
import { recordFor } from '../../agent/pod-volume.ts';
import { containerIdOf, pidOf } from '../node/container.ts';
import { containerdAt } from '../node/containerd.ts';
import { addImage, busyboxLayer } from '../node/image.ts';
import { cluster, nodeTest, ownCluster, serialNodeTest } from '../node/node-test.ts';
import { startRegistry } from '../node/registry.ts';
import { containerOf, isReady, nodeScene, type NodeScene, type WirePod } from '../node/scene.ts';

const [first, second] = copies('echo');
const state = (version: string): string =>
  JSON.stringify({
    version,
    role: 'first',
    phase: 'serving',
    pid: 1,
    startedAt: 1,
    heartbeatAt: 2,
    holdsListeners: true,
    counters: {},
  });
/** Writes a state file, as any user, and lives until SIGTERM. */
const script = `
  if test -n "$STATE"; then
    cd /run/baton && echo "$STATE" > new && mv new "$VERSION.json"
  fi
  trap 'exit 3' TERM
  while true; do sleep 1 & wait $!; done`;
const stubborn = `trap '' TERM; while true; do sleep 1; done`;
const sidecarImage = (text: string, mark = '') => ({
  layers: [busyboxLayer],
  entrypoint: ['/bin/busybox', 'sh', '-c', text],
  env: { MARK: mark },
  user: '65532:65532',
});

interface Opened extends RealNode {
  reports: PullReport[];
  errors: { code?: string }[];
  news: () => number;
}

function open(
  t: ExecutionContext,
  { node }: Pick<NodeScene, 'node'>,
  changes: Partial<NodeAccessOptions> = {},
): Opened {
  const reports: PullReport[] = [];
  const errors: { code?: string }[] = [];
  let news = 0;
  const opened = openNode({
    criSocket: node.socket,
    kubeletRoot: node.kubeletFolder,
    bind: loadDatagrams(),
    now: Date.now,
    onPull: (report) => void reports.push(report),
    onNews: () => void (news += 1),
    onError: (_, error) => void errors.push(error as { code?: string }),
    ...changes,
  });
  t.teardown(() => opened.close());
  return { ...opened, reports, errors, news: () => news };
}

/** A pod with a hot pair, whose copies write the state files 7 and 8. */
async function podWithPair(scene: NodeScene, image: string, changes: Partial<Container> = {}): Promise<WirePod> {
  const containers = ['7', '8'].map((version, index) => ({
    name: [first, second][index] ?? '',
    image,
    env: [
      { name: 'STATE', value: state(version) },
      { name: 'VERSION', value: version },
    ],
    volumeMounts: [{ name: 'baton', mountPath: '/run/baton', subPath: 'echo' }],
    ...changes,
  }));
  const volumes = [{ name: 'baton', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }];
  await scene.createPod('pod', { containers, volumes });
  await scene.untilPod('Ready', 'pod', isReady);
  const annotations = { [versionKey(first)]: '7', [versionKey(second)]: '8' };
  return scene.cluster.patch<WirePod>(pods, { namespace: scene.namespace, name: 'pod' }, { metadata: { annotations } });
}

const grantOf = (image: string, emptyImage: string): Record<string, string> => ({
  [grantKey]: printGrants(
    new Map([
      [
        'set',
        {
          v: 1,
          revision: 'r',
          hash: 'h',
          version: '9',
          sidecarList: ['echo'],
          sidecars: { echo: { image, emptyImage } },
          grantedAt: new Date().toISOString(),
        },
      ],
    ]),
  ),
});

const annotated = (pod: WirePod, annotations: Record<string, string>): WirePod => ({
  ...pod,
  metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...annotations } },
});

nodeTest('sees the state files, the containers and their ends, the images, and when the kubelet started', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const [v1, v2] = [
    await addImage(t, scene.node, sidecarImage(script, '1')),
    await addImage(t, scene.node, sidecarImage(script, '2')),
  ];
  const node = open(t, scene);
  t.regex((await node.runtimeVersion()) ?? '', /^containerd \d/);
  const pod = await podWithPair(scene, v1);
  const granted = annotated(pod, grantOf(v2, 'baton.test/never-made:1'));
  const view = await until('both state files', async () => {
    const seen = await node.look(granted);
    return seen.stateFiles.get('echo')?.length === 2 ? seen : undefined;
  });
  t.deepEqual(
    view.stateFiles.get('echo')?.map(({ version, phase }) => [version, phase]),
    [
      ['7', 'serving'],
      ['8', 'serving'],
    ],
  );
  t.deepEqual([...(view.images?.present.keys() ?? [])], [v2]);
  for (const copy of [first, second]) {
    const life = view.runtime?.get(copy);
    const shown = Date.parse(containerOf(pod, copy)?.state?.running?.startedAt ?? '');
    t.is(life?.id, containerIdOf(pod, copy));
    t.true(life?.running);
    t.deepEqual(life?.exits, []);
    t.true((life?.startedAt ?? 0) >= shown && (life?.startedAt ?? 0) < shown + 1000, 'the status has whole seconds');
    t.true((life?.createdAt ?? 0) > 0 && (life?.createdAt ?? 0) <= (life?.startedAt ?? 0));
  }
  const startedAt = performance.now();
  for (let turn = 0; turn < 50; turn += 1) await node.look(granted);
  t.log(`a look takes ${((performance.now() - startedAt) / 50).toFixed(1)} ms`);
  t.true((view.kubeletStartedAt ?? Infinity) < Date.parse(pod.metadata.creationTimestamp ?? ''));

  const patched = await scene.setImage('pod', second, v2);
  const next = await until('a new life', async () => {
    const seen = await node.look(annotated(patched, grantOf(v2, v2)));
    const life = seen.runtime?.get(second);
    return life?.running && life.id !== containerIdOf(pod, second) ? seen : undefined;
  });
  t.deepEqual(
    next.runtime?.get(second)?.exits.map(({ id, exitCode, reason }) => [id, exitCode, reason]),
    [[containerIdOf(pod, second), 3, 'Error']],
  );
  t.is(next.runtime?.get(first)?.id, containerIdOf(pod, first));
  const named = next.images?.present.get(v2) ?? [];
  const isV2 = (image: readonly string[] = []): boolean => image.some((name) => named.includes(name));
  t.true(isV2(next.runtime?.get(second)?.image), 'its image is known by the same name');
  t.false(isV2(next.runtime?.get(second)?.exits[0]?.image) || isV2(next.runtime?.get(first)?.image));
  t.deepEqual(node.errors, []);
});

nodeTest('switched off: no containers, no images, no state files; and nothing is begun', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const image = await addImage(t, scene.node, sidecarImage(script));
  const pod = await podWithPair(scene, image);
  const { node } = scene;
  const blind = openNode({ now: Date.now, onPull: () => t.fail(), onNews: () => t.fail(), onError: () => t.fail() });
  t.teardown(() => blind.close());
  t.deepEqual(await blind.look(annotated(pod, grantOf(image, image))), { stateFiles: new Map() });
  blind.attend([pod], new Set([pod.metadata.uid ?? '']));
  blind.pull(image);
  blind.stopContainer(pod, first, containerIdOf(pod, first));
  t.is(await blind.runtimeVersion(), undefined);
  t.true(((await pidOf(node, containerIdOf(pod, first))) ?? 0) > 0);
});

nodeTest('a runtime or a kubelet that is elsewhere is an error', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const pod = await podWithPair(scene, await addImage(t, scene.node, sidecarImage(script)));
  const noRuntime = openNode({ ...silent, criSocket: join(scene.node.kubeletFolder, 'none.sock') });
  const noKubelet = openNode({ ...silent, kubeletRoot: join(scene.node.kubeletFolder, 'pods') });
  t.teardown(() => [noRuntime, noKubelet].forEach((one) => one.close()));
  await t.throwsAsync(noRuntime.look(pod), { code: 'ERR_BATON_RUNTIME' });
  await t.throwsAsync(noKubelet.look(pod), { code: 'ERR_BATON_KUBELET_ROOT' });
});

const silent = { now: Date.now, onPull: () => undefined, onNews: () => undefined, onError: () => undefined };

nodeTest('pulls what is there; a missing one is conclusive, a refusal and a hanging registry are not', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const registry = await startRegistry(t);
  const good = await registry.push({ name: 'echo:v1', ...sidecarImage(script, '1') });
  const secret = await registry.push({ name: 'echo:v2', ...sidecarImage(script, '2') });
  const node = open(t, scene);
  const look = (image: string): Promise<NodeView> =>
    node.look({ metadata: { uid: 'none', annotations: grantOf(image, image) }, spec: { containers: [] } });
  const pull = async (image: string): Promise<PullReport> => {
    const before = node.reports.length;
    node.pull(image);
    return until('the end of the pull', () => node.reports[before], 60_000);
  };

  t.deepEqual([...((await look(good)).images?.present ?? [])], []);
  for (let turn = 0; turn < 5; turn += 1) node.pull(good);
  await until('the end of the pull', () => node.reports.length > 0, 60_000);
  t.like(node.reports, [{ image: good, outcome: 'pulled' }]);
  t.is(registry.requests.filter((line) => line.startsWith('HEAD') && line.endsWith('/echo/manifests/v1')).length, 1);
  t.is(node.news(), 1);
  const seen = await look(good);
  t.true(seen.images?.present.has(good));
  t.is(seen.images?.pulls.get(good)?.state, 'pulled');

  const missing = await pull(`${registry.address}/echo:v3`);
  t.like(missing, { outcome: 'absent' });
  t.regex('message' in missing ? missing.message : '', /not found/);
  for (const name of ['UPPER:1', 'a b', `echo@sha256:12`]) t.like(await pull(name), { outcome: 'absent' }, name);
  t.deepEqual([...((await look('UPPER:1')).images?.present ?? [])], []);

  registry.trouble('unauthorized');
  const refused = await pull(secret);
  t.like(refused, { outcome: 'unclear' });
  t.regex('message' in refused ? refused.message : '', /401|authorization failed/);
  t.like(await pull('127.0.0.1:1/echo:v1'), { outcome: 'unclear' });

  registry.trouble('hanging');
  const asked = registry.requests.length;
  node.pull(secret);
  await until('the request', () => registry.requests.length > asked);
  t.is((await look(secret)).images?.pulls.get(secret)?.state, 'running');
  const another = open(t, scene);
  const reports = another.reports;
  const askedOnce = registry.requests.length;
  another.pull(secret);
  await until('its request', () => registry.requests.length > askedOnce);
  another.close();
  await until('an abandoned pull', () => reports.length > 0);
  t.like(reports, [{ outcome: 'unclear' }]);
  registry.trouble();
  await until(
    'the pull that waited',
    () => node.reports.at(-1)?.image === secret && node.reports.at(-1)?.outcome === 'pulled',
    60_000,
  );
  t.deepEqual(node.errors, []);
});

nodeTest('a pull that is abandoned half-way leaves nothing on the node', async (t) => {
  const { nodes } = await cluster(t);
  const digest = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const layer = randomBytes(1_000_000);
  const config = Buffer.from(JSON.stringify({ os: 'linux', rootfs: { type: 'layers', diff_ids: [digest(layer)] } }));
  const oci = 'application/vnd.oci.image';
  const blob = (bytes: Buffer, type: string) => ({ mediaType: type, digest: digest(bytes), size: bytes.length });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: `${oci}.manifest.v1+json`,
      config: blob(config, `${oci}.config.v1+json`),
      layers: [blob(layer, `${oci}.layer.v1.tar`)],
    }),
  );
  // A registry that stops in the middle of the layer.
  const registry = createServer(({ method, url = '' }, response) => {
    const bytes = [layer, config].find((one) => url.endsWith(digest(one))) ?? manifest;
    response.writeHead(200, { 'content-type': `${oci}.manifest.v1+json`, 'content-length': bytes.length });
    if (bytes === layer) response.write(layer.subarray(0, 500_000));
    else response.end(method === 'HEAD' ? undefined : bytes);
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    registry.close();
    registry.closeAllConnections();
  });
  const [facts] = nodes;
  if (!facts) throw new Error('no node');
  const node = open(t, { node: facts });
  node.pull(`127.0.0.1:${(registry.address() as AddressInfo).port}/half:1`);
  const { ctr } = containerdAt(facts.socket);
  const kept = async (): Promise<string[]> => {
    const content = `${await ctr('content', 'active')}${await ctr('content', 'ls')}`;
    return [layer, config, manifest].map(digest).filter((one) => content.includes(one));
  };
  await until('half of the layer', async () => (await kept()).includes(digest(layer)));
  node.close();
  await until('the end', () => node.reports.length > 0);
  t.like(node.reports, [{ outcome: 'unclear' }]);
  await until('nothing is left', async () => (await kept()).length === 0, 30_000);
  t.pass();
});

nodeTest('stops a container that does not listen to SIGTERM, and none that is not the pod’s', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const image = await addImage(t, scene.node, sidecarImage(stubborn));
  const pod = await podWithPair(scene, image);
  const node = open(t, scene);
  const id = containerIdOf(pod, second);
  const stranger = { ...pod, metadata: { ...pod.metadata, uid: '00000000-0000-0000-0000-000000000000' } };
  node.stopContainer(stranger, second, id);
  await until('the refusal', () => node.errors.length > 0);
  t.deepEqual(
    node.errors.map(({ code }) => code),
    ['ERR_BATON_NOT_FOUND'],
  );
  t.true(((await pidOf(scene.node, id)) ?? 0) > 0);

  const startedAt = performance.now();
  for (let turn = 0; turn < 3; turn += 1) node.stopContainer(pod, second, id);
  await until('its end', async () => (await pidOf(scene.node, id)) === undefined, 60_000);
  t.log(`stopped in ${Math.round(performance.now() - startedAt)} ms, of which ${stopGrace * 1000} are its grace`);
  t.true(((await pidOf(scene.node, containerIdOf(pod, first))) ?? 0) > 0);
  node.stopContainer(pod, second, id);
  node.stopContainer(pod, second, 'f'.repeat(64));
  await until('the new life', async () => {
    const life = (await node.look(pod)).runtime?.get(second);
    return life?.running && life.id !== id;
  });
  t.is(node.errors.length, 1);
});

nodeTest('listens in the pod’s own volume, which goes with the pod', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const pod = await podWithPair(scene, await addImage(t, scene.node, sidecarImage(script)));
  const node = open(t, scene);
  const uid = pod.metadata.uid ?? '';
  const underWay = annotated(pod, recordFor());
  node.attend([underWay], new Set([uid]));
  const pid = (await pidOf(scene.node, containerIdOf(pod, second))) ?? 0;
  // As a process of the container sees it.
  const socket = `/proc/${pid}/root/run/baton/agent.sock`;
  t.true(native.notify(socket, Buffer.from(JSON.stringify({ version: '8', phase: 'serving' }))));
  await until('the notice', () => node.news() === 1);
  await t.notThrowsAsync(scene.cluster.delete(pods, { namespace: scene.namespace, name: 'pod' }));
  const deleted = await scene.cluster.get<WirePod>(pods, { namespace: scene.namespace, name: 'pod' });
  t.not(deleted.metadata.deletionTimestamp, undefined);
  node.attend([deleted], new Set([uid]));
  const startedAt = performance.now();
  const isGone = (): Promise<boolean> =>
    scene.cluster.get(pods, { namespace: scene.namespace, name: 'pod' }).then(
      () => false,
      () => true,
    );
  await until('the pod is gone', isGone, 60_000);
  const folder = join(scene.node.kubeletFolder, 'pods', uid);
  await until('and its volume', () => !existsSync(join(folder, 'volumes')), 60_000);
  t.log(`gone in ${Math.round(performance.now() - startedAt)} ms, with a grace of 2 s`);
  t.false(readFileSync('/proc/mounts', 'utf8').includes(uid));
  t.deepEqual(node.errors, []);
});

nodeTest('a process without a single capability sees and hears the same', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const pod = await podWithPair(scene, await addImage(t, scene.node, sidecarImage(script)));
  const { socket: criSocket, kubeletFolder: kubeletRoot } = scene.node;
  const input = JSON.stringify({ pod: annotated(pod, recordFor()), criSocket, kubeletRoot });
  const program = fileURLToPath(new URL('confined.ts', import.meta.url));
  const drop = ['--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];
  const child = spawn('setpriv', [...drop, process.execPath, '--import', 'tsx', program, input]);
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  await until('its look', () => output.includes('\n'), 30_000);
  const pid = (await pidOf(scene.node, containerIdOf(pod, first))) ?? 0;
  const notice = Buffer.from(JSON.stringify({ version: '7', phase: 'serving' }));
  t.true(native.notify(`/proc/${pid}/root/run/baton/agent.sock`, notice), output);
  await until('that it heard', () => output.includes('heard'), 10_000);
  t.deepEqual(
    output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object),
    [{ versions: ['7', '8'], containers: [first, second], kubelet: true }, { heard: true }],
  );
  t.false(existsSync(`/proc/${pid}/root/run/baton/agent.sock`));
});

serialNodeTest('a kubelet and a runtime that start again are seen to', async (t) => {
  const { nodes } = await ownCluster(t);
  const [own] = nodes;
  if (!own) throw new Error('no node');
  const node = open(t, { node: own });
  const pod = { metadata: { uid: 'none' } };
  const before = (await node.look(pod)).kubeletStartedAt ?? 0;
  await own.kubelet.kill();
  const killedAt = Date.now();
  await own.kubelet.start();
  const after = (await node.look(pod)).kubeletStartedAt ?? 0;
  t.true(before > 0 && before < killedAt && after >= killedAt && after <= Date.now());
  await own.containerd.kill();
  await t.throwsAsync(node.look(pod), { code: 'ERR_BATON_RUNTIME' });
  await own.containerd.start();
  const startedAt = performance.now();
  await until('it answers again', () => node.look(pod).then(Boolean, () => false));
  t.log(`connected again after ${Math.round(performance.now() - startedAt)} ms`);
});
