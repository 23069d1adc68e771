// What a node and a control plane go through, in the middle of upgrades under load: service never stops where a process lives.
import { setTimeout as delay } from 'node:timers/promises';
import { findContainer } from '../../../api/containers.ts';
import { until } from '../../helpers/processes.ts';
import { containerIdOf, pidOf } from '../node/container.ts';
import { containerdAt } from '../node/containerd.ts';
import { addImage, addImages } from '../node/image.ts';
import { serialNodeTest } from '../node/node-test.ts';
import { killAgent, letAgentBack, sendAgentAway, untilAgentRuns } from './agent-process.ts';
import { echoImage, names } from './images.ts';
import { ownSystem } from './own-system.ts';
import { hotSide, idleCopy, isUpgraded, startScene, workingCopy, type SidecarContainer } from './scene.ts';
import { assertUnnoticed, neverServes, phaseNow, script, startTrial } from './trial.ts';

const start = ownSystem();

const soaking = (image: string, soakSeconds: number): SidecarContainer =>
  hotSide(image, { upgradeStrategy: { soakSeconds } });

serialNodeTest('the agent is killed at one step after the other: each upgrade ends, and nobody notices', async (t) => {
  const scene = await startScene(t, await start(t));
  const bad = await addImage(
    t,
    scene.node,
    echoImage('bad', { ...neverServes, '/migrate.sh': script('exec baton migrate --timeout 1') }),
  );
  await scene.createSet({ containers: [soaking(names.v1, 2)] });
  await scene.startPod('pod');
  const trial = await startTrial(t, scene);
  const steps = [
    ['Upgrading', names.v2],
    ['Soaking', names.v3],
    ['Resetting', names.v2],
  ] as const;
  for (const [phase, image] of steps) {
    const began = performance.now();
    await scene.publish({ containers: [soaking(image, 2)] });
    await trial.untilPhase(phase);
    await killAgent(scene);
    await scene.untilUpgraded('pod', image);
    t.log(`killed in phase ${phase}: Done after ${Math.round(performance.now() - began)} ms`);
    await untilAgentRuns(scene);
  }
  await scene.publish({ containers: [soaking(bad, 2)] });
  await trial.untilPhase('RollingBack');
  await killAgent(scene);
  await trial.untilPhase('Failed');
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
});

serialNodeTest('the kubelet is killed while the new copy starts, and while its hook runs', async (t) => {
  const own = await start(t);
  const scene = await startScene(t, own);
  const [node] = own.nodes;
  if (!node) return t.fail();
  const slow = { '/migrate.sh': script('baton migrate && sleep 4') };
  const images = await addImages(t, node, { first: echoImage('first', slow), second: echoImage('second', slow) });
  await scene.createSet();
  await scene.startPod('pod');
  const trial = await startTrial(t, scene);
  await scene.publish({ containers: [hotSide(images.first)] });
  await trial.untilPhase('Upgrading');
  await node.kubelet.kill();
  await node.kubelet.start();
  await scene.untilUpgraded('pod', images.first);
  const { pod } = trial.readiness;
  const idle = idleCopy(pod());
  await scene.publish({ containers: [hotSide(images.second)] });
  // Its process runs, and the pod's status does not show it yet: it is in its hook.
  const { ctr } = containerdAt(node.socket);
  await until('it serves', async () => (await ctr('containers', 'ls')).includes(images.second));
  await delay(1_500);
  t.is(phaseNow(pod(), scene.name), 'Upgrading');
  t.not(findContainer(pod(), idle)?.container.image, names.empty);
  await node.kubelet.kill();
  await node.kubelet.start();
  await scene.untilUpgraded('pod', images.second);
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
});

serialNodeTest('the old copy dies while the hook of the new one hangs', async (t) => {
  const scene = await startScene(t, await start(t));
  const { node } = scene;
  const images = await addImages(t, node, {
    serving: echoImage('serving', { '/migrate.sh': script('exec sleep 600') }),
    hanging: echoImage('hanging', { ...neverServes, '/migrate.sh': script('exec sleep 600') }),
  });
  const side = (image: string): SidecarContainer => hotSide(image, { upgradeStrategy: { migrationTimeoutSeconds: 6 } });
  await scene.createSet({ containers: [side(names.v1)] });
  for (const name of ['serving', 'hanging'] as const) {
    await scene.publish({ containers: [side(names.v1)] });
    await scene.startPod(name);
  }
  for (const name of ['serving', 'hanging'] as const) {
    const before = await scene.untilPod('there', name, () => true);
    const trial = await startTrial(t, scene, name);
    const old = workingCopy(before);
    const began = performance.now();
    await scene.publish({ selector: { matchLabels: { app: scene.name } }, containers: [side(images[name])] });
    await trial.untilPhase('Upgrading');
    await delay(2_500);
    const pid = await pidOf(node, containerIdOf(before, old));
    process.kill(pid ?? 0, 'SIGKILL');
    const over = await scene.untilPod(
      'it is over',
      name,
      (pod) => ['Done', 'Failed'].includes(phaseNow(pod, scene.name) ?? ''),
      90_000,
    );
    t.log(name, phaseNow(over, scene.name), Math.round(performance.now() - began), 'ms');
    await trial.end();
    t.pass();
    break;
  }
});

serialNodeTest(
  'the empty image is gone before the reset: the new copy serves, and the reset waits for it',
  async (t) => {
    const scene = await startScene(t, await start(t));
    const { node } = scene;
    const image = echoImage('v1');
    const empty = await addImage(t, node, image);
    const side = (of: string): SidecarContainer =>
      hotSide(of, { upgradeStrategy: { hotUpgradeEmptyImage: empty, soakSeconds: 3 } });
    await scene.createSet({ containers: [side(names.v1)] });
    await scene.startPod('pod');
    const trial = await startTrial(t, scene);
    await scene.publish({ containers: [side(names.v2)] });
    await trial.untilPhase('Soaking');
    await containerdAt(node.socket).ctr('images', 'rm', empty);
    const message = await trial.untilTold('HotUpgradePullFailed', 30_000);
    t.true(message.includes(empty), message);
    t.is(phaseNow(trial.readiness.pod(), scene.name), 'Soaking');
    await addImage(t, node, { ...image, name: empty });
    const isDone = (): boolean => phaseNow(trial.readiness.pod(), scene.name) === 'Done';
    await until('Done', isDone, 60_000);
    const seen = await trial.end();
    assertUnnoticed(t, seen);
    t.deepEqual(seen.gaps, []);
  },
);

serialNodeTest('the agent is away for longer than the deadline, while the new copy serves: Done', async (t) => {
  const scene = await startScene(t, await start(t));
  const side = (of: string): SidecarContainer => hotSide(of, { upgradeStrategy: { migrationTimeoutSeconds: 3 } });
  await scene.createSet({ containers: [side(names.v1)] });
  await scene.startPod('pod');
  const trial = await startTrial(t, scene);
  await scene.publish({ containers: [side(names.v2)] });
  await trial.untilPhase('Upgrading');
  await sendAgentAway(scene);
  t.is(phaseNow(trial.readiness.pod(), scene.name), 'Upgrading');
  await delay(6_000);
  await letAgentBack(scene);
  await scene.untilUpgraded('pod', names.v2);
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
});

serialNodeTest('the API server is away in the middle', async (t) => {
  const own = await start(t);
  const scene = await startScene(t, own);
  await scene.createSet({ containers: [soaking(names.v1, 2)] });
  await scene.startPod('pod');
  const trial = await startTrial(t, scene);
  await scene.publish({ containers: [soaking(names.v2, 2)] });
  await trial.untilPhase('Upgrading');
  await own.apiServer.kill();
  await delay(Number(process.env['OUTAGE_MS'] ?? 5_000));
  await own.apiServer.start();
  await until('it knows the admin', () => scene.getSet().catch(() => undefined), 60_000);
  const isDone = (): boolean => isUpgraded(trial.readiness.pod(), scene.name, names.v2);
  await until('Done', isDone, 120_000);
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
});
