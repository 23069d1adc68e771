import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { Pod } from '../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { createMemoryCluster } from '../../cluster/memory/cluster.ts';
import { namespaces, pods } from '../../cluster/resource.ts';
import { until } from '../helpers/processes.ts';
import { clusterTest, controlPlane } from './cluster-test.ts';
import { makeNamespace } from './control-plane/namespace.ts';
import { nextStatus, type Outcome, startTestKubelet, type TestKubeletOptions } from './kubelet.ts';
import { connect } from './kubernetes/connect.ts';

type WirePod = Pod & KubernetesObject;

interface Subject {
  cluster: Cluster;
  namespace: string;
  create: (name: string, node?: string) => Promise<WirePod>;
  get: (name: string) => Promise<WirePod>;
  setImage: (name: string, image: string) => Promise<WirePod>;
  /** Waits until the pod is as it should be. */
  when: (name: string, holds: (pod: WirePod) => boolean) => Promise<WirePod>;
}

const subject = (cluster: Cluster, namespace: string): Subject => {
  const get = (name: string): Promise<WirePod> => cluster.get<WirePod>(pods, { namespace, name });
  return {
    cluster,
    namespace,
    get,
    create: (name, node) =>
      cluster.create<WirePod>(pods, {
        metadata: { namespace, name },
        spec: {
          initContainers: [
            { name: 'setup', image: 'setup:1' },
            { name: 'native', image: 'native:1', restartPolicy: 'Always' },
          ],
          containers: [
            { name: 'app', image: 'app:1' },
            { name: 'proxy', image: 'proxy:1' },
          ],
          ...(node !== undefined && { nodeName: node }),
        },
      }),
    setImage: (name, image) =>
      cluster.patch<WirePod>(pods, { namespace, name }, [
        { op: 'replace', path: '/spec/containers/1/image', value: image },
      ]),
    async when(name, holds) {
      let seen = await get(name);
      await until(name, async () => holds((seen = await get(name)))).catch((error: unknown) => {
        throw new Error(JSON.stringify(seen.status), { cause: error });
      });
      return seen;
    },
  };
};

const started = (t: ExecutionContext, options: TestKubeletOptions) => {
  const kubelet = startTestKubelet(options);
  t.teardown(() => kubelet.stop());
  return kubelet;
};

const conditionOf = ({ status }: Pod, type: string): string | undefined =>
  status?.conditions?.find((condition) => condition.type === type)?.status;
const proxyOf = ({ status }: Pod) => status?.containerStatuses?.find(({ name }) => name === 'proxy');
const isReady = (pod: Pod): boolean => conditionOf(pod, 'Ready') === 'True';

const scenarios: Record<string, (t: ExecutionContext, subject: Subject) => Promise<void>> = {
  async 'bound pods come up, on its nodes only'(t, { cluster, namespace, create, when, get }) {
    const kubelet = started(t, { cluster, namespace, nodes: ['node-1'] });
    for (const [name, node] of [['mine', 'node-1'], ['other', 'node-2'], ['unbound']] as const)
      await create(name, node);
    const { status } = await when('mine', isReady);
    t.is(status?.phase, 'Running');
    t.deepEqual(
      status?.containerStatuses?.map(({ name, image, ready, restartCount }) => [name, image, ready, restartCount]),
      [
        ['app', 'app:1', true, 0],
        ['proxy', 'proxy:1', true, 0],
      ],
    );
    t.truthy(status?.initContainerStatuses?.find(({ name }) => name === 'setup')?.state?.terminated);
    t.truthy(status?.initContainerStatuses?.find(({ name }) => name === 'native')?.state?.running);
    t.is(kubelet.writes(), 1);
    t.falsy((await get('other')).status?.containerStatuses);
    t.falsy((await get('unbound')).status?.containerStatuses);
  },

  async 'another image is another container, and the pod stays ready'(
    t,
    { cluster, namespace, create, when, setImage },
  ) {
    started(t, { cluster, namespace, nodes: ['node-1'] });
    await create('pod', 'node-1');
    const before = proxyOf(await when('pod', isReady));
    await setImage('pod', 'proxy:2');
    const pod = await when('pod', (seen) => proxyOf(seen)?.image === 'proxy:2');
    const after = proxyOf(pod);
    t.true(isReady(pod));
    t.is(after?.restartCount, 1);
    t.not(after?.imageID, before?.imageID);
    t.not(after?.containerID, before?.containerID);
    t.is(after?.lastState?.terminated?.containerID, before?.containerID);
    t.is(pod.status?.containerStatuses?.find(({ name }) => name === 'app')?.restartCount, 0);
  },

  async 'an image that cannot be pulled stops the container'(t, { cluster, namespace, create, when, setImage }) {
    started(t, {
      cluster,
      namespace,
      nodes: ['node-1'],
      outcome: (image) => (image === 'proxy:bad' ? 'not pulled' : 'ready'),
    });
    await create('pod', 'node-1');
    const before = proxyOf(await when('pod', isReady));
    await setImage('pod', 'proxy:bad');
    const failed = proxyOf(await when('pod', (pod) => conditionOf(pod, 'Ready') === 'False'));
    t.is(failed?.state?.waiting?.reason, 'ErrImagePull');
    t.is(failed?.imageID, before?.imageID);
    await setImage('pod', 'proxy:1');
    t.is(proxyOf(await when('pod', isReady))?.restartCount, 1);
  },

  async 'a container that is never ready, until it is'(t, { cluster, namespace, create, when }) {
    let becomes: Outcome = 'never ready';
    const kubelet = started(t, { cluster, namespace, nodes: ['node-1'], outcome: () => becomes });
    await create('pod', 'node-1');
    const before = proxyOf(await when('pod', (pod) => proxyOf(pod)?.started === true));
    t.false(before?.ready);
    becomes = 'ready';
    kubelet.lookAgain();
    t.is(proxyOf(await when('pod', isReady))?.containerID, before?.containerID);
  },

  async 'conditions of others stay; a second kubelet goes on'(t, { cluster, namespace, create, when, setImage }) {
    const first = startTestKubelet({ cluster, namespace, nodes: ['node-1'] });
    await create('pod', 'node-1');
    const { status } = await when('pod', isReady);
    await first.stop();
    const conditions = [...(status?.conditions ?? []), { type: 'Mine', status: 'True' }];
    await cluster.patch(pods, { namespace, name: 'pod' }, { status: { conditions } }, { subresource: 'status' });
    await setImage('pod', 'proxy:2');
    started(t, { cluster, namespace, nodes: ['node-1'] });
    const pod = await when('pod', (seen) => proxyOf(seen)?.restartCount === 1);
    t.is(conditionOf(pod, 'Mine'), 'True');
  },

  async 'a deleted pod goes'(t, { cluster, namespace, create, when, get }) {
    started(t, { cluster, namespace, nodes: ['node-1'] });
    await create('pod', 'node-1');
    await when('pod', isReady);
    await cluster.delete(pods, { namespace, name: 'pod' });
    const error = await until('the pod is gone', () =>
      get('pod').then(
        () => undefined,
        (error: unknown) => error as Error,
      ),
    );
    t.like(error, { code: 'ERR_BATON_NOT_FOUND' });
  },
};

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`memory: ${name}`, async (t) => {
    const cluster = createMemoryCluster();
    await cluster.create(namespaces, { metadata: { name: 'test' } });
    await scenario(t, subject(cluster, 'test'));
  });
  clusterTest(`API server: ${name}`, async (t) => {
    const shared = await controlPlane(t);
    await scenario(t, subject(connect(shared), await makeNamespace(t, shared)));
  });
}

test('what is as it should be is not written again', (t) => {
  const pod: Pod = { metadata: { uid: 'u' }, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
  for (const outcome of ['ready', 'never ready', 'not pulled'] as const) {
    const status = nextStatus(pod, () => outcome, 0);
    if (!status) return t.fail('a new pod has no status');
    t.is(
      nextStatus({ ...pod, status }, () => outcome, 1_000),
      undefined,
      outcome,
    );
  }
});

test('a delay is kept', async (t) => {
  const cluster = createMemoryCluster();
  await cluster.create(namespaces, { metadata: { name: 'test' } });
  const { create, when } = subject(cluster, 'test');
  started(t, { cluster, delay: 300 });
  await create('pod', 'node-1');
  const since = performance.now();
  await when('pod', isReady);
  t.true(performance.now() - since > 250);
});
