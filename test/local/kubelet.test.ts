import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Container, Pod } from '../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { createMemoryCluster } from '../../cluster/memory/cluster.ts';
import { namespaces, pods } from '../../cluster/resource.ts';
import { type Kubelet, startKubelet } from '../../local/kubelet.ts';
import { eventually, isAlive } from './helpers.ts';

type WirePod = Pod & KubernetesObject;
const key = { namespace: 'test', name: 'p' };

interface Node {
  cluster: Cluster;
  kubelet: Kubelet;
  read: (file: string) => string;
  /** Makes an empty file in the folder that the processes run in. */
  touch: (file: string) => void;
  pod: () => Promise<WirePod>;
  when: (what: string, holds: (pod: WirePod) => boolean) => Promise<WirePod>;
}

async function startNode(t: ExecutionContext): Promise<Node> {
  const cluster = createMemoryCluster();
  await cluster.create(namespaces, { metadata: { name: 'test' } });
  const folder = mkdtempSync(join(tmpdir(), 'baton-test-'));
  const kubelet = startKubelet({
    cluster,
    node: 'here',
    images: (name) => (name.startsWith('there:') ? { env: { IMAGE: name } } : undefined),
    addressOf: () => '127.0.0.9',
    logs: folder,
    cwd: folder,
    baseEnv: { PATH: process.env['PATH'] ?? '' },
  });
  t.teardown(async () => {
    await kubelet.stop();
    rmSync(folder, { recursive: true });
  });
  const pod = (): Promise<WirePod> => cluster.get<WirePod>(pods, key);
  return {
    cluster,
    kubelet,
    read: (file) => readFileSync(join(folder, file), 'utf8'),
    touch: (file) => writeFileSync(join(folder, file), ''),
    pod,
    async when(what, holds) {
      let seen = await pod();
      const timer = setInterval(() => void pod().then((found) => (seen = found)), 10);
      try {
        return await eventually(what, () => kubelet.failure() !== undefined || holds(seen) || undefined).then(
          () => seen,
        );
      } finally {
        clearInterval(timer);
      }
    },
  };
}

const print = 'echo "$POD $IP $VERSION $IMAGE $BATON_DIR"; trap "exit 0" TERM; while :; do sleep 0.05; done';
const container = (name: string, image = 'there:1', more: Partial<Container> = {}): Container => ({
  name,
  image,
  command: ['/bin/sh', '-c', print],
  env: [
    { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'VERSION', valueFrom: { fieldRef: { fieldPath: `metadata.annotations['version/${name}']` } } },
    { name: 'BATON_DIR', value: '/run/baton' },
  ],
  volumeMounts: [{ name: 'baton', mountPath: '/run/baton', subPath: 'sidecar' }],
  ...more,
});
const create = (cluster: Cluster, containers: Container[], initContainers?: Container[]): Promise<WirePod> =>
  cluster.create<WirePod>(pods, {
    metadata: { ...key, annotations: { 'version/a': '1', 'version/b': '0' } },
    spec: { nodeName: 'here', containers, ...(initContainers && { initContainers }) },
  });
const isReady = ({ status }: WirePod): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
const statusOf = ({ status }: WirePod, name: string): NonNullable<NonNullable<Pod['status']>['containerStatuses']>[0] =>
  [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])].find((one) => one.name === name) ??
  ({} as never);

test('a pod runs as processes, with the downward API, and its status says so', async (t) => {
  const { cluster, kubelet, read, when } = await startNode(t);
  await create(cluster, [container('a'), container('b')], [container('n', 'there:n', { restartPolicy: 'Always' })]);
  const pod = await when('ready', isReady);
  t.is(pod.status?.phase, 'Running');
  t.is(pod.status?.podIP, '127.0.0.9');
  t.deepEqual(
    pod.status?.initContainerStatuses?.map(({ name }) => name),
    ['n'],
  );
  const directory = kubelet.batonDir(pod, 'a');
  t.truthy(directory);
  t.is(kubelet.batonDir(pod, 'b'), directory, 'the two copies share it');
  await eventually('the first line', () => read('test/p/a.log') !== '');
  t.is(read('test/p/a.log'), `p 127.0.0.9 1 there:1 ${directory ?? ''}\n`);
});

test('another image restarts its container only, with the annotations that came with it', async (t) => {
  const { cluster, read, when } = await startNode(t);
  await create(cluster, [container('a'), container('b')]);
  const before = await when('ready', isReady);
  await cluster.patch(pods, key, [
    { op: 'replace', path: '/spec/containers/1/image', value: 'there:2' },
    { op: 'replace', path: '/metadata/annotations/version~1b', value: '7' },
  ]);
  const after = await when('b runs there:2', (pod) => isReady(pod) && statusOf(pod, 'b').image === 'there:2');
  t.is(statusOf(after, 'b').restartCount, 1);
  t.not(statusOf(after, 'b').containerID, statusOf(before, 'b').containerID);
  t.not(statusOf(after, 'b').imageID, statusOf(before, 'b').imageID);
  t.deepEqual(statusOf(after, 'a'), statusOf(before, 'a'));
  await eventually('its line', () => read('test/p/b.log').split('\n').length === 3);
  t.regex(read('test/p/b.log'), / 7 there:2 .*\n$/);
});

test('an image that is nowhere leaves its container waiting and the pod not ready', async (t) => {
  const { cluster, when } = await startNode(t);
  await create(cluster, [container('a'), container('b')]);
  await when('ready', isReady);
  await cluster.patch(pods, key, [{ op: 'replace', path: '/spec/containers/1/image', value: 'nowhere:1' }]);
  const waiting = await when('b waits', (pod) => statusOf(pod, 'b').state?.waiting?.reason === 'ErrImagePull');
  t.false(isReady(waiting));
  t.true(statusOf(waiting, 'a').ready);
  await cluster.patch(pods, key, [{ op: 'replace', path: '/spec/containers/1/image', value: 'there:2' }]);
  await when('ready again', isReady);
  t.pass();
});

test('a container is not ready before its postStart hook is over', async (t) => {
  const { cluster, when } = await startNode(t);
  const lifecycle = { postStart: { exec: { command: ['/bin/sh', '-c', 'sleep 0.5'] } } };
  await create(cluster, [container('a', 'there:1', { lifecycle })]);
  const early = await when('it is being created', (pod) => statusOf(pod, 'a').state?.waiting !== undefined);
  t.is(statusOf(early, 'a').state?.waiting?.reason, 'ContainerCreating');
  t.is(early.status?.phase, 'Pending');
  t.false(isReady(early));
  await when('ready', isReady);
});

test('the pod stays ready while an image changes and its hook runs; the status shows the old life until then', async (t) => {
  const { cluster, kubelet, touch, when } = await startNode(t);
  const hook = '[ $IMAGE = there:1 ] || until [ -e go ]; do sleep 0.02; done';
  const lifecycle = { postStart: { exec: { command: ['/bin/sh', '-c', hook] } } };
  const pod = await create(cluster, [container('a', 'there:1', { lifecycle })]);
  const before = await when('ready', isReady);
  const { resourceVersion } = before.metadata;
  const seen: WirePod[] = [];
  const over = new AbortController();
  const watching = (async () => {
    const query = { resourceVersion: resourceVersion ?? '', signal: over.signal };
    for await (const event of cluster.watch<WirePod>(pods, query))
      if (event.type !== 'BOOKMARK') seen.push(event.object);
  })();
  await cluster.patch(pods, key, [{ op: 'replace', path: '/spec/containers/0/image', value: 'there:2' }]);
  await eventually('the runtime knows the new life', () => {
    const [life] = kubelet.lives(pod);
    return life?.image === 'there:2' && life.hook === 'running';
  });
  t.is(statusOf(await cluster.get<WirePod>(pods, key), 'a').image, 'there:1');
  touch('go');
  await when('there:2', (found) => statusOf(found, 'a').image === 'there:2');
  over.abort();
  await watching;
  t.true(seen.length > 0 && seen.every(isReady));
});

test('a container that ends by itself makes the pod not ready, also while the next hook runs', async (t) => {
  const { cluster, touch, when } = await startNode(t);
  const lifecycle = { postStart: { exec: { command: ['/bin/sh', '-c', 'sleep 0.3'] } } };
  const once = '[ -e ended ] || { until [ -e end ]; do sleep 0.02; done; : > ended; exit 3; }; exec sleep 100';
  const command = ['/bin/sh', '-c', once];
  await create(cluster, [container('a', 'there:1', { lifecycle, command })]);
  await when('ready', isReady);
  touch('end');
  const ended = await when('not ready', (pod) => !isReady(pod));
  t.is(statusOf(ended, 'a').lastState?.terminated?.exitCode, 3);
  const again = await when('ready again', isReady);
  t.is(statusOf(again, 'a').restartCount, 1);
});

test('a pod that comes again under the same name is another pod', async (t) => {
  const { cluster, when } = await startNode(t);
  const first = await create(cluster, [container('a')]);
  await when('ready', isReady);
  await cluster.delete(pods, key, { gracePeriodSeconds: 0 });
  const second = await create(cluster, [container('a')]);
  t.not(second.metadata.uid, first.metadata.uid);
  const ready = await when('ready', isReady);
  t.is(ready.metadata.uid, second.metadata.uid);
});

test('a container that an agent stops comes back', async (t) => {
  const { cluster, kubelet, when } = await startNode(t);
  const pod = await create(cluster, [container('a')]);
  const first = await when('ready', isReady);
  kubelet.stopContainer(pod, 'a', 'local://a/9');
  kubelet.stopContainer(pod, 'a', statusOf(first, 'a').containerID ?? '');
  const second = await when('another life', (seen) => statusOf(seen, 'a').restartCount === 1 && isReady(seen));
  t.not(statusOf(second, 'a').containerID, statusOf(first, 'a').containerID);
});

test('what others say of the pod stays in its status', async (t) => {
  const { cluster, when } = await startNode(t);
  await create(cluster, [container('a')]);
  const { status } = await when('ready', isReady);
  const conditions = [...(status?.conditions ?? []), { type: 'Other', status: 'True' }];
  await cluster.patch(pods, key, { status: { conditions } }, { subresource: 'status' });
  await cluster.patch(pods, key, [{ op: 'replace', path: '/spec/containers/0/image', value: 'there:2' }]);
  const after = await when('there:2', (pod) => isReady(pod) && statusOf(pod, 'a').image === 'there:2');
  t.true(after.status?.conditions?.some(({ type }) => type === 'Other'));
});

test('a deleted pod ends, and then is gone', async (t) => {
  const { cluster, read, when } = await startNode(t);
  const command = ['/bin/sh', '-c', 'echo $$; trap "exit 0" TERM; while :; do sleep 0.05; done'];
  await create(cluster, [container('a', 'there:1', { command })]);
  await when('ready', isReady);
  const pid = await eventually('its pid', () => Number(read('test/p/a.log')) || undefined);
  await cluster.delete(pods, key);
  const isGone = (): Promise<boolean> =>
    cluster.get(pods, key).then(
      () => false,
      () => true,
    );
  while (!(await isGone())) await delay(10);
  t.false(isAlive(pid));
});

test('what a local process cannot have fails with the field', async (t) => {
  const { cluster, kubelet } = await startNode(t);
  const env = [{ name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }];
  await create(cluster, [container('a', 'there:1', { env })]);
  await eventually('the failure', () => kubelet.failure() !== undefined);
  t.like(kubelet.failure(), { code: 'ERR_BATON_FIELD' });
  t.regex(kubelet.failure()?.message ?? '', /container a: env X/);
});
