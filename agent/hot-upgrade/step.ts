import type { RecordedPhase } from '../../api/upgrade-record.ts';
import type { JsonPatch } from '../../cluster/cluster.ts';
import type { Write } from './patches.ts';
import type { View } from './view.ts';

/** What to do next for one pod: at most one write, and it carries the resourceVersion that it was computed from. */
export type Step =
  /** Nothing is asked of this pod, or nothing may be done; `blocked`: until somebody mends the pod. */
  | { do: 'nothing'; because: string; blocked?: true }
  /** Look again when something changes, at the latest at `again` (milliseconds since the epoch). */
  | { do: 'wait'; set: string; because: string; again: number }
  /** Begin to pull, and look again when that ended. */
  | { do: 'pull'; set: string; image: string }
  /** On a conflict: read again, decide again. */
  | { do: 'patch'; set: string; phase: RecordedPhase; because: string; patch: JsonPatch; resourceVersion: string }
  /** Through the container runtime: the kubelet's worker for the pod may be blocked. */
  | { do: 'stop-container'; set: string; container: string; id: string; because: string }
  /** Neither copy serves, or the old one cannot take back: report it, touch nothing, look again. */
  | { do: 'degraded'; set: string; because: string; again: number };

export function nothing(because: string): Step {
  return { do: 'nothing', because };
}

/** What is on the pod cannot be understood: it is left as it is. */
export function blocked(set: string, problem: string): Step {
  return { do: 'nothing', because: set === '' ? problem : `${set}: ${problem}`, blocked: true };
}

/** Why an upgrade does not begin yet. */
export function heldBack(view: View): string {
  return view.heldBack ?? 'the node carries out enough upgrades';
}

/** A write of the pod in the state in which it was seen. */
export function patch({ pod }: View, set: string, write: Write, because: string): Step {
  const resourceVersion = pod.metadata?.resourceVersion ?? '';
  return { do: 'patch', set, phase: write.record.phase, because, patch: write.patch, resourceVersion };
}
