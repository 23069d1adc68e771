import test, { type ExecutionContext } from 'ava';
import { ApiError } from '../../../api/error.ts';
import { revisionLabels } from '../../../api/revision-labels.ts';
import type { ControllerRevision } from '../../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { createMemoryCluster } from '../../../cluster/memory/cluster.ts';
import { controllerRevisions, namespaces } from '../../../cluster/resource.ts';
import { homeOfRevisions } from '../../../controller/revisions/home.ts';

const options = { own: 'baton-system', history: 'kruise-system' };

async function clusterWith(...names: string[]): Promise<Cluster> {
  const cluster = createMemoryCluster();
  for (const name of names) await cluster.create(namespaces, { metadata: { name } });
  return cluster;
}
const addRevision = (cluster: Cluster, namespace: string, labels: Record<string, string>): Promise<unknown> =>
  cluster.create<ControllerRevision & KubernetesObject>(controllerRevisions, {
    metadata: { namespace, name: 'r', labels },
    revision: 1,
  });
const homeIs = async (t: ExecutionContext, cluster: Cluster, home: string): Promise<void> =>
  void t.is(await homeOfRevisions(cluster, options), home);

test('revisions are where OpenKruise keeps them, and in the own namespace where there is no OpenKruise', async (t) => {
  await homeIs(t, await clusterWith('baton-system'), 'baton-system');
  const cluster = await clusterWith('baton-system', 'kruise-system');
  await homeIs(t, cluster, 'kruise-system');
  await addRevision(cluster, 'kruise-system', { [revisionLabels.set]: 's' });
  await homeIs(t, cluster, 'kruise-system');
  t.is(await homeOfRevisions(cluster, { own: 'baton-system', history: 'baton-system' }), 'baton-system');
});

test('where Baton began in its own namespace it stays, and others’ revisions there mean nothing', async (t) => {
  const cluster = await clusterWith('baton-system', 'kruise-system');
  await addRevision(cluster, 'baton-system', { app: 'a-daemon-set' });
  await homeIs(t, cluster, 'kruise-system');
  const begun = await clusterWith('baton-system', 'kruise-system');
  await addRevision(begun, 'baton-system', { [revisionLabels.set]: 's' });
  await homeIs(t, begun, 'baton-system');
});

test('an API server that does not say whether there is such a namespace decides nothing', async (t) => {
  const cluster = await clusterWith('baton-system');
  const away = { ...cluster, get: () => Promise.reject(new ApiError('ERR_BATON_UNAVAILABLE', 'away')) };
  await t.throwsAsync(homeOfRevisions(away, options), { code: 'ERR_BATON_UNAVAILABLE' });
});
