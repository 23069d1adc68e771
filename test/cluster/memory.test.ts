import test from 'ava';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { createMemoryCluster, type AdmissionRequest } from '../../cluster/memory/cluster.ts';
import { clusterError } from '../../cluster/errors.ts';
import { controllerRevisions, namespaces, pods } from '../../cluster/resource.ts';
import { conformance } from './conformance.ts';

const withNamespace = async (cluster: Cluster): Promise<Cluster> => {
  await cluster.create(namespaces, { metadata: { name: 'test' } });
  return cluster;
};

conformance('memory', async () => ({ cluster: await withNamespace(createMemoryCluster()), namespace: 'test' }));

const revision = (name: string): KubernetesObject & { revision: number } => ({
  metadata: { namespace: 'test', name },
  revision: 1,
});

test('what is older than the history cannot be watched: list again', async (t) => {
  const cluster = await withNamespace(createMemoryCluster({ history: 2 }));
  const { resourceVersion } = await cluster.list(controllerRevisions);
  for (const name of ['a', 'b', 'c', 'd', 'e']) await cluster.create(controllerRevisions, revision(name));
  const { signal } = new AbortController();
  const watch = cluster.watch(controllerRevisions, { resourceVersion, signal });
  await t.throwsAsync(
    async () => {
      for await (const event of watch) t.fail(event.type);
    },
    { code: 'ERR_BATON_GONE' },
  );
});

test('a list that began long ago has to begin again', async (t) => {
  const cluster = await withNamespace(createMemoryCluster());
  for (const name of ['a', 'b', 'c']) await cluster.create(controllerRevisions, revision(name));
  const { next = '' } = await cluster.list(controllerRevisions, { limit: 1 });
  for (let others = 0; others < 100; others += 1) await cluster.list(controllerRevisions, { limit: 1 });
  await t.throwsAsync(cluster.list(controllerRevisions, { next }), { code: 'ERR_BATON_GONE' });
});

test('a page shows the moment of its first one', async (t) => {
  const cluster = await withNamespace(createMemoryCluster());
  for (const name of ['a', 'c']) await cluster.create(controllerRevisions, revision(name));
  const first = await cluster.list(controllerRevisions, { limit: 1 });
  await cluster.create(controllerRevisions, revision('b'));
  const second = await cluster.list(controllerRevisions, { next: first.next ?? '' });
  t.deepEqual(
    second.items.map(({ metadata }) => metadata.name),
    ['c'],
  );
  t.is(second.resourceVersion, first.resourceVersion);
});

test('changes that a watch does not ask for move its bookmark on', async (t) => {
  const cluster = await withNamespace(createMemoryCluster());
  const { resourceVersion } = await cluster.list(pods);
  await cluster.create(pods, { metadata: { namespace: 'test', name: 'other' } });
  const abort = new AbortController();
  const query = { labels: { matchLabels: { a: 'b' } }, resourceVersion, signal: abort.signal };
  for await (const event of cluster.watch(pods, query)) {
    if (event.type !== 'BOOKMARK') return t.fail(event.type);
    t.is(event.resourceVersion, (await cluster.list(pods)).resourceVersion);
    abort.abort();
  }
  return undefined;
});

test('admission sees creations and updates, changes them or refuses; the status passes it by', async (t) => {
  const asked: string[] = [];
  const admit = ({ operation, object, oldObject }: AdmissionRequest): Promise<KubernetesObject> => {
    asked.push(`${operation} ${oldObject?.metadata.annotations?.['n'] ?? '-'}`);
    if (object.metadata.annotations?.['n'] === 'bad') return Promise.reject(clusterError('Forbidden', 'not that'));
    return Promise.resolve({ ...object, metadata: { ...object.metadata, labels: { admitted: 'yes' } } });
  };
  const cluster = await withNamespace(createMemoryCluster({ admit }));
  asked.length = 0;
  const key = { namespace: 'test', name: 'a' };
  const made = await cluster.create<KubernetesObject>(pods, { metadata: { ...key, annotations: { n: '1' } } });
  t.deepEqual(made.metadata.labels, { admitted: 'yes' });
  await t.throwsAsync(cluster.patch(pods, key, { metadata: { annotations: { n: 'bad' } } }), {
    code: 'ERR_BATON_FORBIDDEN',
    message: 'not that',
  });
  await cluster.patch(pods, key, { status: { message: 'x' } }, { subresource: 'status' });
  await cluster.delete(pods, key);
  t.deepEqual(asked, ['CREATE -', 'UPDATE 1', 'DELETE 1']);
});

test('a write that comes between a patch and its admission is not lost', async (t) => {
  let interfere = true;
  const cluster: Cluster = await withNamespace(
    createMemoryCluster({
      async admit({ operation, object }) {
        if (operation === 'UPDATE' && interfere) {
          interfere = false;
          await cluster.patch(pods, { namespace: 'test', name: 'a' }, { metadata: { annotations: { other: '1' } } });
        }
        return object;
      },
    }),
  );
  await cluster.create(pods, { metadata: { namespace: 'test', name: 'a' } });
  const patched = await cluster.patch(
    pods,
    { namespace: 'test', name: 'a' },
    { metadata: { annotations: { own: '1' } } },
  );
  t.deepEqual(patched.metadata.annotations, { other: '1', own: '1' });
});

test('an unknown field cannot be selected by', async (t) => {
  const cluster = createMemoryCluster();
  await t.throwsAsync(cluster.list(pods, { fields: { 'spec.hostname': 'x' } }), { code: 'ERR_BATON_ARGUMENT' });
  await t.throwsAsync(cluster.list(namespaces, { fields: { 'spec.nodeName': 'x' } }), { code: 'ERR_BATON_ARGUMENT' });
});
