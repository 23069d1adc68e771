// What a node and a control plane go through, in the middle of upgrades under load: service never stops where a process lives.
// What takes longer is in test/long.
import { containerIdOf, pidOf } from '../node/container.ts';
import { containerdAt } from '../node/containerd.ts';
import { addImage, addImages } from '../node/image.ts';
import { serialNodeTest } from '../node/node-test.ts';
import { isReady } from '../node/scene.ts';
import { killAgent, untilAgentRuns } from './agent-process.ts';
import { echoImage, names } from './images.ts';
import { ownSystem } from './own-system.ts';
import { hotSide, startScene, workingCopy, type SidecarContainer } from './scene.ts';
import { assertUnnoticed, givesUp, neverServes, script, startTrial, untilCreated } from './trial.ts';

const start = ownSystem();

const soaking = (image: string): SidecarContainer => hotSide(image, { upgradeStrategy: { soakSeconds: 2 } });

for (const phase of ['Upgrading', 'Soaking', 'Resetting'] as const) {
  serialNodeTest(`the agent is killed in phase ${phase}: Done, and nobody notices`, async (t) => {
    const scene = await startScene(t, await start(t));
    await scene.createSet({ containers: [soaking(names.v1)] });
    await scene.startPod('pod');
    await untilAgentRuns(scene);
    const trial = await startTrial(t, scene);
    const began = performance.now();
    await scene.publish({ containers: [soaking(names.v2)] });
    await trial.untilPhase(phase);
    await killAgent(scene);
    await scene.untilUpgraded('pod', names.v2);
    t.log(`Done after ${Math.round(performance.now() - began)} ms`);
    const seen = await trial.end();
    assertUnnoticed(t, seen);
    t.deepEqual(seen.gaps, []);
  });
}

serialNodeTest('the agent is killed while it rolls back: Failed, and nobody notices', async (t) => {
  const scene = await startScene(t, await start(t));
  const bad = await addImage(t, scene.node, echoImage('bad', givesUp));
  await scene.createSet();
  const before = await scene.startPod('pod');
  await untilAgentRuns(scene);
  const trial = await startTrial(t, scene);
  await scene.publish({ containers: [hotSide(bad)] });
  await trial.untilPhase('RollingBack');
  await killAgent(scene);
  const pod = await trial.untilPhase('Failed');
  const old = workingCopy(before);
  t.is(containerIdOf(pod, old), containerIdOf(before, old));
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
});

serialNodeTest('the kubelet is killed when the new copy is to start, and while its hook runs: Done', async (t) => {
  const own = await start(t);
  const scene = await startScene(t, own);
  const [node] = own.nodes;
  if (!node) return t.fail();
  const slow = { '/migrate.sh': script('baton migrate && sleep 4') };
  const images = await addImages(t, node, { first: echoImage('first', slow), second: echoImage('second', slow) });
  await scene.createSet();
  await scene.startPod('pod');
  await untilAgentRuns(scene);
  const trial = await startTrial(t, scene);
  await scene.publish({ containers: [hotSide(images.first)] });
  await trial.untilPhase('Upgrading');
  await node.kubelet.kill();
  await node.kubelet.start();
  await scene.untilUpgraded('pod', images.first);
  await scene.publish({ containers: [hotSide(images.second)] });
  await untilCreated(node, images.second);
  t.is(trial.phase(), 'Upgrading', 'the hook hides it from the status');
  await node.kubelet.kill();
  await node.kubelet.start();
  await scene.untilUpgraded('pod', images.second);
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
});

for (const [what, files, end] of [
  ['serves', { '/migrate.sh': script('exec sleep 15') }, 'Done'],
  ['does not serve', { ...neverServes, '/migrate.sh': script('exec sleep 600') }, 'Failed'],
] as const) {
  serialNodeTest(`the old copy dies while the new one ${what} and its hook hangs: ${end}`, async (t) => {
    const scene = await startScene(t, await start(t));
    const { node } = scene;
    const image = await addImage(t, node, echoImage('new', files));
    const side = (of: string): SidecarContainer => hotSide(of, { upgradeStrategy: { migrationTimeoutSeconds: 8 } });
    await scene.createSet({ containers: [side(names.v1)] });
    const before = await scene.startPod('pod');
    const old = workingCopy(before);
    await untilAgentRuns(scene);
    const trial = await startTrial(t, scene);
    await scene.publish({ containers: [side(image)] });
    await trial.untilPhase('Upgrading');
    await untilCreated(node, image);
    const began = performance.now();
    process.kill((await pidOf(node, containerIdOf(before, old))) ?? 0, 'SIGKILL');
    await trial.untilOver();
    t.log(`${trial.phase()} ${Math.round(performance.now() - began)} ms after its death`);
    t.is(trial.phase(), end);
    await scene.untilPod('Ready', 'pod', isReady);
    const { requests, connections } = await trial.end();
    // What the old one had accepted dies with it.
    if (end === 'Done') t.true(requests.failed <= connections.opened && connections.refused === 0);
  });
}

serialNodeTest('the empty image is gone before the reset: the new copy serves, and the reset waits', async (t) => {
  const scene = await startScene(t, await start(t));
  const { node } = scene;
  const image = echoImage('v1');
  const empty = await addImage(t, node, image);
  const side = (of: string): SidecarContainer =>
    hotSide(of, { upgradeStrategy: { hotUpgradeEmptyImage: empty, soakSeconds: 3 } });
  await scene.createSet({ containers: [side(names.v1)] });
  await scene.startPod('pod');
  await untilAgentRuns(scene);
  const trial = await startTrial(t, scene);
  await scene.publish({ containers: [side(names.v2)] });
  await trial.untilPhase('Soaking');
  await containerdAt(node.socket).ctr('images', 'rm', empty);
  const message = await trial.untilTold('HotUpgradePullFailed', 30_000);
  t.true(message.includes(empty), message);
  t.is(trial.phase(), 'Soaking');
  await addImage(t, node, { ...image, name: empty });
  await trial.untilPhase('Done');
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
});
