import type { SidecarSet, SidecarSetCondition } from '../api/sidecar-set.ts';
import type { Happening } from '../cluster/service/recorder.ts';
import type { Plan } from './rollout/plan.ts';

/** What is to be told when a set's conditions become these: what changed, never what stays. */
export function eventsOf(
  { status }: Pick<SidecarSet, 'status'>,
  { notUpgradable }: Pick<Plan, 'notUpgradable'>,
  conditions: readonly SidecarSetCondition[],
): Happening[] {
  const events: Happening[] = [];
  for (const next of conditions) {
    const before = status?.conditions?.find(({ type }) => type === next.type);
    const { type, reason, message } = next;
    if (before?.status === next.status && before.reason === reason && before.message === message) continue;
    if (type === 'Halted' && next.status !== (before?.status ?? 'False')) {
      events.push(
        next.status === 'True'
          ? { type: 'Warning', reason: 'RolloutHalted', message }
          : { type: 'Normal', reason: 'RolloutResumed', message },
      );
    }
    if (type === 'Progressing' && reason === 'Complete' && before && before.reason !== reason) {
      events.push({ type: 'Normal', reason: 'RolloutComplete', message });
    }
    if (type !== 'Degraded' || next.status !== 'True') continue;
    if (reason !== 'NotUpgradable') events.push({ type: 'Warning', reason, message });
    if (notUpgradable.length > 0) {
      // OpenKruise's words, which people's tools look for.
      const said = `SidecarSet in-place update detected ${notUpgradable.length} not upgradable pod(s) in this round, will skip them.`;
      events.push({ type: 'Normal', reason: 'NotUpgradablePods', message: said });
    }
  }
  return events;
}
