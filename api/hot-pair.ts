import type { Annotations } from './pod-annotations.ts';
import { printWorking, readVersion, readWorking } from './pod-annotations.ts';
import { copies, otherCopy, versionAltKey, versionKey, workingKey } from './pod-contract.ts';
import { valueOr } from './reading.ts';

/** What is known of the two copies of one hot sidecar in a pod. */
export interface PairFacts {
  sidecar: string;
  emptyImage: string;
  annotations: Annotations;
  /** The image in the pod's spec; `undefined` for a container that is not there. */
  image: (container: string) => string | undefined;
}

/** Which copy serves, or is to, and which one is idle, or is to be. */
export interface Roles {
  working: string;
  other: string;
}

/**
 * Who is who, from annotations that anybody may have spoilt. The working annotation counts unless it names neither copy, or
 * the empty one while the other is not (oracle surprise 14: OpenKruise then empties the only live container); then the
 * image decides, then the higher version.
 *
 * @returns `undefined` when a copy is missing, or nothing tells them apart: then neither may be touched
 */
export function rolesOf({ sidecar, emptyImage, annotations, image }: PairFacts): Roles | undefined {
  const pair = copies(sidecar);
  const images = pair.map(image);
  if (images.includes(undefined)) return undefined;
  const withWorking = (working: string): Roles => ({ working, other: otherCopy(sidecar, working) });
  const live = pair.filter((_, index) => images[index] !== emptyImage);
  const [only] = live;
  if (live.length === 1 && only !== undefined) return withWorking(only);
  const named = valueOr(readWorking(annotations[workingKey]), new Map()).get(sidecar);
  if (named !== undefined && pair.includes(named)) return withWorking(named);
  const [first = 0n, second = 0n] = pair.map((copy) => readVersion(annotations[versionKey(copy)]));
  if (first === second) return undefined;
  return withWorking(first > second ? pair[0] : pair[1]);
}

/**
 * Whether an upgrade of the pair is under way: the copy that does not serve is not empty, and has a version. Its image alone
 * says nothing, so that a set with another empty image than before does not make stable pods look half upgraded (Q2).
 */
export function isHalfUpgraded(facts: PairFacts, { other }: Roles): boolean {
  return facts.image(other) !== facts.emptyImage && readVersion(facts.annotations[versionKey(other)]) !== 0n;
}

/**
 * The copy that OpenKruise gives the new image (sidecarset.md 3.3, 1): the empty one, `-1` first; else the only one that is not
 * ready; else the one that is not named as working. The agent chooses by {@link rolesOf} and by who serves.
 */
export function targetOf(
  { sidecar, emptyImage, annotations, image }: PairFacts,
  isReady: (container: string) => boolean,
): string {
  const pair = copies(sidecar);
  const [first, second] = pair;
  const empty = pair.find((copy) => image(copy) === emptyImage);
  if (empty !== undefined) return empty;
  const unready = pair.filter((copy) => !isReady(copy));
  if (unready.length === 1 && unready[0] !== undefined) return unready[0];
  const working = valueOr(readWorking(annotations[workingKey]), new Map()).get(sidecar);
  return working === first ? second : first;
}

/** A copy that gets a new image, and its sidecar. */
export interface Switch {
  sidecar: string;
  target: string;
}

/** The version annotations of an upgrade (sidecarset.md 3.3, 4). */
export function switchedAnnotations(
  annotations: Annotations,
  switches: readonly Switch[],
  version: string,
): Record<string, string> {
  const working = new Map(valueOr(readWorking(annotations[workingKey]), new Map<string, string>()));
  const changes: Record<string, string> = {};
  for (const { sidecar, target } of switches) {
    const other = otherCopy(sidecar, target);
    working.set(sidecar, target);
    changes[versionKey(target)] = version;
    changes[versionAltKey(target)] = annotations[versionKey(other)] ?? '';
    changes[versionAltKey(other)] = version;
  }
  return switches.length === 0 ? {} : { ...changes, [workingKey]: printWorking(working) };
}

/** The version annotations when copies become empty after an upgrade (sidecarset.md 3.6). */
export function resetAnnotations(pairs: readonly Roles[]): Record<string, string> {
  const changes: Record<string, string> = {};
  for (const { working, other } of pairs) {
    changes[versionKey(other)] = '0';
    changes[versionAltKey(working)] = '0';
  }
  return changes;
}

/** The version annotations of a roll-back (design section 4): the old copy works, the new one is empty. */
export function rolledBackAnnotations(
  annotations: Annotations,
  pairs: readonly (Roles & { sidecar: string })[],
): Record<string, string> {
  const working = new Map(valueOr(readWorking(annotations[workingKey]), new Map<string, string>()));
  for (const pair of pairs) working.set(pair.sidecar, pair.working);
  return pairs.length === 0 ? {} : { ...resetAnnotations(pairs), [workingKey]: printWorking(working) };
}
