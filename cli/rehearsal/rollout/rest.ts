import { sidecarSets } from '../../../cluster/resource.ts';
import type { Plan } from '../../../controller/rollout/plan.ts';
import type { Verdict } from '../../../controller/rollout/verdict.ts';
import { pause } from '../pace.ts';
import type { System } from './system.ts';

/** How a step ended: nothing moves any more, or its time was up. */
export type Rest = 'settled' | 'timed-out' | 'interrupted';

const MOVING: readonly Verdict[] = ['upgrade', 'grant', 'upgrading'];

/**
 * Waits until nothing moves: the controller has seen the newest state and has nothing to do now, no upgrade is under way, and
 * every pod of every set is ready.
 *
 * @throws what went wrong with the system itself
 */
export async function atRest(system: System, deadline: number, signal: AbortSignal): Promise<Rest> {
  for (;;) {
    const failure = system.failure();
    if (failure) throw failure;
    if (signal.aborted) return 'interrupted';
    if (await isAtRest(system)) return 'settled';
    if (Date.now() >= deadline) return 'timed-out';
    await pause(20, signal);
  }
}

async function isAtRest({ cluster, controller }: System): Promise<boolean> {
  const seen = controller.seen();
  if (!seen || ![...seen.plans.values()].every(isStill)) return false;
  const { resourceVersion } = await cluster.list(sidecarSets, { limit: 1 });
  return resourceVersion === seen.resourceVersion;
}

const isStill = ({ pods, status }: Plan): boolean =>
  status.readyPods === status.matchedPods && pods.every(({ verdict }) => !MOVING.includes(verdict));
