import { setTimeout as delay } from 'node:timers/promises';
import { plan } from '../../controller/rollout/plan.ts';
import { sidecarSets } from '../../cluster/resource.ts';
import { until } from '../../test/helpers/processes.ts';
import { loop } from './driver.ts';
import { allPods, untilStatuses, type WireSet } from './fleet.ts';
import { PARALLEL, type Place } from './place.ts';
import { cpuSeconds, rssMiB } from './usage.ts';

export interface Rollout {
  seconds: number;
  /** Pods a second. */
  rate: number;
  writesPerPod: number;
  statusWritesPerSecond: number;
  /** How old the status was at most, in seconds: how long ago its number of updated pods had been reached. */
  statusBehind: number;
  cpuSeconds: number;
  rssMiB: number;
  logMiB: number;
}

/** Publishes an image and waits until all pods run it. */
export async function rollOut(
  place: Place,
  name: string,
  count: number,
  { image, maxUnavailable = '100%' }: { image: string; maxUnavailable?: string },
): Promise<Rollout> {
  const { cluster } = place;
  const { pid: pidOf, output } = place.controller();
  const pid = pidOf();
  const [statuses, cpu, log] = [place.statuses(), cpuSeconds(pid), output().length];
  const before = await requestsOf(place);
  const began = performance.now();
  await publish(place, name, { image, maxUnavailable, paused: false });
  let behind = 0;
  const look = async (): Promise<boolean> => {
    const { status, metadata } = await cluster.get<WireSet>(sidecarSets, { name });
    if (status?.observedGeneration !== metadata.generation) return false;
    const updated = status?.updatedReadyPods ?? 0;
    // More were reached since this moment; the status does not know yet.
    const since = place.statusesReached(statuses + updated + 1);
    if (since !== undefined) behind = Math.max(behind, (performance.now() - since) / 1000);
    return updated === count;
  };
  const done = until('the status says that all are updated', async () => (await look()) || (await delay(200)), 900_000);
  const seconds = ((await untilStatuses(place, statuses, count)) - began) / 1000;
  await done;
  const after = await requestsOf(place);
  const added = (what: keyof typeof after): number => after[what] - before[what];
  return {
    seconds,
    rate: count / seconds,
    writesPerPod: added('pods') / count,
    statusWritesPerSecond: added('sets') / seconds,
    statusBehind: behind,
    cpuSeconds: cpuSeconds(pid) - cpu,
    rssMiB: rssMiB(pid),
    logMiB: (output().length - log) / 2 ** 20,
  };
}

/** The very same patches, sent one after the other by nobody who decides anything, while the controller is stopped. */
export async function bareLoop(place: Place, name: string, count: number, image: string): Promise<number> {
  const { cluster, driver } = place;
  await publish(place, name, { image, maxUnavailable: '100%', paused: true });
  await place.stopController();
  const set = await cluster.get<WireSet>(sidecarSets, { name });
  const running = { ...set, spec: { ...set.spec, updateStrategy: { ...set.spec.updateStrategy, paused: false } } };
  const pods = (await allPods(place, name)) as Parameters<typeof plan>[1];
  const context = { now: Date.now(), controllerRevision: set.status?.latestRevision ?? '' };
  const writes = plan(running, pods, context).upgrade.map(({ namespace, name: pod, resourceVersion, patch }) => ({
    path: `/api/v1/namespaces/${namespace}/pods/${pod}`,
    body: JSON.stringify([{ op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion }, ...patch]),
  }));
  if (writes.length !== count) throw new Error(`${writes.length} pods to patch, not ${count}`);
  const statuses = place.statuses();
  const began = performance.now();
  await loop(count, PARALLEL, (index) => {
    const { path = '', body = '' } = writes[index] ?? {};
    return driver.send('PATCH', path, body, 'application/json-patch+json');
  });
  const seconds = ((await untilStatuses(place, statuses, count)) - began) / 1000;
  await place.startController();
  return count / seconds;
}

/** How many pods were written after a rollout was paused in its middle: in the first second, and in the three after it. */
export async function pauseBench(place: Place, name: string, image: string): Promise<{ first: number; later: number }> {
  await publish(place, name, { image, maxUnavailable: '100%', paused: false });
  await delay(2_000);
  await publish(place, name, { image, maxUnavailable: '100%', paused: true });
  const atOnce = await requestsOf(place);
  await delay(1_000);
  const soon = await requestsOf(place);
  await delay(3_000);
  const late = await requestsOf(place);
  return { first: soon.pods - atOnce.pods, later: late.pods - soon.pods };
}

/** Changes a set's image and how it is rolled out. */
export async function publish(
  { cluster }: Place,
  name: string,
  { image, ...updateStrategy }: { image: string; maxUnavailable: string; paused: boolean },
): Promise<void> {
  const { spec } = await cluster.get<WireSet>(sidecarSets, { name });
  const containers = (spec.containers ?? []).map((container) => ({ ...container, image }));
  await cluster.patch(sidecarSets, { name }, { spec: { containers, updateStrategy } });
}

/** Writes to pods and to SidecarSets so far. */
async function requestsOf(place: Place): Promise<{ pods: number; sets: number }> {
  const { text } = (await place.controller().page('/metrics')) ?? { text: '' };
  const count = (resource: string): number => {
    const line = new RegExp(
      `^baton_api_request_duration_seconds_count\\{method="PATCH",resource="${resource}"\\} (\\d+)$`,
      'm',
    );
    return Number(line.exec(text)?.[1] ?? 0);
  };
  return { pods: count('pods'), sets: count('sidecarsets') };
}
