// Many pods on one node: the agent's --max-concurrent-upgrades, whose default is 3.
import { findContainer } from '../../../api/containers.ts';
import { copies } from '../../../api/pod-contract.ts';
import { pods } from '../../../cluster/resource.ts';
import { nodeTest } from '../node/node-test.ts';
import { isReady, type WirePod } from '../node/scene.ts';
import { busyboxLayer, addImage } from '../node/image.ts';
import { names } from './images.ts';
import { hotSide, startScene } from './scene.ts';

const COUNT = 20;
const LIMIT = 3;

nodeTest('of 20 pods on the node, never more than 3 run two copies at once', async (t) => {
  const scene = await startScene(t);
  const { cluster, namespace } = scene;
  const idle = ['/bin/busybox', 'sh', '-c', 'trap exit TERM; while :; do sleep 3600 & wait $!; done'];
  const image = await addImage(t, scene.node, { layers: [busyboxLayer], entrypoint: idle });
  await scene.createSet({ updateStrategy: { type: 'RollingUpdate', maxUnavailable: '100%' } });
  const began = performance.now();
  const started = await Promise.all(
    Array.from({ length: COUNT }, (_, index) => scene.startPod(`p${index}`, { containers: [{ name: 'app', image }] })),
  );
  t.log(`${COUNT} pods Ready after ${Math.round(performance.now() - began)} ms`);

  const over = new AbortController();
  t.teardown(() => over.abort());
  const double = new Set<string>();
  const unready: string[] = [];
  let most = 0;
  const see = (pod: WirePod): void => {
    const { name = '' } = pod.metadata;
    const images = copies('side').map((copy) => findContainer(pod, copy)?.container.image);
    if (images.includes(names.empty)) double.delete(name);
    else double.add(name);
    most = Math.max(most, double.size);
    if (!isReady(pod)) unready.push(name);
  };
  const { items, resourceVersion } = await cluster.list<WirePod>(pods, { namespace });
  items.forEach(see);
  const watching = (async () => {
    for await (const event of cluster.watch<WirePod>(pods, { namespace, resourceVersion, signal: over.signal }))
      if (event.type === 'MODIFIED') see(event.object);
  })();
  const publishedAt = performance.now();
  await scene.publish({ containers: [hotSide(names.v2)] });
  await scene.untilSet('all are updated', ({ updatedReadyPods }) => updatedReadyPods === COUNT, 120_000);
  await Promise.all(started.map(({ metadata }) => scene.untilUpgraded(metadata.name ?? '', names.v2)));
  t.log(`upgraded in ${Math.round(performance.now() - publishedAt)} ms`);
  over.abort();
  await watching;
  t.is(most, LIMIT, 'as many as may, and never more');
  t.deepEqual(unready, []);
});
