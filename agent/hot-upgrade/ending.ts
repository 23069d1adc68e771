import { copyOf, isFresh, isLeftOver, pairsOf } from './evidence.ts';
import type { Copy, Pair } from './evidence.ts';
import type { UpgradeRecord } from '../../api/upgrade-record.ts';
import { waitFor } from './judging.ts';
import type { Step } from './step.ts';
import type { View } from './view.ts';

/** How long a copy that was rolled back may take to stop before it is stopped by force, in milliseconds. */
const rollBackPatience = 3_000;
/** How long the old copy may take to serve again after a roll-back, in milliseconds. */
export const takeBackPatience = 10_000;

/** Containers that were given the empty image and do not run it yet. */
export function stopping(view: View, record: UpgradeRecord): Copy[] {
  return record.emptied.map((name) => copyOf(view, name, record)).filter(isLeftOver);
}

/**
 * After the last patch: the emptied containers stop and start. A new copy that is given up is helped along through the runtime,
 * because its hook may block the kubelet's worker; an old one too, when it had more than its time to end.
 */
export function finish(view: View, set: string, record: UpgradeRecord): Step {
  const [still] = stopping(view, record);
  if (!still)
    return (
      aftermath(view, set, record) ?? waitFor(view, set, `${record.emptied.join(', ')}: the empty image starts`, [])
    );
  const because = `${still.name} is stopping`;
  const isOld = Object.values(record.previous.working).includes(still.name);
  const graceful = (view.pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000 + takeBackPatience;
  const patience = record.phaseAt + (isOld ? graceful : rollBackPatience);
  if (view.now < patience || !view.runtime) return waitFor(view, set, because, [patience]);
  return { do: 'stop-container', set, container: still.name, id: still.id, because };
}

/** After a roll-back: whether the old copies serve again. */
export function aftermath(view: View, set: string, record: UpgradeRecord): Step | undefined {
  if (record.phase !== 'RollingBack') return undefined;
  const silent = pairsOf(view, record).find((pair) => pair.oldUsesSdk && !servesAgain(pair, view.now));
  if (!silent) return undefined;
  const because = `${silent.old.name} does not serve after the roll-back`;
  const patience = record.phaseAt + takeBackPatience;
  if (view.now < patience) return waitFor(view, set, because, [patience]);
  return { do: 'degraded', set, because, again: view.now + takeBackPatience };
}

const servesAgain = ({ old }: Pair, now: number): boolean => old.state?.phase === 'serving' && isFresh(old.state, now);
