// What a set may have: several hot sidecars, hot and cold ones, native ones.
import { containerIdOf } from '../node/container.ts';
import { nodeTest } from '../node/node-test.ts';
import { containerOf } from '../node/scene.ts';
import { names } from './images.ts';
import { appContainer, appIsUntouched, hotSide, noCallFailed, startScene } from './scene.ts';
import { recordTimeline } from './timeline.ts';

const listensOn = (port: number) => ({ env: [{ name: 'PORT', value: String(port) }] });

nodeTest('two hot sidecars of one set are one transaction, and a cold one with them', async (t) => {
  const scene = await startScene(t);
  const { cluster, namespace, name: set } = scene;
  const sidecars = (image: string) => [
    hotSide(image),
    hotSide(image, { name: 'other', ...listensOn(9092) }),
    { name: 'cold', image, env: [...listensOn(9093).env, { name: 'BATON_DIR', value: '/tmp' }] },
  ];
  await scene.createSet({ containers: sidecars(names.v1) });
  const before = await scene.startPod('pod', { containers: [appContainer([9091, 9092])] });
  const timeline = await recordTimeline(t, cluster, { namespace, name: 'pod', set });
  await scene.publish({ containers: sidecars(names.v2) });
  const after = await scene.untilUpgraded('pod', names.v2);
  await scene.untilUpgraded('pod', names.v2, { sidecar: 'other' });
  await scene.untilSet('it is counted', ({ updatedReadyPods }) => updatedReadyPods === 1);
  await timeline.stop();
  t.is(timeline.patches.length, 3, JSON.stringify(timeline.patches));
  t.is(containerOf(after, 'cold')?.restartCount, 1);
  t.not(containerIdOf(after, 'cold'), containerIdOf(before, 'cold'));
  const calls = await noCallFailed(t, scene, after);
  t.deepEqual(Object.keys(calls), ['9091', '9092']);
  for (const { early, versions } of Object.values(calls)) {
    t.is(early, 0, 'Before the app: it served before the app began');
    t.is(Object.keys(versions).length, 2);
  }
  t.deepEqual(timeline.readiness, [true]);
  appIsUntouched(t, before, after);
});

nodeTest('a native pair starts before the app, and is upgraded like any other', async (t) => {
  const scene = await startScene(t);
  const { cluster, namespace, name: set } = scene;
  const native = (image: string) => [{ ...hotSide(image), restartPolicy: 'Always' as const }];
  await scene.createSet({ initContainers: native(names.v1) });
  const before = await scene.startPod('pod');
  t.deepEqual(
    before.spec?.initContainers?.map(({ name }) => name),
    ['side-1', 'side-2'],
  );
  const timeline = await recordTimeline(t, cluster, { namespace, name: 'pod', set });
  await scene.publish({ initContainers: native(names.v2) });
  const after = await scene.untilUpgraded('pod', names.v2);
  await scene.untilSet('it is counted', ({ updatedReadyPods }) => updatedReadyPods === 1);
  await timeline.stop();
  t.is(timeline.patches.length, 3, JSON.stringify(timeline.patches));
  const { early, versions } = (await noCallFailed(t, scene, after))['9091'] ?? {};
  t.is(early, 0, 'it served before the app began');
  t.is(Object.keys(versions ?? {}).length, 2);
  t.deepEqual(timeline.readiness, [true]);
  appIsUntouched(t, before, after);
});
