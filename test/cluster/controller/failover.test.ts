// What goes away in the middle of a rollout: the leader, the API server, the webhooks; and what OpenKruise left behind.
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { injectedLabel } from '../../../api/pod-contract.ts';
import { pods, sidecarSets } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { serialClusterTest } from '../cluster-test.ts';
import { hasKubectl, kubectl } from './kubectl.ts';
import type { Replica } from './replica.ts';
import {
  conditionOf,
  sceneOf,
  sharedSystem,
  side,
  watchDown,
  type Scene,
  type System,
  type Write,
  type WirePod,
} from './system.ts';

/** Slow enough for a rollout to be met in the middle. */
const start = sharedSystem({ replicas: 2, kubeletDelay: 300, audit: true });

/** How the replicas that were asked to end did it: what they are about to be sent they still answer, which takes seconds. */
const asked: Promise<number | null>[] = [];

const untilLeader = ({ replicas }: System): Promise<Replica> =>
  until(
    'one leads',
    async () => {
      const leads = await Promise.all(replicas.map((replica) => replica.leads()));
      return replicas.find((_, index) => leads[index]);
    },
    30_000,
  );

/** So many were killed and ended that one may be alone. */
async function haveTwo(system: System): Promise<void> {
  const on = await Promise.all(system.replicas.map(({ page }) => page('/healthz')));
  if (on.filter((answer) => answer !== undefined).length < 2) await system.addReplica();
}

const LIMIT = 4;
/** A rollout of 24 pods of which some are done. */
async function midway(scene: Scene): Promise<void> {
  await scene.createSet({ updateStrategy: { maxUnavailable: LIMIT } });
  await scene.makePods(24);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 24);
  await scene.publish(side('side:2'));
  await until('it is midway', async () => ((await scene.images())['side:2'] ?? 0) >= 2 * LIMIT);
}
/** Milliseconds from the end of one leader to the next, after which the rollout is finished. */
async function takeover(scene: Scene, signal: 'SIGKILL' | 'SIGTERM'): Promise<number> {
  const { system } = scene;
  const leader = await untilLeader(system);
  await midway(scene);
  const down = await watchDown(scene.scope, system.cluster, scene.namespace);
  const from = performance.now();
  const ended = leader.kill(signal);
  if (signal === 'SIGTERM') asked.push(ended);
  await until('another leads', async () => (await untilLeader(system)) !== leader, 30_000);
  const ms = Math.round(performance.now() - from);
  await scene.untilSet('it is finished', ({ updatedReadyPods }) => updatedReadyPods === 24);
  await down.stop();
  if (down.most() > LIMIT) throw new Error(`${down.most()} were down`);
  return ms;
}

serialClusterTest('the leader is killed: another acts within 10 s and finishes, with no more pods down', async (t) => {
  const system = await start(t);
  const ms = await takeover(await sceneOf(t, system), 'SIGKILL');
  t.log(`another led after ${ms} ms`);
  t.true(ms < 10_000, `${ms} ms`);
});

serialClusterTest('the leader ends: another acts at once and finishes', async (t) => {
  const system = await start(t);
  await haveTwo(system);
  const ms = await takeover(await sceneOf(t, system), 'SIGTERM');
  t.log(`another led after ${ms} ms`);
  // The lease is 8 s long: it was let go.
  t.true(ms < 4000, `${ms} ms`);
});

/** Does something to the cluster in the middle of a rollout, which is finished all the same, with no more pods down than ever. */
async function survives(t: ExecutionContext, fault: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = await sceneOf(t, await start(t));
  await haveTwo(scene.system);
  await untilLeader(scene.system);
  await midway(scene);
  const down = await watchDown(t, scene.system.cluster, scene.namespace);
  await fault(scene);
  t.not((await scene.images())['side:2'], 24, 'it is not finished yet');
  await scene.untilSet('it is finished', ({ updatedReadyPods }) => updatedReadyPods === 24, 60_000);
  t.deepEqual(await scene.images(), { 'side:2': 24 });
  await down.stop();
  t.true(down.most() >= 1 && down.most() <= LIMIT, `${down.most()} were down`);
}

serialClusterTest('etcd hangs for a while in the middle of a rollout, which is finished', async (t) => {
  await survives(t, async ({ system: { controlPlane } }) => {
    const { etcd } = controlPlane;
    t.teardown(() => etcd.resume());
    etcd.pause();
    await delay(2_500);
    etcd.resume();
  });
});

serialClusterTest(
  'every connection to the API server is cut, again and again, and the rollout is finished',
  async (t) => {
    await survives(t, async ({ system: { link } }) => {
      for (let times = 0; times < 5; times += 1) {
        await until('there are some', () => link.open() > 0);
        link.cut();
        await delay(100);
      }
    });
  },
);

serialClusterTest(
  'the API server is started anew, and has forgotten where the watches were, in the middle of a rollout, which is finished',
  async (t) => {
    const { replicas } = await start(t);
    const forgotten = (): number =>
      replicas.reduce(
        (sum, { output }) => sum + output().split(/too old resource version.*"msg":"watch of pods"/).length - 1,
        0,
      );
    const before = forgotten();
    await survives(t, async ({ system: { controlPlane, cluster, link }, name, namespace }) => {
      const change = (n: string): Promise<unknown> =>
        Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            cluster.patch(pods, { namespace, name: `p${index}` }, { metadata: { labels: { n } } }),
          ),
        );
      link.refuse(true);
      t.teardown(() => link.refuse(false));
      link.cut();
      // What it keeps of the past is in its memory only.
      await change('1');
      await controlPlane.apiServer.kill();
      await controlPlane.apiServer.start();
      await until('it goes on', () => cluster.get(sidecarSets, { name }).catch(() => undefined));
      await change('2');
      link.refuse(false);
    });
    t.true(forgotten() > before, 'no watch was too old');
  },
);

serialClusterTest('a leader that was suspended past its lease writes nothing more, and ends', async (t) => {
  const system = await start(t);
  const scene = await sceneOf(t, system);
  await haveTwo(system);
  const leader = await untilLeader(system);
  const ends = leader.ended.length;
  await midway(scene);
  const down = await watchDown(t, system.cluster, scene.namespace);
  const old = system.writes().findLast(({ resource }) => resource === 'leases')?.credential;
  leader.suspend(true);
  t.teardown(() => leader.suspend(false));
  const suspendedAt = Date.now();
  const byAnother = (which: string, since: number): Write | undefined =>
    system.writes().find(({ credential, resource, at, status }) => {
      return credential !== old && resource === which && at > since && status < 300;
    });
  const taken = await until('another leads', () => byAnother('leases', suspendedAt), 30_000);
  await until('and acts', () => byAnother('pods', taken.at), 30_000);
  leader.suspend(false);
  await until('the old one ends', () => leader.ended.length > ends, 30_000);
  t.is(leader.ended.at(-1), 1);
  t.regex(leader.output(), /"code":"ERR_BATON_LEASE_LOST"/);
  await scene.untilSet('it is finished', ({ updatedReadyPods }) => updatedReadyPods === 24);
  await down.stop();
  t.true(down.most() <= LIMIT, `${down.most()} were down`);
  const writes = system.writes().filter(({ credential }) => credential === old);
  t.true(writes.some(({ resource }) => resource === 'pods'));
  t.deepEqual(
    writes.filter(({ at }) => at > taken.at),
    [],
  );
});

serialClusterTest(
  'webhooks away: pods come up and are reported; those of OpenKruise are adopted and rolled out',
  async (t) => {
    const system = await start(t);
    const { cluster, front } = system;
    const scene = await sceneOf(t, system);
    await scene.createSet();
    await scene.makePods(1);
    const [injected] = await scene.pods();
    front.setOpen(false);
    t.teardown(() => front.setOpen(true));
    const labels = { app: scene.name };
    const metadata = { namespace: scene.namespace, name: 'missed', labels };
    const containers = [{ name: 'app', image: 'app:1' }];
    const missed = await cluster.create<WirePod>(pods, { metadata, spec: { nodeName: 'node-1', containers } });
    t.is(missed.spec?.containers.length, 1);
    await t.throwsAsync(scene.publish(side('side:2')), { message: /failed calling webhook/ }, 'sets fail closed');
    const { annotations = {}, namespace = '' } = injected?.metadata ?? {};
    // As OpenKruise left it: all of its annotations, and no label of ours.
    const spec = injected?.spec;
    await cluster.create(pods, { metadata: { namespace, name: 'kruise', labels, annotations }, ...(spec && { spec }) });
    front.setOpen(true);

    // Whoever begins to lead takes a census.
    const leader = await untilLeader(system);
    await haveTwo(system);
    asked.push(leader.kill('SIGTERM'));
    const status = await scene.untilSet(
      'the census',
      (each) => conditionOf(each, 'Degraded')?.reason === 'NotInjected',
    );
    t.regex(conditionOf(status, 'Degraded')?.message ?? '', /^1 pods match and were never injected/);
    await until('an event says so', async () => (await scene.events()).includes('Warning NotInjected'));
    if (hasKubectl) {
      const described = await kubectl(system, 'describe', 'sidecarset', scene.name);
      t.regex(described, /Message: +1 pods match and were never injected: delete them[^]*Reason: +NotInjected\n/);
      t.regex(described, /Warning +NotInjected +\S+ +baton-controller +1 pods match and were never injected/);
    }
    await scene.untilSet('the adopted is counted', ({ readyPods }) => readyPods === 2);
    const adopted = await cluster.get<WirePod>(pods, { namespace, name: 'kruise' });
    t.is(adopted.metadata.labels?.[injectedLabel], 'true');
    t.is(adopted.status?.containerStatuses?.find(({ name }) => name === 'side')?.restartCount, 0);
    await scene.publish(side('side:2'));
    await scene.untilSet('both are updated', ({ updatedReadyPods }) => updatedReadyPods === 2);
    t.deepEqual(await scene.images(), { 'side:2': 2, none: 1 });
  },
);

serialClusterTest('those that were asked to end did so; whatever happened was no error', async (t) => {
  const { replicas } = await start(t);
  t.deepEqual(await Promise.all(asked), [0, 0]);
  for (const { logged } of replicas) t.deepEqual(logged(50), []);
});
