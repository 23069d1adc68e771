import type { Grant } from '../../api/grant.ts';
import { readGrants } from '../../api/grant.ts';
import { grantKey, upgradeKey } from '../../api/pod-contract.ts';
import type { UpgradePhase, UpgradeRecord } from '../../api/upgrade-record.ts';
import { phaseOf, readRecords } from '../../api/upgrade-record.ts';
import { aftermath, finish, stopping } from './ending.ts';
import { copyOf, isShown } from './evidence.ts';
import type { Running } from './judging.ts';
import { judge } from './judging.ts';
import { rewrite } from './patches.ts';
import { planOf } from './plan.ts';
import { start } from './starting.ts';
import type { Step } from './step.ts';
import { nothing, patch } from './step.ts';
import { foundHalfWay } from './takeover.ts';
import type { Memory, View } from './view.ts';
import { grantOf, recordOf, setsOf } from './view.ts';

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
  const annotations = view.pod.metadata?.annotations ?? {};
  const open = setsOf(readRecords(annotations[upgradeKey])).filter((set) => isOpen(phaseIn(view, set)));
  const granted = setsOf(readGrants(annotations[grantKey]));
  // Sets go one after the other: no other one starts while one is under way.
  const decisions = (open.length > 0 ? open : granted).map((set) => decideSet(view, set, memory));
  const acting = decisions.find(({ step }) => step.do !== 'nothing' && step.do !== 'wait' && step.do !== 'degraded');
  const waiting = decisions.find(({ step }) => step.do !== 'nothing');
  return acting ?? waiting ?? decisions[0] ?? { step: nothing('nothing is granted'), memory };
}

/** The phase that one set's upgrade of the pod is in, seen with the runtime's eyes; `undefined` when there never was one. */
export function phaseIn(view: View, set: string): UpgradePhase | undefined {
  const record = recordOf(view.pod, set);
  if (!record) return undefined;
  return phaseOf(record, (container) => {
    const copy = copyOf(view, container, record);
    return { id: copy.id, running: copy.running, ready: isShown(copy) };
  });
}

/** Whether an upgrade in this phase is under way, and takes one of the node's places. */
export function isOpen(phase: UpgradePhase | undefined): boolean {
  return phase !== undefined && !['Done', 'Failed', 'Withdrawn'].includes(phase);
}

/** Rule (1). */
function obstacleOf({ pod }: View): string | undefined {
  if (pod.metadata?.deletionTimestamp !== undefined) return 'the pod is being deleted';
  const phase = pod.status?.phase;
  return phase === 'Succeeded' || phase === 'Failed' ? `the pod has ended (${phase})` : undefined;
}

function decideSet(view: View, set: string, before: Memory): Decision {
  const record = recordOf(view.pod, set);
  const grant = grantOf(view.pod, set);
  const newer = grant && grant.revision !== record?.revision ? grant : undefined;
  const memory = memoryFor(before, set, record);
  const decided = (step: Step): Decision => ({ step, memory });
  const running = (its: UpgradeRecord, isWritten: boolean): Running => ({ set, record: its, isWritten });
  switch (phaseIn(view, set)) {
    case 'Pulling':
      return decided(grant ? start(view, set, grant, record) : withdraw(view, set, record));
    case 'Upgrading':
    case 'Soaking':
      return record ? judge(view, running(record, true), grant, memory) : decided(nothing(set));
    case 'Resetting':
    case 'RollingBack':
      if (!record) return decided(nothing(set));
      // The empty image may never start; that is no reason to refuse the next one.
      if (newer && stopping(view, record).length === 0) return decided(start(view, set, newer, record));
      return decided(finish(view, set, record));
    default:
      break;
  }
  // Both copies were left as they are (`rollback: Never`).
  if (record?.phase === 'Failed' && Object.keys(record.sidecars).length > 0) {
    return judge(view, running(record, true), grant, memory);
  }
  const after = record?.phase === 'RollingBack' ? aftermath(view, set, record) : undefined;
  if (!grant) return decided(after ?? nothing(`${set}: nothing is granted`));
  const found = halfWay(view, set, grant, record);
  if (found) return judge(view, running(found, false), grant, memoryFor(before, set, found));
  const step = start(view, set, grant, record);
  return decided(step.do === 'nothing' ? (after ?? step) : step);
}

function halfWay(view: View, set: string, grant: Grant, earlier: UpgradeRecord | undefined): UpgradeRecord | undefined {
  const plan = planOf(view, set, grant, undefined, () => true);
  return 'blocked' in plan ? undefined : foundHalfWay(view, set, grant, plan, earlier);
}

/** The grant was taken back before anything was changed. */
function withdraw(view: View, set: string, record: UpgradeRecord | undefined): Step {
  if (!record) return nothing(set);
  return patch(view, set, rewrite(view, set, { ...record, phase: 'Withdrawn' }), 'the grant was withdrawn');
}

function memoryFor(memory: Memory, set: string, record: UpgradeRecord | undefined): Memory {
  if (!record) return memory;
  const attempt = `${set} ${record.hash} ${record.highestVersion}`;
  return memory.attempt === attempt ? memory : { firstLookAt: memory.firstLookAt, attempt };
}
