import { randomUUID } from 'node:crypto';
import { printTime } from '../api/go-json.ts';
import type { SidecarSet, SidecarSetCondition } from '../api/sidecar-set.ts';
import type { KubernetesObject } from '../cluster/cluster.ts';
import type { Plan } from './rollout/plan.ts';

/** Something about a set that people want to be told once. */
export interface SetEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
}

/** What is to be told when a set's conditions become these: what changed, never what stays. */
export function eventsOf(
  { status }: Pick<SidecarSet, 'status'>,
  { notUpgradable }: Pick<Plan, 'notUpgradable'>,
  conditions: readonly SidecarSetCondition[],
): SetEvent[] {
  const events: SetEvent[] = [];
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

/**
 * The Event object; those of objects without a namespace are kept in `default`.
 *
 * @param now - milliseconds since the epoch
 */
export function eventObject(
  { metadata }: SidecarSet,
  { type, reason, message }: SetEvent,
  now: number,
): KubernetesObject & Record<string, unknown> {
  const { name = '', uid, resourceVersion } = metadata;
  const time = printTime(now);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace: 'default', name: `${name.slice(0, 200)}.${randomUUID().slice(0, 8)}` },
    involvedObject: { apiVersion: 'apps.kruise.io/v1beta1', kind: 'SidecarSet', name, uid, resourceVersion },
    type,
    reason,
    message: message.slice(0, 1024),
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
    source: { component: 'baton-controller' },
    reportingComponent: 'baton-controller',
    reportingInstance: '',
  };
}
