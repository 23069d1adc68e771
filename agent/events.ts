import { findContainer } from '../api/containers.ts';
import { own } from '../api/json.ts';
import type { Pod } from '../api/kubernetes.ts';
import { newCopies, type UpgradePhase, type UpgradeRecord } from '../api/upgrade-record.ts';
import type { Happening } from '../cluster/service/recorder.ts';
import type { Handover, News } from './chronicle.ts';

/** What people are told of a pod (docs/agent.md). A phase is told once, also by an agent that comes after. */
export function happeningOf(pod: Pod, news: News): Happening {
  if (news.is === 'problem') {
    const { what, message, id } = news;
    const type = what === 'HeldBack' ? 'Normal' : 'Warning';
    return { type, reason: `HotUpgrade${what}`, message, ...(id !== undefined && { id }) };
  }
  if (news.is === 'pull') {
    const { image, result, ms, message } = news;
    if (result === 'pulled')
      return { type: 'Normal', reason: 'HotUpgradePulled', message: `${image} in ${seconds(ms)}` };
    const more = result === 'absent' ? 'there is no such image' : 'it is left to the kubelet';
    return { type: 'Warning', reason: 'HotUpgradePullFailed', message: `${image}: ${message}; ${more}` };
  }
  const { set, phase, record } = news;
  return {
    type: phase === 'RollingBack' || phase === 'Failed' ? 'Warning' : 'Normal',
    reason: reasons[phase],
    message: `SidecarSet ${set}: ${wordsOf(pod, news)}`,
    id: `${set} ${phase} ${record.revision} ${record.phaseAt}`,
  };
}

const reasons: Record<UpgradePhase, string> = {
  Pulling: 'HotUpgradePulling',
  Upgrading: 'HotUpgradeStarted',
  Soaking: 'HotUpgradeServing',
  Resetting: 'HotUpgradeResetting',
  Done: 'HotUpgradeDone',
  RollingBack: 'HotUpgradeRollingBack',
  Failed: 'HotUpgradeFailed',
  Withdrawn: 'HotUpgradeWithdrawn',
};

function wordsOf(pod: Pod, { phase, record, ms, handover }: News & { is: 'phase' }): string {
  const fresh = newCopies(record).join(', ');
  const old = oldCopies(record).join(', ');
  switch (phase) {
    case 'Pulling':
      return 'an image is pulled before anything is changed';
    case 'Upgrading':
      return Object.keys(record.previous.images)
        .filter((name) => !oldCopies(record).includes(name))
        .map((name) => `${name} gets ${findContainer(pod, name)?.container.image ?? ''}`)
        .join(', ');
    case 'Soaking':
      return `${fresh} serves after ${seconds(ms)}, ${old} drains`;
    case 'Resetting':
      return record.emptied.length > 0 ? `${record.emptied.join(', ')} becomes empty` : 'nothing is left to be emptied';
    case 'Done':
      return `done in ${seconds(ms)}${countsOf(handover)}`;
    case 'RollingBack':
      return `${failureOf(record)}; ${old || 'what was'} serves on`;
    case 'Failed':
      return failureOf(record);
    case 'Withdrawn':
      return 'the grant was taken back, nothing was changed';
  }
}

const oldCopies = ({ sidecars, previous }: UpgradeRecord): string[] =>
  Object.keys(sidecars).map((sidecar) => own(previous.working, sidecar) ?? '');

const failureOf = ({ reason, message }: UpgradeRecord): string => `${reason ?? 'failed'}: ${message ?? ''}`;

const countsOf = ({ pauses, moved, finished, cut }: Handover): string =>
  pauses.length === 0
    ? ''
    : `; pause ${Math.max(...pauses).toFixed(1)} ms, connections: ${moved} moved, ${finished} finished, ${cut} cut`;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
