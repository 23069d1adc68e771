import { isUpdateCompleted, recordedImages } from '../../api/consistency.ts';
import { bareID, findContainer, statusOf } from '../../api/containers.ts';
import type { Grant } from '../../api/grant.ts';
import { hotDefaults } from '../../api/grant.ts';
import { isHalfUpgraded, rolesOf } from '../../api/hot-pair.ts';
import { own } from '../../api/json.ts';
import type { HashEntry } from '../../api/pod-annotations.ts';
import { highestVersion, readHashes, readInPlaceStates, readVersion } from '../../api/pod-annotations.ts';
import { copies, hashKey, inPlaceStateKey, otherCopy, versionKey } from '../../api/pod-contract.ts';
import { valueOr } from '../../api/reading.ts';
import type { Previous, UpgradeRecord, UpgradingSidecar } from '../../api/upgrade-record.ts';
import { folderProblem } from './folder.ts';
import type { View } from './view.ts';

/** What is to be done to one hot sidecar. */
export interface PairPlan {
  sidecar: string;
  /**
   * `upgrade`: the new copy gets the image. `keep`: it has it already. `revert`: the old copy runs the granted image, so
   * that the new one becomes empty (Q1). `none`: the pair is idle and runs the granted image.
   */
  what: 'upgrade' | 'keep' | 'revert' | 'none';
  old: string;
  new: string;
  image: string;
  settings: UpgradingSidecar;
  /** An upgrade was under way before this one. */
  half: boolean;
}

/** What a grant asks for, given what the pod is now. */
export interface Plan {
  pairs: PairPlan[];
  /** Cold containers whose image changes -> the granted one. */
  cold: ReadonlyMap<string, string>;
  /** The pod carries another hash for this set. */
  changesHash: boolean;
}

/**
 * Compares a grant with the pod.
 *
 * @param base an upgrade of the set that is under way
 * @param canGoBackTo whether an old copy, still running the granted image, could serve
 * @returns what stands against it, where the pod is not as injected
 */
export function planOf(
  view: View,
  set: string,
  grant: Grant,
  base: UpgradeRecord | undefined,
  canGoBackTo: (sidecar: string) => boolean,
): Plan | { blocked: string } {
  const { pod } = view;
  const annotations = pod.metadata?.annotations ?? {};
  const image = (container: string): string | undefined => findContainer(pod, container)?.container.image;
  const pairs: PairPlan[] = [];
  const cold = new Map<string, string>();
  for (const [sidecar, granted] of Object.entries(grant.sidecars)) {
    if (granted.emptyImage === undefined) {
      const present = image(sidecar);
      if (present === undefined) return { blocked: `container ${sidecar} is missing` };
      if (present !== granted.image) cold.set(sidecar, granted.image);
      continue;
    }
    const { emptyImage } = granted;
    const facts = { sidecar, emptyImage, annotations, image };
    const roles = rolesOf(facts);
    if (!roles) return { blocked: `the copies of ${sidecar} are missing, or nothing says which one serves` };
    const strange = folderProblem(pod, sidecar);
    if (strange !== undefined) return { blocked: strange };
    const recorded = own(base?.previous.working, sidecar);
    const half = recorded !== undefined || isHalfUpgraded(facts, roles);
    const old = recorded ?? (half ? roles.other : roles.working);
    const fresh = otherCopy(sidecar, old);
    const { migrationTimeoutSeconds, drainTimeoutSeconds, soakSeconds, rollback } = { ...hotDefaults, ...granted };
    const settings = { emptyImage, migrationTimeoutSeconds, drainTimeoutSeconds, soakSeconds, rollback };
    let what: PairPlan['what'] = 'upgrade';
    if (image(old) === granted.image && !half) what = 'none';
    else if (image(old) === granted.image && canGoBackTo(sidecar)) what = 'revert';
    else if (image(fresh) === granted.image && half) what = 'keep';
    pairs.push({ sidecar, what, old, new: fresh, image: granted.image, settings, half });
  }
  return { pairs, cold, changesHash: podHashOf(view, set)?.hash !== grant.hash };
}

/** The set's entry of the pod's hash annotation. */
export function podHashOf({ pod }: View, set: string): HashEntry | undefined {
  return valueOr(readHashes(pod.metadata?.annotations?.[hashKey]), new Map<string, HashEntry>()).get(set);
}

/** More than every version that was used in the pod, and at least the grant's (Q30). */
export function nextVersion(view: View, grant: Grant, record: UpgradeRecord | undefined): string {
  const highest = highestUsed(view, grant, record) + 1n;
  const granted = readVersion(grant.version) ?? 0n;
  return (granted > highest ? granted : highest).toString();
}

/** The highest version that is known to have been used in the pod. */
export function highestUsed({ pod }: View, grant: Grant, record: UpgradeRecord | undefined): bigint {
  const seen = highestVersion(pod.metadata?.annotations ?? {}, Object.keys(grant.sidecars).flatMap(copies));
  const recorded = readVersion(record?.highestVersion) ?? 0n;
  return seen > recorded ? seen : recorded;
}

/** What a roll-back of the planned upgrade would restore. */
export function previousOf(view: View, set: string, { pairs, cold }: Plan, base: UpgradeRecord | undefined): Previous {
  const annotations = view.pod.metadata?.annotations ?? {};
  const imageOf = (name: string): string => findContainer(view.pod, name)?.container.image ?? '';
  const taking = pairs.filter(({ what }) => what === 'upgrade' || what === 'keep');
  const hotBefore = new Set(Object.keys(base?.sidecars ?? {}).flatMap(copies));
  const coldBefore = Object.entries(base?.previous.images ?? {}).filter(([name]) => !hotBefore.has(name));
  const images = new Map([
    ...[...cold.keys()].map((name): [string, string] => [name, imageOf(name)]),
    ...coldBefore,
    ...taking.flatMap((pair): [string, string][] => [
      [pair.old, imageOf(pair.old)],
      [pair.new, pair.settings.emptyImage],
    ]),
  ]);
  const before = base?.previous.containerIDs ?? {};
  const containerIDs = new Map([...images.keys()].map((name) => [name, lifeIDOf(view, name)]));
  for (const pair of pairs) {
    if (pair.what === 'revert') containerIDs.set(pair.new, lifeIDOf(view, pair.new));
    if (pair.what === 'keep') containerIDs.set(pair.new, lifeBeforeKept(view, set, pair.new, before[pair.new]));
    if (containerIDs.has(pair.old)) containerIDs.set(pair.old, before[pair.old] ?? lifeIDOf(view, pair.old));
  }
  // What a half upgraded pod without a record was before is not known: OpenKruise wrote the new hash when it began.
  const hash = base ? base.previous.hash : pairs.some(({ half }) => half) ? null : (podHashOf(view, set) ?? null);
  return {
    hash,
    working: Object.fromEntries(taking.map((pair) => [pair.sidecar, pair.old])),
    versions: Object.fromEntries(
      taking.flatMap((pair) => [pair.old, pair.new].map((copy) => [copy, annotations[versionKey(copy)] ?? '0'])),
    ),
    images: Object.fromEntries(images),
    containerIDs: Object.fromEntries(containerIDs),
  };
}

/**
 * The life before the new image, of a copy that has that image already: the one that was noted if it is still there; none that is
 * known if there is another, in the runtime or with the new image in the status; else the one that the status shows, because a
 * running hook hides the new one.
 */
function lifeBeforeKept(view: View, set: string, container: string, noted: string | undefined): string {
  if (noted !== undefined) return noted === lifeIDOf(view, container) ? noted : '';
  const shown = bareID(statusOf(view.pod, container)?.containerID);
  if (shown !== lifeIDOf(view, container)) return '';
  const states = readInPlaceStates(view.pod.metadata?.annotations?.[inPlaceStateKey]);
  const isThere = isUpdateCompleted(view.pod, new Set([container]), () => recordedImages(states, set));
  return isThere ? '' : shown;
}

/** The ID of a container's newest life. */
export function lifeIDOf({ pod, runtime }: View, container: string): string {
  return runtime?.get(container)?.id ?? bareID(statusOf(pod, container)?.containerID);
}
