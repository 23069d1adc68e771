import { fieldOf, printMap, printTime, readMap, readTime } from './go-json.ts';
import { compareBytes, isObject, printJsonLikeGo } from './json.ts';
import { hashKey, hashWithoutImageKey, inPlaceStateKey, injectedListKey, versionKey } from './pod-contract.ts';
import type { Reading } from './reading.ts';
import { valueOr } from './reading.ts';

// OpenKruise's annotations (sidecarset.md 0.3, 2.9, 3.4): read as its Go code reads them, printed to the byte. What it fails or
// panics on is a `problem`; whether that is an error or is mended is the caller's to say.

/** One set's entry of a hash annotation. */
export interface HashEntry {
  /** RFC 3339, or `null` for the zero time. */
  updateTimestamp: string | null;
  hash: string;
  sidecarSetName: string;
  sidecarList: readonly string[] | null;
  /** Only in the hash with images; left out when empty. */
  controllerRevision?: string;
}

/** Set -> entry. */
export type Hashes = ReadonlyMap<string, HashEntry>;

/**
 * Reads `kruise.io/sidecarset-hash` or its twin without image. The old format, set -> hash, gives entries with the set's own
 * name and no time, and says `legacy`.
 */
export function readHashes(text: string | undefined): Reading<Hashes> & { legacy?: boolean } {
  const entries = readMap(text, readHashEntry);
  if (!('problem' in entries)) return entries;
  const legacy = readMap(text, readText);
  if ('problem' in legacy) return entries;
  const upgraded = [...legacy.value].map(([set, hash]): [string, HashEntry] => [
    set,
    { updateTimestamp: null, hash, sidecarSetName: set, sidecarList: null },
  ]);
  return { value: new Map(upgraded), legacy: true };
}

export function printHashes(hashes: Hashes): string {
  return printMap(hashes, ({ updateTimestamp, hash, sidecarSetName, sidecarList, controllerRevision }) =>
    printJsonLikeGo({
      updateTimestamp,
      hash,
      sidecarSetName,
      sidecarList,
      controllerRevision: controllerRevision === '' ? undefined : controllerRevision,
    }),
  );
}

/** Reads one entry of the new format. */
export function readHashEntry(raw: unknown): Reading<HashEntry> {
  if (raw !== null && !isObject(raw)) return { problem: 'not an object' };
  const field = (name: string): unknown => (raw === null ? undefined : fieldOf(raw, name));
  const updateTimestamp = readOptionalTime(field('updateTimestamp'));
  if ('problem' in updateTimestamp) return { problem: `updateTimestamp: ${updateTimestamp.problem}` };
  const texts = ['hash', 'sidecarSetName', 'controllerRevision'] as const;
  const read = Object.fromEntries(texts.map((name) => [name, field(name) ?? ''])) as Record<
    (typeof texts)[number],
    unknown
  >;
  const { hash, sidecarSetName, controllerRevision } = read;
  if (typeof hash !== 'string' || typeof sidecarSetName !== 'string' || typeof controllerRevision !== 'string') {
    return { problem: `${texts.find((name) => typeof read[name] !== 'string') ?? ''} is not a string` };
  }
  const list = field('sidecarList') ?? null;
  if (list !== null && !(Array.isArray(list) && list.every((name) => name === null || typeof name === 'string'))) {
    return { problem: 'sidecarList is not a list of strings' };
  }
  const sidecarList = list && (list as (string | null)[]).map((name) => name ?? '');
  const revision = controllerRevision === '' ? {} : { controllerRevision };
  return { value: { updateTimestamp: updateTimestamp.value, hash, sidecarSetName, sidecarList, ...revision } };
}

/** The sets that were injected: split at each comma and not trimmed, so `a, s` does not name `s` (oracle surprise 8). */
export function readInjectedList(text: string | undefined): string[] {
  return text === undefined || text === '' ? [] : text.split(',');
}

/** Sorted by bytes, each name once. */
export function printInjectedList(sets: Iterable<string>): string {
  return [...new Set(sets)].sort(compareBytes).join(',');
}

/** One set's entry of the in-place update state: what its containers ran before their images were last changed. */
export interface InPlaceState {
  /** The hash when the entry was made; like the time, never refreshed (quirk Q7). */
  revision: string;
  updateTimestamp: string | null;
  /** Container -> image ID, empty where the status had none. */
  imageIDs: ReadonlyMap<string, string>;
}

/** Set -> state. */
export type InPlaceStates = ReadonlyMap<string, InPlaceState>;

/** Reads `kruise.io/sidecarset-inplace-update-state`. A `null` entry, with which OpenKruise panics, counts as absent. */
export function readInPlaceStates(text: string | undefined): Reading<InPlaceStates> {
  const states = readMap(text, readInPlaceState);
  if ('problem' in states) return states;
  const present = [...states.value].filter((entry): entry is [string, InPlaceState] => entry[1] !== null);
  return { value: new Map(present) };
}

export function printInPlaceStates(states: InPlaceStates): string {
  return printMap(states, ({ revision, updateTimestamp, imageIDs }) => {
    const statuses = printMap(imageIDs, (imageID) => printJsonLikeGo(imageID === '' ? {} : { imageID }));
    return `${printJsonLikeGo({ revision, updateTimestamp }).slice(0, -1)},"lastContainerStatuses":${statuses}}`;
  });
}

function readInPlaceState(raw: unknown): Reading<InPlaceState | null> {
  if (raw === null) return { value: null };
  if (!isObject(raw)) return { problem: 'not an object' };
  const revision = fieldOf(raw, 'revision') ?? '';
  if (typeof revision !== 'string') return { problem: 'revision is not a string' };
  const updateTimestamp = readOptionalTime(fieldOf(raw, 'updateTimestamp'));
  if ('problem' in updateTimestamp) return { problem: `updateTimestamp: ${updateTimestamp.problem}` };
  const statuses = fieldOf(raw, 'lastContainerStatuses') ?? {};
  if (!isObject(statuses)) return { problem: 'lastContainerStatuses is not an object' };
  const imageIDs = new Map<string, string>();
  for (const [container, status] of Object.entries(statuses)) {
    const imageID = status === null ? '' : isObject(status) ? (fieldOf(status, 'imageID') ?? '') : undefined;
    if (typeof imageID !== 'string') return { problem: `lastContainerStatuses.${container} has no usable imageID` };
    imageIDs.set(container, imageID);
  }
  return { value: { revision, updateTimestamp: updateTimestamp.value, imageIDs } };
}

/**
 * Reads `kruise.io/sidecarset-working-hotupgrade-container`: sidecar -> container. What is no text is an empty one and does not
 * spoil the others: OpenKruise goes on with what Go has read.
 */
export function readWorking(text: string | undefined): Reading<ReadonlyMap<string, string>> {
  return readMap(text, (value) => ({ value: typeof value === 'string' ? value : '' }));
}

export function printWorking(working: ReadonlyMap<string, string>): string {
  return printMap(working, printJsonLikeGo);
}

/** A version annotation as a number of any size; `undefined` when it is absent or no decimal (Q30). */
export function readVersion(text: string | undefined): bigint | undefined {
  return text !== undefined && /^\d{1,100}$/.test(text) ? BigInt(text) : undefined;
}

/** The highest version among the containers' annotations. */
export function highestVersion(annotations: Annotations, containers: Iterable<string>): bigint {
  let highest = 0n;
  for (const container of containers) {
    const version = readVersion(annotations[versionKey(container)]) ?? 0n;
    if (version > highest) highest = version;
  }
  return highest;
}

export type Annotations = Readonly<Record<string, string>>;

/** A change of a pod's images by one set. */
export interface SetUpgrade {
  set: string;
  hash: string;
  sidecarList: readonly string[] | null;
  controllerRevision?: string;
  /** The containers whose images change -> the image ID in the status until now, empty when there is none. */
  imageIDs: ReadonlyMap<string, string>;
  /** Milliseconds since the epoch. */
  now: number;
}

/**
 * The annotations that a change of images writes besides the versions (sidecarset.md 3.3, 5-7): the set's hash entry, the
 * image IDs until now, the injected list where it is missing. What cannot be parsed is written anew; the old format of
 * hashes is converted, with this set's name in all entries (oracle surprise 9). The hashes without image stay, unless both
 * are old.
 */
export function upgradedAnnotations(annotations: Annotations, upgrade: SetUpgrade): Record<string, string> {
  const { set, hash, sidecarList, controllerRevision } = upgrade;
  const entry = { updateTimestamp: printTime(upgrade.now), hash, sidecarSetName: set, sidecarList };
  const revision = controllerRevision === undefined ? {} : { controllerRevision };
  const hashes = readHashes(annotations[hashKey]);
  const kept = convertedHashes(hashes, upgrade);
  const withoutImage = readHashes(annotations[hashWithoutImageKey]);
  const isOld = hashes.legacy ?? ('problem' in hashes || (annotations[hashKey] ?? '') === '');
  return {
    [hashKey]: printHashes(new Map(kept).set(set, { ...entry, ...revision })),
    ...(isOld && withoutImage.legacy
      ? { [hashWithoutImageKey]: printHashes(convertedHashes(withoutImage, upgrade)) }
      : {}),
    ...((annotations[injectedListKey] ?? '') === '' ? { [injectedListKey]: set } : {}),
    [inPlaceStateKey]: recordedImageIDs(annotations, upgrade),
  };
}

/** The in-place state with the image IDs from before a change (sidecarset.md 3.4); also for a reset (3.6). */
export function recordedImageIDs(
  annotations: Annotations,
  { set, hash, imageIDs, now }: Pick<SetUpgrade, 'set' | 'hash' | 'imageIDs' | 'now'>,
): string {
  const states = valueOr(readInPlaceStates(annotations[inPlaceStateKey]), new Map<string, InPlaceState>());
  const state = states.get(set) ?? { revision: hash, updateTimestamp: printTime(now), imageIDs: new Map() };
  return printInPlaceStates(
    new Map(states).set(set, { ...state, imageIDs: new Map([...state.imageIDs, ...imageIDs]) }),
  );
}

function convertedHashes(reading: ReturnType<typeof readHashes>, { set, now }: SetUpgrade): Hashes {
  const hashes = valueOr(reading, new Map());
  if (!reading.legacy) return hashes;
  const converted = { updateTimestamp: printTime(now), sidecarSetName: set };
  return new Map([...hashes].map(([name, entry]) => [name, { ...entry, ...converted }]));
}

function readText(value: unknown): Reading<string> {
  if (value === null) return { value: '' };
  return typeof value === 'string' ? { value } : { problem: 'not a string' };
}

function readOptionalTime(value: unknown): Reading<string | null> {
  if (value === undefined) return { value: null };
  return typeof value === 'string' ? readTime(value) : { problem: 'not a string' };
}
