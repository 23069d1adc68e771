// The example `haproxy`: a sidecar without the SDK.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { addImages } from '../node/image.ts';
import { startLoadIn } from '../node/load.ts';
import { nodeTest } from '../node/node-test.ts';
import { haproxyImage } from './images.ts';
import { appContainer, appIsUntouched, processOf, startScene, workingCopy } from './scene.ts';
import { recordTimeline } from './timeline.ts';

const file = fileURLToPath(new URL('../../../examples/haproxy/sidecarset.yaml', import.meta.url));
const { spec } = parse(readFileSync(file, 'utf8')) as SidecarSet;

nodeTest('HAProxy, by its own means: no connection is refused, and no request fails', async (t) => {
  const scene = await startScene(t);
  const { cluster, namespace, name: set } = scene;
  const images = await addImages(t, scene.node, {
    v1: haproxyImage('1'),
    v2: haproxyImage('2'),
    empty: haproxyImage('1'),
  });
  const [example] = spec.containers ?? [];
  if (!example) throw new Error(`${file} has no container`);
  const side = (image: string) => ({
    ...example,
    image,
    upgradeStrategy: { ...example.upgradeStrategy, hotUpgradeEmptyImage: images.empty, soakSeconds: 1 },
  });
  await scene.createSet({ containers: [side(images.v1)] });
  const pod = await scene.startPod('pod', { containers: [appContainer([])], terminationGracePeriodSeconds: 5 });
  const timeline = await recordTimeline(t, cluster, { namespace, name: 'pod', set });
  const pid = await processOf(scene, pod);
  const http = { kind: 'http', method: 'GET', path: '/', versionHeader: 'x-sidecar-version', timeout: 5_000 } as const;
  // A connection of its own for each request: what HAProxy can do without a loss.
  const load = await startLoadIn(
    t,
    pid,
    { ...http, headers: { connection: 'close' }, connections: 10, rate: 200 },
    8080,
  );
  // Kept ones, which it has to end: they may fail, and are never refused.
  const kept = await startLoadIn(t, pid, { ...http, headers: {}, connections: 10, rate: 100 }, 8080);
  await scene.publish({ containers: [side(images.v2)] });
  const after = await scene.untilUpgraded('pod', images.v2, { sidecar: 'haproxy', empty: images.empty });
  await timeline.stop();
  const [single, long] = await Promise.all([load.stop(), kept.stop()]);
  t.log(`${single.requests.total} connections, ${long.requests.total} requests on kept ones`);
  t.log(`${long.connections.closed} kept connections ended`);
  t.is(workingCopy(after, 'haproxy'), 'haproxy-2');
  t.true(single.requests.total > 300);
  t.deepEqual(single.requests.failures, {});
  t.is(single.connections.refused + long.connections.refused, 0);
  t.deepEqual(timeline.readiness, [true]);
  appIsUntouched(t, pod, after);
});
