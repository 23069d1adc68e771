import { printMap, readMap } from './go-json.ts';
import type { LifeFacts } from './containers.ts';
import { isListOfTexts, isTextMap } from './grant.ts';
import { isObject, own, printSortedJsonLikeGo } from './json.ts';
import type { HashEntry } from './pod-annotations.ts';
import { readHashEntry, readVersion } from './pod-annotations.ts';
import { otherCopy } from './pod-contract.ts';
import type { Reading } from './reading.ts';

const recordedPhases = ['Pulling', 'Upgrading', 'Resetting', 'RollingBack', 'Done', 'Failed', 'Withdrawn'] as const;

/** What the agent has written; see {@link phaseOf} for what it amounts to. */
export type RecordedPhase = (typeof recordedPhases)[number];
/** Soaking is never written: it is seen. */
export type UpgradePhase = RecordedPhase | 'Soaking';

export const failureReasons = [
  'BadGrant',
  'ImageNotFound',
  'ImageUnavailable',
  'Crashed',
  'PostStartFailed',
  'ReportedError',
  'HeartbeatLost',
  'DeadlineExceeded',
] as const;

/** Why an upgrade was rolled back, or never began (docs/hot-upgrade.md). */
export type FailureReason = (typeof failureReasons)[number];

/** How far one set's upgrade of one pod is (design section 3). Times are milliseconds since the epoch in the node's clock. */
export interface UpgradeRecord {
  /** The grant's: what is being tried. */
  revision: string;
  hash: string;
  phase: RecordedPhase;
  startedAt: number;
  /** When this phase was written. */
  phaseAt: number;
  /** The new copies must serve until then. */
  deadline: number;
  /** The hot sidecars that take part, with all that is needed to end the upgrade when grant and set are gone. */
  sidecars: Record<string, UpgradingSidecar>;
  previous: Previous;
  /** Containers that the last patch gave the empty image. */
  emptied: string[];
  /** The highest `SIDECARSET_VERSION` ever used in this pod by this set, decimal. */
  highestVersion: string;
  /** Set with the phase that leads to it. */
  result?: 'done' | 'failed';
  reason?: FailureReason;
  message?: string;
}

export interface UpgradingSidecar {
  emptyImage: string;
  migrationTimeoutSeconds: number;
  drainTimeoutSeconds: number;
  soakSeconds: number;
  rollback: 'Automatic' | 'Never';
}

/** What the pod was before the upgrade: what a roll-back restores. */
export interface Previous {
  /** The set's entry of the hash annotation; `null` when it had none, or none that is known to be true. */
  hash: HashEntry | null;
  /** Sidecar -> the copy that served. */
  working: Record<string, string>;
  /** Container -> its version. */
  versions: Record<string, string>;
  /** Container -> its image; cold ones that change, and both copies of hot ones. */
  images: Record<string, string>;
  /** Container -> its ID just before the last patch, empty when it had none. */
  containerIDs: Record<string, string>;
}

/** Reads `baton.dev/upgrade`: set -> record. One malformed record is a problem of its own set only. */
export function readRecords(text: string | undefined): Reading<ReadonlyMap<string, Reading<UpgradeRecord>>> {
  return readMap(text, (raw) => ({ value: readRecord(raw) }));
}

export function printRecords(records: ReadonlyMap<string, UpgradeRecord>): string {
  return printMap(records, (record) => printSortedJsonLikeGo(printable(record)));
}

/** The annotation with this record in it; those of other sets stay as they are, also the ones that cannot be read. */
export function printWithRecord(text: string | undefined, set: string, record: UpgradeRecord): string {
  const present = readMap<unknown>(text, (raw) => ({ value: raw }));
  const entries = new Map('problem' in present ? [] : present.value);
  return printMap(entries.set(set, printable(record)), printSortedJsonLikeGo);
}

const printable = ({ startedAt, phaseAt, deadline, ...others }: UpgradeRecord): object => ({
  ...others,
  startedAt: new Date(startedAt).toISOString(),
  phaseAt: new Date(phaseAt).toISOString(),
  deadline: new Date(deadline).toISOString(),
});

/**
 * The phase that a record and the containers amount to: Upgrading turns into Soaking when every new copy runs and is ready,
 * Resetting into Done and RollingBack into Failed when every emptied container is another one. The controller knows only
 * the pod's status ({@link lifeOf}), which is enough to count what may be down: Upgrading and RollingBack.
 */
export function phaseOf(record: UpgradeRecord, life: (container: string) => LifeFacts): UpgradePhase {
  const { containerIDs } = record.previous;
  const isAnother = (container: string): boolean => {
    const { id, running } = life(container);
    return running && id !== (own(containerIDs, container) ?? '');
  };
  switch (record.phase) {
    case 'Upgrading':
      return newCopies(record).every((copy) => isAnother(copy) && life(copy).ready) ? 'Soaking' : 'Upgrading';
    case 'Resetting':
      return record.emptied.every(isAnother) ? 'Done' : 'Resetting';
    case 'RollingBack':
      return record.emptied.every(isAnother) ? 'Failed' : 'RollingBack';
    default:
      return record.phase;
  }
}

/**
 * Whether a container lives another life than before the last patch of an upgrade, as the pod's status tells. Never once the pod
 * carries another hash than that upgrade left: its images were changed again.
 */
export function isRenewed(
  { hash, previous, phase }: UpgradeRecord,
  podHash: string | undefined,
  life: LifeFacts,
  container: string,
): boolean {
  const left = phase === 'RollingBack' ? previous.hash?.hash : hash;
  const before = own(previous.containerIDs, container);
  return left === podHash && before !== undefined && life.running && life.id !== '' && life.id !== before;
}

/** The copies that are to take over, one for each sidecar that takes part. */
export function newCopies({ sidecars, previous }: Pick<UpgradeRecord, 'sidecars' | 'previous'>): string[] {
  return Object.keys(sidecars).map((sidecar) => otherCopy(sidecar, own(previous.working, sidecar) ?? ''));
}

function readRecord(raw: unknown): Reading<UpgradeRecord> {
  if (!isObject(raw)) return { problem: 'not an object' };
  const { revision, hash, phase, emptied, highestVersion, result, reason, message } = raw;
  if (typeof revision !== 'string' || typeof hash !== 'string') return { problem: 'revision or hash is missing' };
  if (!isOneOf(recordedPhases, phase)) return { problem: 'phase is unknown' };
  const times = [raw['startedAt'], raw['phaseAt'], raw['deadline']].map((time) => Date.parse(String(time)));
  const [startedAt = NaN, phaseAt = NaN, deadline = NaN] = times;
  if (times.some((time) => !Number.isFinite(time))) return { problem: 'startedAt, phaseAt or deadline is not a time' };
  if (typeof highestVersion !== 'string' || readVersion(highestVersion) === undefined) {
    return { problem: 'highestVersion is not a decimal string' };
  }
  if (!isListOfTexts(emptied)) return { problem: 'emptied is not a list of strings' };
  if (result !== undefined && result !== 'done' && result !== 'failed') return { problem: 'result is unknown' };
  if (reason !== undefined && !isOneOf(failureReasons, reason)) return { problem: 'reason is unknown' };
  if (message !== undefined && typeof message !== 'string') return { problem: 'message is not a string' };
  const sidecars = readSidecars(raw['sidecars']);
  if ('problem' in sidecars) return sidecars;
  const previous = readPrevious(raw['previous']);
  if ('problem' in previous) return previous;
  return {
    value: {
      revision,
      hash,
      phase,
      startedAt,
      phaseAt,
      deadline,
      sidecars: sidecars.value,
      previous: previous.value,
      emptied,
      highestVersion,
      ...(result === undefined ? {} : { result }),
      ...(reason === undefined ? {} : { reason }),
      ...(message === undefined ? {} : { message }),
    },
  };
}

function readSidecars(raw: unknown): Reading<UpgradeRecord['sidecars']> {
  if (!isObject(raw)) return { problem: 'sidecars is not an object' };
  const sidecars: [string, UpgradingSidecar][] = [];
  for (const [name, sidecar] of Object.entries(raw)) {
    if (!isObject(sidecar)) return { problem: `sidecars.${name} is not an object` };
    const { emptyImage, migrationTimeoutSeconds, drainTimeoutSeconds, soakSeconds, rollback } = sidecar;
    const isComplete =
      typeof emptyImage === 'string' &&
      typeof migrationTimeoutSeconds === 'number' &&
      typeof drainTimeoutSeconds === 'number' &&
      typeof soakSeconds === 'number' &&
      (rollback === 'Automatic' || rollback === 'Never');
    if (!isComplete) return { problem: `sidecars.${name} is incomplete` };
    sidecars.push([name, { emptyImage, migrationTimeoutSeconds, drainTimeoutSeconds, soakSeconds, rollback }]);
  }
  return { value: Object.fromEntries(sidecars) };
}

function readPrevious(raw: unknown): Reading<Previous> {
  if (!isObject(raw)) return { problem: 'previous is not an object' };
  const { working, versions, images, containerIDs } = raw;
  if (!isTextMap(working) || !isTextMap(versions) || !isTextMap(images) || !isTextMap(containerIDs)) {
    return { problem: 'previous is incomplete' };
  }
  const hash = raw['hash'] === null ? { value: null } : readHashEntry(raw['hash']);
  if ('problem' in hash) return { problem: `previous.hash: ${hash.problem}` };
  return { value: { hash: hash.value, working, versions, images, containerIDs } };
}

function isOneOf<T>(values: readonly T[], value: unknown): value is T {
  return (values as readonly unknown[]).includes(value);
}
