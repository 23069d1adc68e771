// Outages that last: in the middle of upgrades on a real node, under load.
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../helpers/processes.ts';
import { letAgentBack, sendAgentAway, untilAgentRuns } from '../cluster/e2e/agent-process.ts';
import { echoImage, names } from '../cluster/e2e/images.ts';
import { ownSystem } from '../cluster/e2e/own-system.ts';
import { hotSide, isUpgraded, startScene, type SidecarContainer } from '../cluster/e2e/scene.ts';
import { assertUnnoticed, script, startTrial } from '../cluster/e2e/trial.ts';
import { containerIdOf, pidOf, runInNetworkOf } from '../cluster/node/container.ts';
import { addImage } from '../cluster/node/image.ts';
import { serialNodeTest } from '../cluster/node/node-test.ts';
import { isReady } from '../cluster/node/scene.ts';

const start = ownSystem();

serialNodeTest('the agent is away for longer than the deadline, while the new copy serves: Done', async (t) => {
  const scene = await startScene(t, await start(t));
  const side = (of: string): SidecarContainer => hotSide(of, { upgradeStrategy: { migrationTimeoutSeconds: 3 } });
  await scene.createSet({ containers: [side(names.v1)] });
  await scene.startPod('pod');
  const trial = await startTrial(t, scene);
  await scene.publish({ containers: [side(names.v2)] });
  await trial.untilPhase('Upgrading');
  await sendAgentAway(scene);
  await delay(20_000);
  t.is(trial.phase(), 'Soaking');
  await letAgentBack(scene);
  await scene.untilUpgraded('pod', names.v2);
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
  await untilAgentRuns(scene);
});

for (const seconds of [5, 40]) {
  serialNodeTest(`the API server is away for ${seconds} s: Done`, async (t) => {
    const own = await start(t);
    const scene = await startScene(t, own);
    const slow = await addImage(
      t,
      scene.node,
      echoImage('slow', { '/migrate.sh': script('baton migrate && sleep 4') }),
    );
    await scene.createSet();
    await scene.startPod('pod');
    await untilAgentRuns(scene);
    const trial = await startTrial(t, scene);
    await scene.publish({ containers: [hotSide(slow)] });
    await trial.untilPhase('Upgrading');
    await own.apiServer.kill();
    await delay(seconds * 1000);
    await own.apiServer.start();
    const began = performance.now();
    await until('Done', () => isUpgraded(trial.readiness.pod(), slow, { set: scene.name }), 120_000);
    t.log(`Done ${Math.round(performance.now() - began)} ms after it was back`);
    const seen = await trial.end();
    assertUnnoticed(t, seen);
    t.deepEqual(seen.gaps, []);
    await until('Baton is back', () => scene.getSet().catch(() => undefined), 60_000);
  });
}

serialNodeTest('the node is rebooted in the middle: it ends, and the pod serves', async (t) => {
  const own = await start(t);
  const scene = await startScene(t, own);
  const [node] = own.nodes;
  if (!node) return t.fail();
  const slow = await addImage(t, node, echoImage('slow', { '/migrate.sh': script('sleep 3; exec baton migrate') }));
  await scene.createSet();
  await scene.startPod('pod', { terminationGracePeriodSeconds: 2 });
  await untilAgentRuns(scene);
  const trial = await startTrial(t, scene);
  await scene.publish({ containers: [hotSide(slow)] });
  await trial.untilPhase('Upgrading');
  const began = performance.now();
  await node.reboot();
  await trial.untilOver(180_000);
  t.log(`${trial.phase()} ${Math.round(performance.now() - began)} ms after the reboot began`);
  const pod = await scene.untilPod('Ready', 'pod', isReady, 120_000);
  t.log(JSON.stringify(trial.readiness.transitions));
  const pid = (await pidOf(node, containerIdOf(pod, 'app'))) ?? 0;
  const answer = await until(
    'it answers',
    () => runInNetworkOf(pid, 'curl', '--silent', '--max-time', '2', 'http://127.0.0.1:9091/').catch(() => undefined),
    30_000,
  );
  t.log(answer);
  t.regex(answer, /from version/);
});
