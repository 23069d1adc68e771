import test, { type ExecutionContext } from 'ava';
import type { Lease, Pod } from '../../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { createMemoryCluster } from '../../../cluster/memory/cluster.ts';
import { leases, namespaces, pods } from '../../../cluster/resource.ts';
import { followSecondController, type SecondControllerWatch } from '../../../controller/second-controller/follow.ts';
import { until } from '../../helpers/processes.ts';
import { createFakeClock, type FakeClock } from '../../cluster/kubernetes/fake-clock.ts';

interface World {
  cluster: Cluster;
  clock: FakeClock;
  watch: SecondControllerWatch;
  /** What it told, `-` for nobody. */
  told: string[];
  renew: (holderIdentity: string) => Promise<unknown>;
}

const timestamp = (): string => new Date().toISOString().replace('Z', '000Z');
const key = { namespace: 'kruise-system', name: 'kruise-manager' };

async function world(t: ExecutionContext): Promise<World> {
  const cluster = createMemoryCluster();
  for (const name of ['kruise-system', 'elsewhere']) await cluster.create(namespaces, { metadata: { name } });
  const clock = createFakeClock();
  const over = new AbortController();
  const told: string[] = [];
  const watch = followSecondController({
    cluster,
    namespace: 'kruise-system',
    signal: over.signal,
    clock,
    onChange: (message) => told.push(message?.replace(/:.*/, '') ?? '-'),
  });
  t.teardown(async () => {
    over.abort();
    await watch.done;
  });
  t.true(await watch.synced);
  const renew = (holderIdentity: string): Promise<unknown> =>
    cluster.patch(leases, key, { spec: { holderIdentity, renewTime: timestamp() } });
  return { cluster, clock, watch, told, renew };
}

const lease: Lease & KubernetesObject = {
  metadata: key,
  spec: { holderIdentity: 'm', leaseDurationSeconds: 15, renewTime: timestamp() },
};
const manager: Pod & KubernetesObject = {
  metadata: { namespace: 'elsewhere', name: 'm', labels: { 'control-plane': 'controller-manager' } },
  spec: { containers: [{ name: 'manager', image: 'openkruise/kruise-manager:v1.8.0' }] },
};

test('a leader acts as long as it renews, and its Lease’s time after that', async (t) => {
  const { cluster, clock, watch, told, renew } = await world(t);
  t.is(watch.acts(), undefined);
  await cluster.create(leases, lease);
  await until('it is seen', () => watch.acts());
  await clock.pass(14_000);
  // The next leader, so that it can be told when this is seen.
  await renew('next');
  await until('the renewal is seen', () => watch.acts()?.endsWith('of next'));
  await clock.pass(14_999);
  t.truthy(watch.acts());
  await clock.pass(1);
  t.is(watch.acts(), undefined);
  t.deepEqual(told, ['OpenKruise’s controller leads', '-']);
});

test('a pod acts until it is gone, and beside it a Lease that ended changes nothing', async (t) => {
  const { cluster, clock, watch, told } = await world(t);
  await cluster.create(pods, manager);
  await until('the pod is seen', () => watch.acts());
  await cluster.create(leases, lease);
  await clock.pass(20_000);
  t.truthy(watch.acts());
  await cluster.delete(leases, key);
  await cluster.delete(pods, { namespace: 'elsewhere', name: 'm' }, { gracePeriodSeconds: 0 });
  await until('nobody is there', () => watch.acts() === undefined);
  t.deepEqual(told, ['OpenKruise’s controller runs', '-']);
});

test('the work is done while nobody else acts: ended at once, and done anew', async (t) => {
  const { cluster, watch } = await world(t);
  const over = new AbortController();
  const happened: string[] = [];
  await cluster.create(pods, manager);
  await until('the pod is seen', () => watch.acts());
  const done = watch.whileAlone(over.signal, async (alone) => {
    happened.push('begins');
    await new Promise((resolve) => alone.addEventListener('abort', resolve));
    happened.push('ends');
  });
  const { namespace = '', name = '' } = manager.metadata;
  await cluster.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 });
  await until('it begins', () => happened.length === 1);
  await cluster.create(pods, manager);
  await until('it ends', () => happened.length === 2);
  await cluster.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 });
  await until('it begins anew', () => happened.length === 3);
  over.abort();
  await done;
  t.deepEqual(happened, ['begins', 'ends', 'begins', 'ends']);
});

test('work that is begun when all is over already, or while another acts, is not begun', async (t) => {
  const { cluster, watch } = await world(t);
  let begun = false;
  const work = async (): Promise<void> => {
    begun = true;
    return Promise.resolve();
  };
  await watch.whileAlone(AbortSignal.abort(), work);
  await cluster.create(pods, manager);
  await until('the pod is seen', () => watch.acts());
  const over = new AbortController();
  const done = watch.whileAlone(over.signal, work);
  over.abort();
  await done;
  t.false(begun);
});
