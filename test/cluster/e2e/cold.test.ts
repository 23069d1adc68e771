// A cold upgrade: examples/sidecarsets/logging.yaml, with a collector that copies what the app logs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { until } from '../../helpers/processes.ts';
import { addImages, busyboxLayer, nodeLayer } from '../node/image.ts';
import { nodeTest } from '../node/node-test.ts';
import { containerOf } from '../node/scene.ts';
import { startScene } from './scene.ts';
import { recordTimeline } from './timeline.ts';

const example = (name: string): unknown =>
  parse(readFileSync(fileURLToPath(new URL(`../../../examples/sidecarsets/${name}`, import.meta.url)), 'utf8'));

/** Appends what the log has and the copy does not: the length of the copy is how far it is. */
const collector = `#!/usr/local/bin/node
const { appendFileSync, closeSync, existsSync, openSync, readSync, statSync } = require('node:fs');
if (process.argv[2] === 'status') process.exit();
const [log, copy] = ['/var/log/nginx/access.log', '/var/log/nginx/copy'];
const bytes = Buffer.alloc(1 << 16);
appendFileSync('/var/log/nginx/zones', process.env.TZ + '\\n');
setInterval(() => {
  if (!existsSync(log)) return;
  const file = openSync(log);
  const count = readSync(file, bytes, 0, bytes.length, existsSync(copy) ? statSync(copy).size : 0);
  closeSync(file);
  appendFileSync(copy, bytes.subarray(0, count));
}, 20);
process.on('SIGTERM', () => process.exit());
`;
const collectorLayer = { '/usr/local/bin/collector': { content: collector, mode: 0o755 } };
const collectorImage = (version: string) => ({
  layers: [nodeLayer, collectorLayer],
  entrypoint: ['collector'],
  env: { VERSION: version },
});
/** Logs numbered lines for ever. */
const app =
  'n=0; trap exit TERM; while :; do n=$((n+1)); echo "line $n" >>/var/log/nginx/access.log; usleep 5000; done';
const appImage = { layers: [busyboxLayer], entrypoint: ['/bin/busybox', 'sh', '-c', app] };

nodeTest('a log collector is restarted alone, with the time zone of its app: no line is lost', async (t) => {
  const scene = await startScene(t);
  const { cluster, namespace, name: set } = scene;
  const images = await addImages(t, scene.node, { v1: collectorImage('1'), v2: collectorImage('2'), app: appImage });
  const { spec } = example('logging.yaml') as SidecarSet;
  const containers = (image: string) => (spec.containers ?? []).map((one) => ({ ...one, image }));
  await scene.createSet({
    ...spec,
    namespace: undefined,
    selector: { matchLabels: { app: set } },
    containers: containers(images.v1),
  } as SidecarSet['spec']);
  const { containers: [nginx] = [], volumes = [] } = (example('logging-pod.yaml') as Pod).spec ?? {};
  if (!nginx) throw new Error('logging-pod.yaml has no container');
  const before = await scene.startPod('pod', { containers: [{ ...nginx, image: images.app }], volumes });
  const timeline = await recordTimeline(t, cluster, { namespace, name: 'pod', set });

  const { uid = '' } = before.metadata;
  const folder = join(scene.node.kubeletFolder, 'pods', uid, 'volumes/kubernetes.io~empty-dir/nginx-log');
  const linesOf = (file: string): string[] => readFileSync(join(folder, file), 'utf8').split('\n').slice(0, -1);
  const startedAt = performance.now();
  await scene.publish({ containers: containers(images.v2) });
  const after = await scene.untilPod('the new collector', 'pod', (pod) => {
    const { restartCount, ready } = containerOf(pod, 'collector') ?? {};
    return restartCount === 1 && ready === true;
  });
  t.log(`published to shown: ${Math.round(performance.now() - startedAt)} ms`);
  const written = linesOf('access.log').length;
  const copied = await until('all is copied', () => {
    const lines = linesOf('copy');
    return lines.length >= written ? lines : undefined;
  });
  t.true(written > 100);
  t.deepEqual(
    copied,
    copied.map((_, index) => `line ${index + 1}`),
  );
  t.deepEqual(linesOf('zones'), ['Asia/Shanghai', 'Asia/Shanghai']);
  await scene.untilSet('it is counted', ({ updatedReadyPods }) => updatedReadyPods === 1);
  await timeline.stop();
  t.is(timeline.patches.length, 1, 'one patch');
  t.deepEqual(timeline.readiness, [true]);
  t.is(containerOf(after, 'nginx')?.restartCount, 0);
});
