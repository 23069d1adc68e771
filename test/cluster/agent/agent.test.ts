// Processes of `baton agent` on a real API server, with their role and policy; the node is played by the test kubelet.
import { setTimeout as delay } from 'node:timers/promises';
import { nodes, pods } from '../../../cluster/resource.ts';
import { temporaryDirectory, until } from '../../helpers/processes.ts';
import { serialClusterTest } from '../cluster-test.ts';
import { metricOf, pairOf, recordOf, sceneOf, sharedSystem, type AgentScene } from './system.ts';

const start = sharedSystem();

const untilRecorded = (scene: AgentScene, phase: string): Promise<unknown> =>
  until(phase, async () => (await scene.pods()).some((pod) => recordOf(pod)?.phase === phase));

serialClusterTest(
  'a grant is carried out with two patches, told in events and metrics; then it ends at once',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    await scene.makePods(1);
    const agent = await scene.agent();
    await scene.grant();
    await scene.untilPairs('side:2,side:empty');
    const told = ['HotUpgradeStarted', 'HotUpgradeServing', 'HotUpgradeResetting', 'HotUpgradeDone'];
    await until('all is told', async () => (await scene.events()).length >= told.length);
    t.deepEqual(await scene.events(), told);
    t.is(await metricOf(agent, 'baton_api_request_duration_seconds_count{method="PATCH",resource="pods"}'), 2);
    t.is(await metricOf(agent, 'baton_upgrades_total{result="done",reason=""}'), 1);
    t.is(await metricOf(agent, 'baton_upgrade_phase_duration_seconds_count{phase="Upgrading"}'), 1);
    t.is(await metricOf(agent, 'baton_upgrades_in_progress'), 0);
    t.is(await agent.kill('SIGTERM'), 0);
    t.deepEqual(agent.logged(40), []);

    // Another one has nothing to do, and nothing to tell.
    const next = await scene.agent();
    await until('it has looked', async () => (await metricOf(next, 'baton_look_duration_seconds_count')) >= 1);
    t.is(await next.kill('SIGTERM'), 0);
    t.is((await scene.events()).length, told.length);
  },
);

serialClusterTest('a copy that fails is rolled back, and the pod says why', async (t) => {
  const scene = await sceneOf(t, await start(t));
  await scene.makePods(1);
  const agent = await scene.agent({ bad: 'side:2' });
  await scene.grant();
  await untilRecorded(scene, 'RollingBack');
  await scene.untilPairs('side:1,side:empty');
  await until('it is told', async () => (await scene.events()).includes('HotUpgradeFailed'));
  t.deepEqual(await scene.events(), ['HotUpgradeStarted', 'HotUpgradeRollingBack', 'HotUpgradeFailed']);
  t.is(await metricOf(agent, 'baton_upgrades_total{result="failed",reason="ReportedError"}'), 1);
});

for (const phase of ['none', 'Upgrading', 'Resetting']) {
  for (const after of [0, 3]) {
    serialClusterTest(`killed in phase ${phase}, ${after} ms after a look: the next one ends it`, async (t) => {
      const scene = await sceneOf(t, await start(t));
      await scene.makePods(1);
      await scene.grant();
      const dying = await scene.agent({ 'die-in': phase, 'die-after': after });
      t.is(await dying.exited, null, dying.output());
      await scene.agent();
      await scene.untilPairs('side:2,side:empty');
      await until('it is told', async () => (await scene.events()).includes('HotUpgradeDone'));
      const events = await scene.events();
      t.is(new Set(events).size, events.length, `nothing is told twice: ${events.join()}`);
    });
  }
}

serialClusterTest('killed while it rolls back: the next one ends it', async (t) => {
  const scene = await sceneOf(t, await start(t));
  await scene.makePods(1);
  await scene.grant();
  const dying = await scene.agent({ bad: 'side:2', 'die-in': 'RollingBack' });
  t.is(await dying.exited, null, dying.output());
  await scene.agent({ bad: 'side:2' });
  await scene.untilPairs('side:1,side:empty');
  await until('it is told', async () => (await scene.events()).includes('HotUpgradeFailed'));
});

serialClusterTest('20 pods, three at once: never more than three run two copies', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { cluster } = scene.system;
  await scene.makePods(20);
  const { resourceVersion } = await cluster.list(pods, { namespace: scene.namespace });
  const over = new AbortController();
  const double = new Set<string>();
  let most = 0;
  const watching = (async () => {
    const query = { namespace: scene.namespace, resourceVersion, signal: over.signal };
    for await (const event of cluster.watch<Parameters<typeof pairOf>[0]>(pods, query)) {
      if (event.type === 'BOOKMARK') continue;
      const { name = '' } = event.object.metadata;
      // Until the old copy's container has ended, too.
      const shown = event.object.status?.containerStatuses?.filter(({ image }) => /^side:\d/.test(image)).length ?? 0;
      if (shown > 1 || /^side:\d,side:\d$/.test(pairOf(event.object))) double.add(name);
      else double.delete(name);
      most = Math.max(most, double.size);
    }
  })();
  await scene.grant();
  const agent = await scene.agent();
  await scene.untilPairs('side:2,side:empty', 60_000);
  over.abort();
  await watching;
  t.is(most, 3);
  await until(
    'all are counted',
    async () => (await metricOf(agent, 'baton_upgrades_total{result="done",reason=""}')) === 20,
  );
  t.is(await metricOf(agent, 'baton_upgrades_waiting'), 0);
});

serialClusterTest(
  'a node under pressure begins nothing, and the pod says so; when it is over, it begins',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    const { cluster } = scene.system;
    const press = (status: 'True' | 'False'): Promise<unknown> =>
      cluster.patch(
        nodes,
        { name: scene.node },
        { status: { conditions: [{ type: 'MemoryPressure', status }] } },
        { subresource: 'status' },
      );
    await scene.makePods(1);
    await press('True');
    const agent = await scene.agent();
    await scene.grant();
    await until('it is told', async () => (await scene.events()).includes('HotUpgradeHeldBack'));
    t.is((await scene.pods()).map(recordOf)[0], undefined);
    t.is(await metricOf(agent, 'baton_upgrade_problems_total{problem="HeldBack"}'), 1);
    await press('False');
    await scene.untilPairs('side:2,side:empty');
  },
);

serialClusterTest('two agents on two nodes: each touches its own pods only', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const other = `${scene.node}-2`;
  await scene.makePods(2);
  await scene.makePods(2, { node: other, prefix: 'q' });
  const first = await scene.agent();
  await scene.grant();
  const pairsOn = async (node: string): Promise<string[]> =>
    (await scene.pods()).filter(({ spec }) => spec?.nodeName === node).map(pairOf);
  await until('its own are done', async () =>
    (await pairsOn(scene.node)).every((pair) => pair === 'side:2,side:empty'),
  );
  t.deepEqual(await pairsOn(other), ['side:1,side:empty', 'side:1,side:empty']);
  t.is(await metricOf(first, 'baton_node_pods'), 2);
  const second = await scene.agent({}, other);
  await scene.untilPairs('side:2,side:empty');
  for (const agent of [first, second]) t.deepEqual(agent.logged(40), []);
});

serialClusterTest('a pod that is deleted in the middle is left alone, and gives its place to the next', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { cluster, outcomes } = scene.system;
  outcomes.set('side:2', 'in its hook');
  t.teardown(() => outcomes.clear());
  await scene.makePods(2);
  const agent = await scene.agent({ 'max-concurrent-upgrades': 1 });
  await scene.grant();
  await untilRecorded(scene, 'Upgrading');
  const middle = (await scene.pods()).find((pod) => recordOf(pod));
  await cluster.delete(
    pods,
    { namespace: scene.namespace, name: middle?.metadata.name ?? '' },
    { gracePeriodSeconds: 0 },
  );
  await until('the other one begins', async () => (await scene.pods()).every((pod) => recordOf(pod)));
  t.is((await scene.pods()).length, 1);
  await until(
    'it is counted',
    async () => (await metricOf(agent, 'baton_upgrades_total{result="gone",reason=""}')) === 1,
  );
});

serialClusterTest('bad input: the pod is untouched, and says why', async (t) => {
  const scene = await sceneOf(t, await start(t));
  await scene.makePods(1, { annotations: { 'baton.dev/grant': '{"set":{"v":2}}' } });
  await scene.makePods(1, { prefix: 'q' });
  const before = (await scene.pods()).map(({ spec }) => spec);
  const agent = await scene.agent({ blind: true });
  await until('it is told', async () => (await scene.events()).includes('HotUpgradeBlocked'));
  await scene.grant();
  await until('of the other one too', async () => (await scene.events('q0')).includes('HotUpgradeBlocked'));
  t.deepEqual(
    (await scene.pods()).map(({ spec }) => spec),
    before,
  );
  await agent.kill('SIGKILL');
  await scene.agent();
  await scene.untilPairs('side:2,side:empty');
});

serialClusterTest(
  'no CRI socket, or a kubelet root that is elsewhere: the pod is untouched, and says so',
  async (t) => {
    const scene = await sceneOf(t, await start(t));
    await scene.makePods(1, { hasFolder: true });
    await scene.grant();
    const nowhere = temporaryDirectory(t);
    const blind = await scene.realAgent('--kubelet-root=', `--cri-socket=unix://${nowhere}/containerd.sock`);
    await until('it is told', async () =>
      /containerd\.sock.*\[ERR_BATON_RUNTIME\]/.test((await scene.lastEvent()) ?? ''),
    );
    t.is(await blind.kill('SIGTERM'), 0);
    const lost = await scene.realAgent(`--kubelet-root=${nowhere}`, '--cri-socket=');
    await until('it is told', async () =>
      /root directory.*\[ERR_BATON_KUBELET_ROOT\]/.test((await scene.lastEvent()) ?? ''),
    );
    t.is((await scene.pods()).map(recordOf)[0], undefined);
    t.is(await lost.kill('SIGTERM'), 0);

    // With both switched off the pod's status decides.
    await scene.realAgent('--kubelet-root=', '--cri-socket=');
    await scene.untilPairs('side:2,side:empty');
  },
);

serialClusterTest('the API server is away for some seconds in the middle: it goes on', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { controlPlane } = scene.system;
  await scene.makePods(6);
  const agent = await scene.agent();
  await scene.grant();
  await until('it is midway', async () => (await scene.pods()).some((pod) => recordOf(pod)?.phase === 'Upgrading'));
  await controlPlane.apiServer.kill();
  await delay(3_000);
  await controlPlane.apiServer.start();
  await until('it answers', () => scene.pods().catch(() => undefined));
  await scene.untilPairs('side:2,side:empty', 60_000);
  t.is((await agent.page('/healthz'))?.status, 200);
  // An API server that has just started knows no roles yet.
  const unexpected = agent.logged(40).filter(({ err }) => err?.code !== 'ERR_BATON_FORBIDDEN');
  t.deepEqual(unexpected, []);
});
