import type { Grant } from '../../api/grant.ts';
import type { Pod } from '../../api/kubernetes.ts';
import type { UpgradePhase, UpgradeRecord } from '../../api/upgrade-record.ts';
import { phaseOf } from '../../api/upgrade-record.ts';
import { aftermath, finish, stopping } from './ending.ts';
import { copyOf, isShown } from './evidence.ts';
import { judge } from './judging.ts';
import { rewrite } from './patches.ts';
import { planOf } from './plan.ts';
import { start } from './starting.ts';
import type { Step } from './step.ts';
import { blocked, nothing, patch } from './step.ts';
import { foundHalfWay } from './takeover.ts';
import type { Memory, View } from './view.ts';
import { grantsOn, malformedOn, recordsOn } from './view.ts';

export interface Decision {
  step: Step;
  /** For the next look of this agent process at this pod. */
  memory: Memory;
}

/**
 * The agent's transition table (design section 4): what to do next for one pod, from what is seen now. First match wins; the
 * agent may die after any step, and another one goes on from the pod. Never throws, whatever the annotations and files say.
 */
export function decide(view: View, memory: Memory): Decision {
  const obstacle = obstacleOf(view);
  if (obstacle !== undefined) return { step: nothing(obstacle), memory };
  const records = recordsOn(view.pod);
  const grants = grantsOn(view.pod);
  const malformed = malformedOn(view.pod);
  const open = setsUnderWay(view);
  // Sets go one after the other: no other one starts while one is under way, or may be.
  const isKnown = !malformed.has('');
  const sets = open.length > 0 || !isKnown ? open : [...grants.keys()];
  const decisions = sets
    .filter((set) => open.includes(set) || !malformed.has(set))
    .map((set) => decideSet(view, set, records.get(set), grants.get(set), memory));
  const acting = decisions.find(({ step }) => step.do !== 'nothing' && step.do !== 'wait' && step.do !== 'degraded');
  const waiting = decisions.find(({ step }) => step.do !== 'nothing');
  const told = decisions.find(({ step }) => step.do === 'nothing' && step.blocked);
  const [unread] = [...malformed].map(([set, problem]) => ({ step: blocked(set, problem), memory }));
  return acting ?? waiting ?? told ?? unread ?? decisions[0] ?? { step: nothing('nothing is granted'), memory };
}

/** Whether the pod's own words ask for anything: if not, {@link decide} needs no look at the node. */
export function isConcerned(pod: Pod, now: number): boolean {
  const view: View = { pod, now, stateFiles: new Map(), mayStart: false };
  return obstacleOf(view) === undefined && (grantsOn(pod).size > 0 || setsUnderWay(view).length > 0);
}

/** Whether the pod takes one of the node's places: an upgrade of it is under way, and goes on. */
export function isUnderWay(view: View): boolean {
  return obstacleOf(view) === undefined && setsUnderWay(view).length > 0;
}

/** The sets whose upgrade of the pod is under way. */
export function setsUnderWay(view: View): string[] {
  return [...recordsOn(view.pod)].filter(([, record]) => isOpen(phaseIn(view, record))).map(([set]) => set);
}

/** The phase that an upgrade is in, seen with the runtime's eyes. */
export function phaseIn(view: View, record: UpgradeRecord): UpgradePhase {
  return phaseOf(record, (container) => {
    const copy = copyOf(view, container, record);
    return { id: copy.id, running: copy.running && !copy.isOutdated, ready: isShown(copy) };
  });
}

/** An upgrade in this phase goes on. */
export const isOpen = (phase: UpgradePhase): boolean => !['Done', 'Failed', 'Withdrawn'].includes(phase);

/** Rule (1). */
function obstacleOf({ pod }: View): string | undefined {
  if (pod.metadata?.deletionTimestamp !== undefined) return 'the pod is being deleted';
  const phase = pod.status?.phase;
  return phase === 'Succeeded' || phase === 'Failed' ? `the pod has ended (${phase})` : undefined;
}

function decideSet(
  view: View,
  set: string,
  record: UpgradeRecord | undefined,
  grant: Grant | undefined,
  before: Memory,
): Decision {
  if (!record) return decideNew(view, set, undefined, grant, before);
  const memory = memoryFor(before, set, record);
  const decided = (step: Step): Decision => ({ step, memory });
  const isNewer = grant !== undefined && grant.revision !== record.revision;
  switch (phaseIn(view, record)) {
    case 'Pulling':
      return decided(grant ? start(view, set, grant, record) : withdraw(view, set, record));
    case 'Upgrading':
    case 'Soaking':
      return judge(view, { set, record, isWritten: true }, grant, memory);
    case 'Resetting':
    case 'RollingBack': {
      // The empty image may never start; that is no reason to refuse the next one.
      const isFree = isNewer && stopping(view, record).length === 0;
      return decided(isFree ? start(view, set, grant, record) : finish(view, set, record));
    }
    case 'Failed': {
      // Both copies were left as they are (`rollback: Never`).
      const isLeft = record.phase === 'Failed' && Object.keys(record.sidecars).length > 0;
      if (isLeft) return judge(view, { set, record, isWritten: true }, grant, memory);
      const next = decideNew(view, set, record, grant, memory);
      return next.step.do === 'nothing' ? decided(aftermath(view, set, record) ?? next.step) : next;
    }
    default:
      return decideNew(view, set, record, grant, memory);
  }
}

/** No upgrade of the set is under way, as far as Baton knows. */
function decideNew(
  view: View,
  set: string,
  earlier: UpgradeRecord | undefined,
  grant: Grant | undefined,
  memory: Memory,
): Decision {
  if (!grant) return { step: nothing(`${set}: nothing is granted`), memory };
  const found = halfWay(view, set, grant, earlier);
  if (found) return judge(view, { set, record: found, isWritten: false }, grant, memoryFor(memory, set, found));
  return { step: start(view, set, grant, earlier), memory };
}

function halfWay(view: View, set: string, grant: Grant, earlier: UpgradeRecord | undefined): UpgradeRecord | undefined {
  const plan = planOf(view, set, grant, undefined, () => true);
  return 'blocked' in plan ? undefined : foundHalfWay(view, set, grant, plan, earlier);
}

/** The grant was taken back before anything was changed. */
function withdraw(view: View, set: string, record: UpgradeRecord): Step {
  return patch(view, set, rewrite(view, set, { ...record, phase: 'Withdrawn' }), 'the grant was withdrawn');
}

function memoryFor(memory: Memory, set: string, record: UpgradeRecord): Memory {
  const attempt = `${set} ${record.hash} ${record.highestVersion}`;
  return memory.attempt === attempt ? memory : { firstLookAt: memory.firstLookAt, attempt };
}
