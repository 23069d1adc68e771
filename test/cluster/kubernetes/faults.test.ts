import { setTimeout as delay } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import type { ExecutionContext } from 'ava';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { createKubernetesCluster } from '../../../cluster/kubernetes/client.ts';
import type { Report } from '../../../cluster/kubernetes/follow.ts';
import { createReflector, type Reflector } from '../../../cluster/kubernetes/reflector.ts';
import { configMaps } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { clusterTest, controlPlane, ownControlPlane } from '../cluster-test.ts';
import { makeNamespace } from '../control-plane/namespace.ts';
import { connect } from './connect.ts';
import { startProxy } from './proxy.ts';

type ConfigMap = KubernetesObject & { data?: Record<string, string> };

/** `uid value` of an object. */
type Kept = string;
const keep = ({ metadata, data }: ConfigMap): Kept =>
  `${metadata.name ?? ''} ${metadata.uid ?? ''} ${data?.['value'] ?? ''}`;

interface Watched {
  reflector: Reflector<Kept>;
  reports: Report[];
  /** Everything that the handlers told, put together. */
  story: Set<Kept>;
  /** How often they were called. */
  told: () => number;
}

/** A reflector whose handlers' story must hold at every step. */
function watch(t: ExecutionContext, cluster: Cluster, namespace: string): Watched {
  const abort = new AbortController();
  t.teardown(() => abort.abort());
  const reports: Report[] = [];
  const story = new Set<Kept>();
  let told = 0;
  const tell = (kept: Kept): void => {
    told += 1;
    story.add(kept);
  };
  const take = (old: Kept): void => {
    told += 1;
    if (!story.delete(old)) t.fail(`never told of: ${old}`);
  };
  const reflector = createReflector<ConfigMap, Kept>({
    cluster,
    resource: configMaps,
    query: { namespace, labels: { matchLabels: { watched: 'yes' } } },
    keep,
    handlers: {
      added: tell,
      updated(kept, old) {
        take(old);
        tell(kept);
      },
      deleted: take,
    },
    signal: abort.signal,
    report: (report) => reports.push(report),
  });
  return { reflector, reports, story, told: () => told };
}

/** Waits until all that there is, is shown, and no more. */
async function agree(
  t: ExecutionContext,
  cluster: Cluster,
  namespace: string,
  { reflector, story }: Watched,
): Promise<void> {
  const { items } = await cluster.list<ConfigMap>(configMaps, {
    namespace,
    labels: { matchLabels: { watched: 'yes' } },
  });
  const there = items.map(keep).sort();
  await until('the reflector shows what there is', () => reflector.list().sort().join() === there.join(), 40_000);
  t.deepEqual([...story].sort(), there);
}

const configMap = (namespace: string, name: string): ConfigMap => ({
  metadata: { namespace, name, labels: { watched: 'yes' } },
  data: { value: '0' },
});

/** `workers` calls at a time. */
async function each(count: number, workers: number, act: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await act(next - 1);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}

/** Writes at random until it is told to stop: creates, changes, deletes, deletes and makes again. */
function churn(cluster: Cluster, namespace: string): { writes: () => number; stop: () => Promise<void> } {
  let isOver = false;
  let writes = 0;
  const write = async (): Promise<void> => {
    const name = `churn-${Math.floor(Math.random() * 40)}`;
    const key = { namespace, name };
    const what = Math.random();
    if (what < 0.6) {
      await cluster
        .patch(configMaps, key, { data: { value: `${writes}` } })
        .catch(() => cluster.create(configMaps, configMap(namespace, name)));
    } else {
      await cluster.delete(configMaps, key);
      if (what < 0.8) await cluster.create(configMaps, configMap(namespace, name));
    }
  };
  const work = async (): Promise<void> => {
    while (!isOver) {
      // What another worker, or a fault, makes fail is no concern here: what counts is what is there in the end.
      await write().then(
        () => (writes += 1),
        () => delay(5),
      );
      await delay(2);
    }
  };
  const working = Promise.all([work(), work(), work()]);
  return {
    writes: () => writes,
    async stop() {
      isOver = true;
      await working;
    },
  };
}

clusterTest('5,000 objects: a list page by page, and changes while it goes on', async (t) => {
  const facts = await controlPlane(t);
  const cluster = connect(facts);
  const namespace = await makeNamespace(t, facts);
  await each(5000, 16, (index) => cluster.create(configMaps, configMap(namespace, `c-${index}`)));
  const writing = churn(cluster, namespace);
  const watched = watch(t, cluster, namespace);
  t.true(await watched.reflector.synced);
  await until('200 writes', () => writing.writes() > 200);
  await writing.stop();
  await agree(t, cluster, namespace, watched);
  const [first] = watched.reports;
  t.true(first?.type === 'listed' && first.pages >= 10 && first.objects >= 5000, JSON.stringify(first));
});

clusterTest('nothing is missed while the network breaks, refuses and falls silent', async (t) => {
  const facts = await controlPlane(t);
  const direct = connect(facts);
  const namespace = await makeNamespace(t, facts);
  const proxy = await startProxy(t, facts.url);
  const watched = watch(t, connect(facts, { port: proxy.port, timeout: 2000 }), namespace);
  await watched.reflector.synced;
  const writing = churn(direct, namespace);
  for (let times = 0; times < 10; times += 1) {
    const before = watched.told();
    await until('the watch is there', () => watched.told() > before);
    await delay(Math.random() * 300);
    proxy.cut();
    await until('it is gone', () => proxy.open() === 0);
  }
  proxy.refuse(true);
  proxy.cut();
  await delay(1500);
  proxy.refuse(false);
  proxy.silence(true);
  await delay(1500);
  proxy.silence(false);
  await writing.stop();
  await agree(t, direct, namespace, watched);
  t.true(watched.reports.filter(({ type }) => type === 'failed').length >= 10);
  t.is(
    watched.reports.filter(({ type }) => type === 'listed').length,
    1,
    'every watch went on where the last one ended',
  );
});

clusterTest('an object deleted and made again while nobody looked is told as both', async (t) => {
  const facts = await controlPlane(t);
  const direct = connect(facts);
  const namespace = await makeNamespace(t, facts);
  await direct.create(configMaps, configMap(namespace, 'phoenix'));
  const proxy = await startProxy(t, facts.url);
  const watched = watch(t, connect(facts, { port: proxy.port }), namespace);
  await watched.reflector.synced;
  const [before = ''] = watched.reflector.list();
  proxy.refuse(true);
  proxy.cut();
  await direct.delete(configMaps, { namespace, name: 'phoenix' });
  await direct.create(configMaps, configMap(namespace, 'phoenix'));
  proxy.refuse(false);
  await agree(t, direct, namespace, watched);
  t.not(watched.reflector.list()[0], before);
});

clusterTest('a user who may do nothing is forbidden, with the reason', async (t) => {
  const cluster = connect(await controlPlane(t), { user: 'nobody' });
  const error = await t.throwsAsync(cluster.list(configMaps), { code: 'ERR_BATON_FORBIDDEN' });
  t.regex(error.message, /User "nobody" cannot list resource "configmaps"/);
});

clusterTest('a server that the kubeconfig does not trust is told nothing', async (t) => {
  const facts = await controlPlane(t);
  const config = new KubeConfig();
  config.loadFromFile(facts.kubeconfigs['admin'] ?? '');
  config.clusters = config.clusters.map(({ name, server }) => ({ name, server, skipTLSVerify: false }));
  const cluster = createKubernetesCluster({ config, userAgent: 'baton-test', limit: { qps: 10, burst: 10 } });
  await t.throwsAsync(cluster.list(configMaps), { code: 'ERR_BATON_UNAVAILABLE', message: /self-signed certificate/ });
});

clusterTest('nothing is missed while etcd hangs and the API server ends, is killed, and forgets', async (t) => {
  const own = await ownControlPlane(t, { controllers: false });
  const direct = connect(own, { timeout: 5000 });
  const namespace = await makeNamespace(t, own);
  const proxy = await startProxy(t, own.url);
  const watched = watch(t, connect(own, { port: proxy.port, timeout: 5000 }), namespace);
  await watched.reflector.synced;
  const writing = churn(direct, namespace);
  const more = async (): Promise<void> => {
    const before = writing.writes();
    await until('more writes', () => writing.writes() > before + 30);
  };
  await more();
  own.etcd.pause();
  await delay(3000);
  own.etcd.resume();
  await more();
  await own.apiServer.restart();
  await more();
  await own.apiServer.kill();
  await own.apiServer.start();
  await more();
  // Cut off while the history goes on, until the server that it comes back to does not know where it was.
  proxy.refuse(true);
  proxy.cut();
  await more();
  await own.apiServer.kill();
  await own.apiServer.start();
  await more();
  proxy.refuse(false);
  await until(
    'it begins anew',
    () => watched.reports.some((told) => told.type === 'failed' && told.error.code === 'ERR_BATON_GONE'),
    60_000,
  );
  await more();
  await writing.stop();
  await agree(t, direct, namespace, watched);
});
