import { connect } from 'node:net';
import type { Namespace } from '../../../api/kubernetes.ts';
import { namespaces, pods, sidecarSets } from '../../../cluster/resource.ts';
import { isReady, type WirePod, type WireSet } from './home.ts';
import { notStarted } from './logs.ts';
import { pause } from '../pace.ts';
import { keyOf, namespacesOf } from './places.ts';
import { atRest } from './rest.ts';
import type { RolloutScenario } from './scenario.ts';
import type { System } from './system.ts';

/**
 * Creates what there is from the start, and waits until all pods are ready, and answer on the port that the load will use: a
 * sidecar without a postStart hook counts as ready before it serves.
 *
 * @throws `ERR_BATON_NOT_STARTED` when they are not in time
 */
export async function startAll(
  scenario: RolloutScenario,
  system: System,
  addresses: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const { cluster } = system;
  for (const namespace of namespacesOf(scenario)) {
    await cluster.create(namespaces, namespace as Namespace & { metadata: object });
  }
  for (const set of scenario.sidecarSets) await cluster.create<WireSet>(sidecarSets, set);
  const deadline = Date.now() + scenario.timeouts.start;
  // With their revisions registered, pods carry them from the start.
  await atRest(system, deadline, signal);
  for (const pod of scenario.pods) await cluster.create<WirePod>(pods, pod as WirePod);
  const silentOne = async (all: readonly WirePod[]): Promise<WirePod | undefined> => {
    if (scenario.load.kind === 'none') return undefined;
    for (const pod of all) if (!(await answers(addresses.get(keyOf(pod)) ?? '', scenario.port))) return pod;
    return undefined;
  };
  while (!signal.aborted) {
    const { items } = await cluster.list<WirePod>(pods);
    const result = await atRest(system, Math.min(deadline, Date.now() + 100), signal);
    const late = items.find((pod) => !isReady(pod)) ?? (await silentOne(items));
    if (result === 'settled' && !late) return;
    if (Date.now() >= deadline) throw notStarted(system, late, scenario);
    await pause(20, signal);
  }
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (does: boolean): void => {
      socket.destroy();
      resolve(does);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
