// A hundred upgrades of one pod on a real node, under load.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pods } from '../../cluster/resource.ts';
import { containerdAt } from '../cluster/node/containerd.ts';
import { ownCluster, serialNodeTest } from '../cluster/node/node-test.ts';
import type { WirePod } from '../cluster/node/scene.ts';
import { names } from '../cluster/e2e/images.ts';
import {
  appIsUntouched,
  hotSide,
  noCallFailed,
  processOf,
  startPodLoad,
  startScene,
  workingCopy,
  type Scene,
} from '../cluster/e2e/scene.ts';
import { install } from '../cluster/e2e/system.ts';
import { recordTimeline } from '../cluster/e2e/timeline.ts';
import { temporaryDirectory } from '../helpers/processes.ts';

const COUNT = 100;
/** Footprints are taken after so many, and at the end: then caches are warm. */
const EARLY = 10;
const TIMEOUT_MS = 20 * 60_000;

/** A stock kubelet lets a container wait that comes back to an image too soon, longer each time: as if it crashed. */
const kubelet = {
  featureGates: { KubeletCrashLoopBackOffMax: true },
  crashLoopBackOff: { maxContainerRestartPeriod: '1s' },
};

interface Footprint {
  /** What runs for the pod or does Baton's work, by name: open descriptors. */
  descriptors: Record<string, number>;
  /** Likewise, resident memory in MiB. */
  memory: Record<string, number>;
  images: number;
  containers: number;
  files: string[];
  mounts: number;
}

const linesOf = (text: string): string[] => text.split('\n').filter(Boolean);

async function footprintOf(scene: Scene, pod: WirePod): Promise<Footprint> {
  const { cluster, node } = scene;
  const { items } = await cluster.list<WirePod>(pods, { namespace: 'baton-system' });
  const processes: [string, number][] = [['sidecar', await processOf(scene, pod, workingCopy(pod))]];
  for (const one of items) {
    const component = one.metadata.labels?.['app.kubernetes.io/component'] ?? '';
    processes.push([`${component} ${one.metadata.name ?? ''}`, await processOf(scene, one, component)]);
  }
  const { ctr } = containerdAt(node.socket);
  const { uid = '' } = pod.metadata;
  const volume = join(node.kubeletFolder, 'pods', uid, 'volumes/kubernetes.io~empty-dir/baton/side');
  return {
    descriptors: Object.fromEntries(processes.map(([name, pid]) => [name, readdirSync(`/proc/${pid}/fd`).length])),
    memory: Object.fromEntries(processes.map(([name, pid]) => [name, residentOf(pid)])),
    images: linesOf(await ctr('images', 'ls', '--quiet')).length,
    containers: linesOf(await ctr('containers', 'ls', '--quiet')).length,
    // By kind: the versions in their names grow.
    files: readdirSync(volume)
      .map((file) => file.replace(/^\d+/, 'N'))
      .sort(),
    mounts: linesOf(readFileSync('/proc/self/mounts', 'utf8')).filter((line) => line.includes(node.kubeletFolder))
      .length,
  };
}

const residentOf = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024);

serialNodeTest(`${COUNT} upgrades of one pod under load: nothing fails, nothing is left behind`, async (t) => {
  const facts = await ownCluster(t, { kubelet });
  t.timeout(TIMEOUT_MS);
  await install(facts, temporaryDirectory(t));
  const scene = await startScene(t, facts);
  await scene.createSet();
  const before = await scene.startPod('pod');
  const load = await startPodLoad(t, scene, before);
  const { cluster, namespace, name: set } = scene;
  const timeline = await recordTimeline(t, cluster, { namespace, name: 'pod', set });
  const times: number[] = [];
  const footprints: Footprint[] = [];
  for (let count = 1; count <= COUNT; count += 1) {
    const image = [names.v1, names.v2, names.v3][count % 3] ?? '';
    const publishedAt = performance.now();
    await scene.publish({ containers: [hotSide(image)] });
    const pod = await scene.untilUpgraded('pod', image);
    times.push(Math.round(performance.now() - publishedAt));
    if (count === EARLY || count === COUNT) footprints.push(await footprintOf(scene, pod));
  }
  await timeline.stop();
  const { requests, connections } = await load.stop();
  times.sort((a, b) => a - b);
  t.log(`${requests.total} requests; an upgrade took ${times[COUNT >> 1] ?? 0} ms, at most ${times.at(-1) ?? 0} ms`);
  t.log(...footprints);
  t.deepEqual(requests.failures, {});
  t.like(connections, { refused: 0, closed: 0, opened: 20 });
  await noCallFailed(t, scene, timeline.pod());
  t.deepEqual(timeline.readiness, [true]);
  appIsUntouched(t, before, timeline.pod());
  const [early, late] = footprints;
  if (!early || !late) throw new Error('two footprints are taken');
  const { descriptors, memory, ...others } = late;
  t.like(early, others);
  for (const [name, open] of Object.entries(descriptors))
    t.true(
      open <= (early.descriptors[name] ?? 0) + 5,
      `${name}: ${early.descriptors[name] ?? 0} -> ${open} descriptors`,
    );
  for (const [name, mebibytes] of Object.entries(memory))
    t.true(mebibytes <= (early.memory[name] ?? 0) + 30, `${name}: ${early.memory[name] ?? 0} -> ${mebibytes} MiB`);
});
