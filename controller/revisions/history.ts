import { compareBytes } from '../../api/json.ts';
import type { ControllerRevision, ObjectMeta } from '../../api/kubernetes.ts';
import { revisionLabels } from '../../api/revision-labels.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { dataText, revisionData } from './data.ts';
import { newRevision } from './revision.ts';

/** What to do so that the set's spec is its newest revision. */
export interface Registration {
  /** `reuse`: nothing; `raise`: write the number, an older revision becomes the newest again; `create`: it is new. */
  action: 'reuse' | 'raise' | 'create';
  /** The newest revision as it is to be, its label with the set's custom version included. */
  revision: ControllerRevision;
  /** Whether a stored revision's labels are not what the set's make them, and are to be patched. */
  relabel: boolean;
  /** For the set's status: how many names were taken so far by other data. */
  collisionCount: number;
}

/**
 * Chooses the revision that records a set's spec (`sidecarset.md` 4.9).
 *
 * @param revisions - the stored ones that are known, of this set and, should a name be taken, the one that has it: when
 *   the API server answers that the name exists, get that revision, add it, and choose again
 */
export function register(
  set: SidecarSet,
  revisions: readonly ControllerRevision[],
  { namespace }: { namespace: string },
): Registration {
  const history = historyOf(set, revisions);
  const data = revisionData(set);
  const newest = history.at(-1);
  const next = (newest?.revision ?? 0) + 1;
  const collisionCount = set.status?.collisionCount ?? 0;

  const equal = history.findLast((stored) => dataText(stored) === data);
  if (equal && equal === newest) return found(set, equal, 'reuse', collisionCount);
  if (equal) return found(set, { ...equal, revision: next }, 'raise', collisionCount);

  const byName = new Map(revisions.map((stored) => [stored.metadata?.name, stored]));
  let firstLabels: ObjectMeta['labels'];
  for (let collisions = collisionCount; ; collisions++) {
    const revision = newRevision(set, { namespace, revision: next, collisionCount: collisions });
    firstLabels ??= revision.metadata?.labels;
    const stored = byName.get(revision.metadata?.name);
    if (!stored) {
      // Where names were taken, OpenKruise changes only the name: the label keeps the first hash.
      const created = { ...revision, metadata: { ...revision.metadata, ...(firstLabels && { labels: firstLabels }) } };
      return { action: 'create', revision: created, relabel: false, collisionCount: collisions };
    }
    if (dataText(stored) !== data) continue;
    // Somebody took its label away, else it were in the history.
    if (stored.revision >= next) return found(set, stored, 'reuse', collisions);
    return found(set, { ...stored, revision: next }, 'raise', collisions);
  }
}

function found(
  set: SidecarSet,
  stored: ControllerRevision,
  action: 'reuse' | 'raise',
  collisionCount: number,
): Registration {
  const { customVersion } = set.spec;
  const labels = stored.metadata?.labels ?? {};
  const wanted = {
    [revisionLabels.set]: set.metadata.name ?? '',
    ...(customVersion && { [revisionLabels.customVersion]: customVersion }),
  };
  const relabel = Object.entries(wanted).some(([label, value]) => labels[label] !== value);
  const revision = relabel ? { ...stored, metadata: { ...stored.metadata, labels: { ...labels, ...wanted } } } : stored;
  return { action, revision, relabel, collisionCount };
}

/** A set's own revisions, oldest first. */
export function historyOf(set: SidecarSet, revisions: readonly ControllerRevision[]): ControllerRevision[] {
  return revisions
    .filter(({ metadata }) => metadata?.labels?.[revisionLabels.set] === set.metadata.name)
    .toSorted(
      (a, b) =>
        a.revision - b.revision ||
        compareBytes(a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? '') ||
        compareBytes(a.metadata?.name ?? '', b.metadata?.name ?? ''),
    );
}

const DEFAULT_LIMIT = 10;

/**
 * The revisions to delete, oldest first, so that no more than `revisionHistoryLimit` (at least 1) remain. The newest is kept,
 * and so is what is in use, even above the limit.
 *
 * @param revisions - the stored ones, the newest registered already
 * @param usedByPods - names of the revisions that matched pods carry
 */
export function toDelete(
  set: SidecarSet,
  revisions: readonly ControllerRevision[],
  usedByPods: ReadonlySet<string>,
): ControllerRevision[] {
  const history = historyOf(set, revisions);
  const surplus = history.length - Math.max(1, set.spec.revisionHistoryLimit ?? DEFAULT_LIMIT);
  if (surplus <= 0) return [];
  const { revisionName, customVersion } = set.spec.injectionStrategy?.revision ?? {};
  const injected = customVersion
    ? history.findLast(({ metadata }) => metadata?.labels?.[revisionLabels.customVersion] === customVersion)
    : undefined;
  const inUse = new Set([...usedByPods, revisionName, injected?.metadata?.name]);
  return history
    .slice(0, -1)
    .filter(({ metadata }) => !inUse.has(metadata?.name))
    .slice(0, surplus);
}
