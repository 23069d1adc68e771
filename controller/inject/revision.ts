import { percentToFraction } from '../../api/int-or-percent.ts';
import type { ControllerRevision, Pod } from '../../api/kubernetes.ts';
import { revisionLabels } from '../../api/revision-labels.ts';
import { matches } from '../../api/selector.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { historyOf } from '../revisions/history.ts';
import { restore } from '../revisions/restore.ts';
import type { Warn } from './warnings.ts';

/** What the choice between a set's specs depends on. */
export interface RevisionChoice {
  /** ControllerRevisions of Baton's own namespace. */
  revisions: readonly ControllerRevision[];
  /** For `policy: Partial` with a percentage: a number from 0 to below 1. */
  draw: () => number;
  /** Sets whose newest revision is failing -> the newest revision that a pod has finished with (design section 4). */
  halted?: ReadonlyMap<string, string>;
}

/**
 * The set with the spec that a new pod gets: the one of `injectionStrategy.revision`, or the newest (`sidecarset.md` 2.3). A
 * revision that cannot be had never stops a pod (Q21): the newest spec is taken, which was validated when it was written.
 */
export function specToInject(set: SidecarSet, pod: Pod, choice: RevisionChoice, warn: Warn): SidecarSet {
  if (isPinned(set) && takesPinned(set, pod, choice.draw, warn)) {
    const pinned = pinnedSpec(set, choice.revisions, warn);
    if (pinned) return pinned;
  }
  return insteadOfNewest(set, choice, warn) ?? set;
}

/** Every spec that {@link specToInject} might have chosen for an earlier look at the same pod. */
export function possibleSpecs(set: SidecarSet, choice: RevisionChoice): SidecarSet[] {
  const silent: Warn = () => undefined;
  const stored = [
    ...(isPinned(set) ? [pinnedSpec(set, choice.revisions, silent)] : []),
    insteadOfNewest(set, choice, silent),
  ];
  return [set, ...stored.filter((spec) => spec !== undefined)];
}

function isPinned({ spec }: SidecarSet): boolean {
  const { revisionName, customVersion } = spec.injectionStrategy?.revision ?? {};
  return typeof revisionName === 'string' || typeof customVersion === 'string';
}

/** Whether this pod gets the pinned revision. What cannot be read counts as yes: nothing new spreads by mistake. */
function takesPinned({ spec }: SidecarSet, pod: Pod, draw: () => number, warn: Warn): boolean {
  const { paused, selector, partition } = spec.updateStrategy ?? {};
  if (paused || spec.injectionStrategy?.revision?.policy !== 'Partial') return true;
  try {
    if (selector && !matches(selector, pod.metadata?.labels)) return true;
  } catch (error) {
    warn(`updateStrategy.selector: ${(error as Error).message}; the pinned revision is injected`);
    return true;
  }
  if (typeof partition !== 'string') return false;
  const share = percentToFraction(partition);
  if (share === undefined) {
    warn(`updateStrategy.partition "${partition}" is no percentage; the pinned revision is injected`);
  }
  return share === undefined || draw() <= share;
}

function pinnedSpec(set: SidecarSet, revisions: readonly ControllerRevision[], warn: Warn): SidecarSet | undefined {
  const { revisionName, customVersion } = set.spec.injectionStrategy?.revision ?? {};
  if (typeof revisionName === 'string') return restored(set, revisionName, revisions, warn);
  const newest = customVersion
    ? historyOf(set, revisions).findLast(
        ({ metadata }) => metadata?.labels?.[revisionLabels.customVersion] === customVersion,
      )
    : undefined;
  if (newest) return restored(set, newest.metadata?.name ?? '', revisions, warn);
  warn(`no ControllerRevision has the custom version "${customVersion ?? ''}"; the newest spec is injected`);
  return undefined;
}

const insteadOfNewest = (
  set: SidecarSet,
  { halted, revisions }: RevisionChoice,
  warn: Warn,
): SidecarSet | undefined => {
  const name = halted?.get(set.metadata.name ?? '');
  return name === undefined ? undefined : restored(set, name, revisions, warn);
};

function restored(
  set: SidecarSet,
  name: string,
  revisions: readonly ControllerRevision[],
  warn: Warn,
): SidecarSet | undefined {
  const found = revisions.find(({ metadata }) => metadata?.name === name);
  try {
    if (found) return restore(set, found);
    warn(`there is no ControllerRevision "${name}"; the newest spec is injected`);
  } catch (error) {
    warn(`${(error as Error).message}; the newest spec is injected`);
  }
  return undefined;
}
