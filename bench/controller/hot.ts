import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { sidecarSets } from '../../cluster/resource.ts';
import { until } from '../../test/helpers/processes.ts';
import type { AgentReport } from './agent.ts';
import { publish, requestsOf } from './cold.ts';
import { createPods, createSet, makeNamespace, untilStatuses, type WireSet } from './fleet.ts';
import type { Place } from './place.ts';
import { rssMiB } from './usage.ts';

export interface HotRollout {
  seconds: number;
  /** The controller's and the agents'. */
  writesPerPod: number;
  /** From the write that starts the new copy to the one that empties the old, in milliseconds. */
  p50: number;
  p99: number;
  rssMiB: number;
}

/** Publishes an image of a hot sidecar, whose agents are played, and waits until all pods run it in one copy. */
export async function hotBench(place: Place, count: number): Promise<HotRollout> {
  const { cluster } = place;
  const name = 'hot';
  await makeNamespace(place, name);
  const upgradeStrategy = { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'side:empty' };
  await createSet(place, name, [{ name: 'side', image: 'side:1', upgradeStrategy }]);
  const statuses = place.statuses();
  await createPods(place.driver, name, count);
  await untilStatuses(place, statuses, count);

  const agent = fork(fileURLToPath(new URL('agent.ts', import.meta.url)), [place.kubeconfig, name]);
  let report: AgentReport = { writes: 0, between: [] };
  agent.on('message', (told) => (report = told as AgentReport));
  const before = await requestsOf(place);
  const began = performance.now();
  await publish(place, name, { image: 'side:2', maxUnavailable: '100%', paused: false });
  await until(
    'the status says that all are updated',
    async () => {
      const { status } = await cluster.get<WireSet>(sidecarSets, { name });
      return status?.updatedReadyPods === count && report.between.length >= count;
    },
    900_000,
  );
  const seconds = (performance.now() - began) / 1000;
  const after = await requestsOf(place);
  agent.disconnect();
  await once(agent, 'exit');
  const between = report.between.toSorted((a, b) => a - b);
  const at = (share: number): number => between[Math.floor(between.length * share)] ?? NaN;
  const writesPerPod = (after.pods - before.pods + report.writes) / count;
  return { seconds, writesPerPod, p50: at(0.5), p99: at(0.99), rssMiB: rssMiB(place.controller().pid()) };
}
