// The migration demo (docs/hot-upgrade.md): v1 -> v2 -> v3 on a real node, under load.
import { nodeTest } from '../node/node-test.ts';
import { names } from './images.ts';
import { appIsUntouched, hotSide, noCallFailed, startPodLoad, startScene } from './scene.ts';
import { phasesOf, recordTimeline } from './timeline.ts';

nodeTest('v1 -> v2 -> v3 under load: no request fails, no connection closes, the pod stays Ready', async (t) => {
  const scene = await startScene(t);
  const { cluster, namespace, name: set } = scene;
  await scene.createSet();
  const before = await scene.startPod('pod');
  const load = await startPodLoad(t, scene, before);
  const timeline = await recordTimeline(t, cluster, { namespace, name: 'pod', set });
  for (const image of [names.v2, names.v3]) {
    await scene.untilSet('what was there is settled', ({ updatedReadyPods }) => updatedReadyPods === 1);
    const patches = timeline.patches.length;
    const publishedAt = performance.now();
    await scene.publish({ containers: [hotSide(image)] });
    await scene.untilUpgraded('pod', image);
    await timeline.catchUp();
    t.is(timeline.patches.length - patches, 3, JSON.stringify(timeline.patches));
    t.log(image, JSON.stringify(phasesOf(timeline, publishedAt), undefined, ' '));
  }
  await timeline.stop();
  const { requests, connections } = await load.stop();
  t.log(`${requests.total} requests, ${connections.moved} connections moved`);
  t.true(requests.total > 1_000);
  t.deepEqual(requests.failures, {});
  t.like(connections, { refused: 0, closed: 0, opened: 20 });
  t.true(connections.moved >= 40, 'each of them at each upgrade');
  const after = timeline.pod();
  const { early, versions } = (await noCallFailed(t, scene, after))['9091'] ?? {};
  t.is(early, 0, 'the sidecar served before the app began');
  t.is(Object.keys(versions ?? {}).length, 3, 'all three served it');
  t.deepEqual(timeline.readiness, [true]);
  appIsUntouched(t, before, after);
});
