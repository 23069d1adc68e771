import type { UpgradePhase, UpgradeRecord } from '../api/upgrade-record.ts';
import { isOpen, phaseIn } from './hot-upgrade/decide.ts';
import { pairsOf } from './hot-upgrade/evidence.ts';
import type { Step } from './hot-upgrade/step.ts';
import type { Memory, Pull, View } from './hot-upgrade/view.ts';
import { recordsOn } from './hot-upgrade/view.ts';

/** What is worth telling of a pod: for events, metrics and the log. Durations are milliseconds. */
export type News =
  | {
      is: 'phase';
      set: string;
      phase: UpgradePhase;
      record: UpgradeRecord;
      /** This process has looked at the pod before: another one told nothing of it. */
      isNew: boolean;
      /** The phase of the same upgrade before, and how long it lasted, where this process saw it. */
      before?: { phase: UpgradePhase; ms: number };
      /** From the first change of the pod. */
      ms: number;
      handover: Handover;
    }
  | { is: 'pull'; image: string; result: Exclude<Pull['state'], 'running'>; ms: number; message: string }
  | { is: 'problem'; what: 'Degraded' | 'Blocked' | 'HeldBack'; message: string; id?: string };

/** What the copies counted, of all sidecars of a set; zeros without the SDK. */
export interface Handover {
  /** From connecting to the predecessor until accepting, of each sidecar that says so. */
  pauses: readonly number[];
  moved: number;
  finished: number;
  cut: number;
}

/** What was told of a pod, from look to look of one agent process. */
export interface Chronicle {
  phases: ReadonlyMap<string, Told>;
  /** Image -> when it was asked for. */
  pulling: ReadonlyMap<string, number>;
  problem?: string;
}

interface Told {
  phase: UpgradePhase;
  /** Of the write that led to it. */
  writtenAt: number;
  since: number;
  handover: Handover;
}

/** How long ago a phase may have begun that an agent which comes new tells of, in milliseconds; events are kept for an hour. */
const NEWS = 1_800_000;

/** What a look at a pod adds to what was told of it. */
export function chronicle(
  told: Chronicle | undefined,
  view: View,
  step: Step,
  { servingSince }: Memory,
): { chronicle: Chronicle; news: readonly News[] } {
  const phases = new Map<string, Told>();
  const news: News[] = [];
  for (const [set, record] of recordsOn(view.pod)) {
    const seen = phaseIn(view, record);
    // The kubelet's word that a copy is ready is not enough.
    const phase = seen === 'Soaking' && servingSince === undefined ? 'Upgrading' : seen;
    const before = told?.phases.get(set);
    const handover = handoverIn(view, record) ?? before?.handover ?? nothingCounted;
    if (before?.phase === phase && before.writtenAt === record.phaseAt) {
      phases.set(set, { ...before, handover });
      continue;
    }
    const since = record.phase === phase ? record.phaseAt : view.now;
    phases.set(set, { phase, writtenAt: record.phaseAt, since, handover });
    if (!before && view.now - record.phaseAt > NEWS) continue;
    news.push({
      is: 'phase',
      set,
      phase,
      record,
      isNew: told !== undefined,
      ...(before && isOpen(before.phase) && { before: { phase: before.phase, ms: Math.max(0, since - before.since) } }),
      ms: Math.max(0, since - record.startedAt),
      handover,
    });
  }
  const pulling = new Map(told?.pulling);
  for (const [image, askedAt] of pulling) {
    const pull = view.images?.pulls.get(image);
    if (pull?.state === 'running') continue;
    pulling.delete(image);
    if (!pull) continue;
    const message = 'message' in pull ? pull.message : '';
    news.push({ is: 'pull', image, result: pull.state, ms: view.now - askedAt, message });
  }
  if (step.do === 'pull') pulling.set(step.image, view.now);
  const problem = problemIn(view, step);
  if (problem && problem.key !== told?.problem) news.push(problem.news);
  return { chronicle: { phases, pulling, ...(problem && { problem: problem.key }) }, news };
}

/** How many upgrades of a pod were under way when it was last looked at. */
export function countOpen(told: Chronicle | undefined): number {
  return [...(told?.phases.values() ?? [])].filter(({ phase }) => isOpen(phase)).length;
}

function problemIn({ heldBack, pod }: View, step: Step): { key: string; news: News } | undefined {
  if (step.do === 'degraded') {
    // Its words carry times; it is told once for each write.
    const key = `Degraded ${step.set} ${recordsOn(pod).get(step.set)?.phaseAt ?? ''}`;
    const message = `SidecarSet ${step.set}: ${step.because}`;
    return { key, news: { is: 'problem', what: 'Degraded', message, id: key } };
  }
  if (step.do === 'nothing' && step.blocked) {
    return { key: step.because, news: { is: 'problem', what: 'Blocked', message: step.because, id: step.because } };
  }
  return heldBack === undefined
    ? undefined
    : { key: heldBack, news: { is: 'problem', what: 'HeldBack', message: `no upgrade begins: ${heldBack}` } };
}

const nothingCounted: Handover = { pauses: [], moved: 0, finished: 0, cut: 0 };
/** More than this no sidecar counts in earnest: the figures are its own to write. */
const MOST = 10_000_000;

/** What the copies say while both can: the old one's file may go with its process. */
function handoverIn(view: View, record: UpgradeRecord): Handover | undefined {
  if (record.phase !== 'Upgrading') return undefined;
  const pairs = pairsOf(view, record);
  const sum = (name: 'moved' | 'finished' | 'cut'): number =>
    pairs.reduce((all, { old }) => all + Math.min(MOST, Math.trunc(old.file?.counters[name] ?? 0)), 0);
  return {
    pauses: pairs.flatMap(({ new: copy }) => {
      const ms = copy.file?.counters.handoverMs;
      return ms === undefined ? [] : [Math.min(MOST, ms)];
    }),
    moved: sum('moved'),
    finished: sum('finished'),
    cut: sum('cut'),
  };
}
