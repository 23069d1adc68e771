import { nodeTest } from '../node/node-test.ts';
import { names } from './images.ts';
import { hotSide, startScene } from './scene.ts';
import { recordTimeline } from './timeline.ts';
import { run } from '../node/run.ts';

nodeTest('smoke', async (t) => {
  const began = performance.now();
  const scene = await startScene(t);
  console.log('installed', performance.now() - began);
  await scene.createSet();
  await scene.startPod('pod');
  console.log('pod', performance.now() - began);
  for (const image of [names.v2, names.v3, names.v1, names.v2]) {
    const timeline = await recordTimeline(t, scene.cluster, {
      namespace: scene.namespace,
      name: 'pod',
      set: scene.name,
    });
    const start = performance.now();
    await scene.publish({ containers: [hotSide(image)] });
    const published = performance.now();
    await scene.untilUpgraded('pod', image);
    console.log('upgraded', performance.now() - start, 'api', published - start);
    for (const { at, what } of timeline.steps) console.log(Math.round(at - start), what);
    console.log(timeline.readiness, timeline.patches.length);
  }
  console.log(await run('sh', '-c', `cat $(ls -d /tmp/baton-place-*/node-1/logs/baton-system_*/*/0.log)`));
  t.pass();
});
