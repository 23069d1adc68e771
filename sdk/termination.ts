import { setTimeout as delay } from 'node:timers/promises';
import { connectionsOf, type Core } from './core.ts';
import type { Predecessor } from './predecessor.ts';
import type { Succession } from './succession.ts';

/** Kubernetes' own `terminationGracePeriodSeconds`, in milliseconds. */
export const GRACE_MS = 30_000;
/** How long before the kubelet's SIGKILL a process begins to let go, in milliseconds. */
export const MARGIN_MS = 2_000;
const LOOK_MS = 50;

/**
 * What a process does between SIGTERM and its exit; resolves when it may exit.
 *
 * - nothing served, or drained: at once; connections of a socket that the successor did not want end first;
 * - draining: when drained;
 * - it took over and its predecessor lives: when everything is given back;
 * - serving alone: when its clients are gone, because a proxy outlives its application;
 * - in any case when the grace period is nearly over.
 */
export async function leave(
  core: Core,
  parts: { successors: () => Predecessor | undefined; succession: () => Succession | undefined },
  graceMs: number,
): Promise<void> {
  const { keeper } = core;
  const deadline = performance.now() + Math.max(graceMs - MARGIN_MS, graceMs / 2);
  const left = (): number => deadline - performance.now();
  const successors = parts.successors();
  if (!successors) return;
  if (successors.accepting()) {
    keeper.update({ phase: 'stopping' });
    if (await parts.succession()?.giveBack(left())) return;
  }
  // The drain may take longer than this process has.
  if (!successors.accepting()) for (const server of core.servers.values()) server.dismiss?.(left());
  while (left() > 0) {
    const drained = !successors.accepting() && successors.drained();
    // What the successor did not take over ends here.
    if (drained) for (const server of core.servers.values()) server.finish();
    if ((drained || successors.accepting()) && connectionsOf(core) === 0) return;
    await delay(Math.min(LOOK_MS, left()));
  }
  if (!successors.accepting()) return;
  // The last moments: accept no more, and let what is in hand finish.
  for (const server of core.servers.values()) {
    server.finish();
    server.dismiss?.(MARGIN_MS / 2);
  }
  const end = performance.now() + MARGIN_MS / 2;
  while (performance.now() < end && connectionsOf(core) > 0) await delay(LOOK_MS);
}

/** Never settles but for the signal; the state file's heartbeat keeps the process alive. */
export const forever = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason as Error);
    signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
