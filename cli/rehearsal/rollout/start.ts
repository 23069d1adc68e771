import type { Namespace } from '../../../api/kubernetes.ts';
import { namespaces, pods, sidecarSets } from '../../../cluster/resource.ts';
import { isReady, type WirePod, type WireSet } from './home.ts';
import { notStarted } from './logs.ts';
import { namespacesOf } from './places.ts';
import { atRest } from './rest.ts';
import type { RolloutScenario } from './scenario.ts';
import type { System } from './system.ts';

/**
 * Creates what there is from the start, and waits until all pods are ready.
 *
 * @throws `ERR_BATON_NOT_STARTED` when they are not in time
 */
export async function startAll(scenario: RolloutScenario, system: System, signal: AbortSignal): Promise<void> {
  const { cluster } = system;
  for (const namespace of namespacesOf(scenario)) {
    await cluster.create(namespaces, namespace as Namespace & { metadata: object });
  }
  for (const set of scenario.sidecarSets) await cluster.create<WireSet>(sidecarSets, set);
  const deadline = Date.now() + scenario.timeouts.start;
  // With their revisions registered, pods carry them from the start.
  await atRest(system, deadline, signal);
  for (const pod of scenario.pods) await cluster.create<WirePod>(pods, pod as WirePod);
  while (!signal.aborted) {
    const { items } = await cluster.list<WirePod>(pods);
    if ((await atRest(system, Math.min(deadline, Date.now() + 100), signal)) === 'settled' && items.every(isReady))
      return;
    if (Date.now() < deadline) continue;
    const late = items.find((pod) => !isReady(pod));
    throw notStarted(system, late, scenario.timeouts.start);
  }
}
