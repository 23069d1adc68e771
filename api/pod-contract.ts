/** Every name that the injector, the agent and a sidecar's process agree on (design section 3). */

/** Environment of injected containers; the versions and the folder are hot containers' only. */
export const env = {
  injected: 'IS_INJECTED',
  version: 'SIDECARSET_VERSION',
  versionAlt: 'SIDECARSET_VERSION_ALT',
  batonDir: 'BATON_DIR',
} as const;

/** The volume in which a hot sidecar's two copies meet, each sidecar in a folder of its name, and where they have it. */
export const batonVolume = { name: 'baton', directory: '/run/baton' } as const;

/** The longest path that a Unix socket address holds, in bytes (108 less the final zero; `unix(7)`). */
export const maxSocketPath = 107;

/** The two copies of a hot sidecar, `<sidecar>-1` first. */
export function copies(sidecar: string): [string, string] {
  return [`${sidecar}-1`, `${sidecar}-2`];
}

/** The other one of `<sidecar>-1` and `<sidecar>-2`. */
export function otherCopy(sidecar: string, copy: string): string {
  return copy === `${sidecar}-1` ? `${sidecar}-2` : `${sidecar}-1`;
}

/** Annotation with the version that a container gets at its next start (OpenKruise's key). */
export function versionKey(container: string): string {
  return `version.sidecarset.kruise.io/${container}`;
}

/** Annotation with the version of the container's other copy (OpenKruise's key). */
export function versionAltKey(container: string): string {
  return `versionalt.sidecarset.kruise.io/${container}`;
}

/** Annotation with the copy that serves, as a JSON map sidecar -> container (OpenKruise's key). */
export const workingKey = 'kruise.io/sidecarset-working-hotupgrade-container';

/** Annotations with the hash of each set that the pod carries, as JSON maps set -> entry; also on the SidecarSet, as plain hashes. */
export const hashKey = 'kruise.io/sidecarset-hash';
export const hashWithoutImageKey = 'kruise.io/sidecarset-hash-without-image';
/** Annotation with the names of the sets that were injected, joined by commas. */
export const injectedListKey = 'kruise.io/sidecarset-injected-list';
/** Annotation with the image IDs from before the last change of an image, as a JSON map set -> state. */
export const inPlaceStateKey = 'kruise.io/sidecarset-inplace-update-state';

/** Label of every injected pod, with the value `true`: what controller and agent watch. */
export const injectedLabel = 'baton.dev/injected';
/** Annotation with what the controller wants upgraded, as a JSON map set -> `Grant` (`grant.ts`). */
export const grantKey = 'baton.dev/grant';
/** Annotation with how far the agent is, as a JSON map set -> `UpgradeRecord` (`upgrade-record.ts`). */
export const upgradeKey = 'baton.dev/upgrade';
/** Annotation on the SidecarSet: another value than before lets failed pods be tried again. */
export const resumeKey = 'baton.dev/resume';

const roles = ['first', 'successor', 'idle', 'stale'] as const;
const phases = [
  'starting',
  'idle',
  'waiting',
  'serving',
  'draining',
  'drained',
  'stopping',
  'stopped',
  'failed',
] as const;
const counterNames = ['inherited', 'bound', 'moved', 'received', 'finished', 'cut', 'takenBack', 'handoverMs'] as const;

export type Role = (typeof roles)[number];
export type Phase = (typeof phases)[number];
/** Counts of one process life; `handoverMs` is a duration. */
export type Counters = Partial<Record<(typeof counterNames)[number], number>>;

/** What a sidecar's process says of itself in `$BATON_DIR/<version>.json`. Times are milliseconds since the epoch. */
export interface StateFile {
  version: string;
  role: Role;
  phase: Phase;
  pid: number;
  startedAt: number;
  heartbeatAt: number;
  servingAt?: number;
  drainedAt?: number;
  error?: { code: string; message: string };
  holdsListeners: boolean;
  counters: Counters;
}

/** The name of a version's state file inside `BATON_DIR`. */
export function stateFileName(version: string): string {
  return `${version}.json`;
}

/**
 * Reads a state file's text. The writer is a sidecar, so nothing in it is trusted: fields of the wrong kind make the
 * whole file invalid (the string says why), unknown fields are dropped.
 */
export function parseStateFile(text: string): StateFile | string {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  if (!isRecord(raw)) return 'not an object';
  const { version, role, phase, pid, startedAt, heartbeatAt, servingAt, drainedAt, holdsListeners } = raw;
  if (typeof version !== 'string' || !/^\d{1,20}$/.test(version)) return 'version is not a decimal string';
  if (!isOneOf(roles, role)) return 'role is unknown';
  if (!isOneOf(phases, phase)) return 'phase is unknown';
  if (!isTime(pid)) return 'pid is not a number';
  if (!isTime(startedAt)) return 'startedAt is not a time';
  if (!isTime(heartbeatAt)) return 'heartbeatAt is not a time';
  if (typeof holdsListeners !== 'boolean') return 'holdsListeners is not a boolean';
  const error = parseError(raw['error']);
  return {
    version,
    role,
    phase,
    pid,
    startedAt,
    heartbeatAt,
    ...(isTime(servingAt) ? { servingAt } : {}),
    ...(isTime(drainedAt) ? { drainedAt } : {}),
    ...(error ? { error } : {}),
    holdsListeners,
    counters: parseCounters(raw['counters']),
  };
}

function parseError(raw: unknown): StateFile['error'] {
  if (!isRecord(raw)) return undefined;
  const { code, message } = raw;
  return {
    code: typeof code === 'string' ? code.slice(0, 100) : 'UNKNOWN',
    message: typeof message === 'string' ? message.slice(0, 2000) : '',
  };
}

function parseCounters(raw: unknown): Counters {
  if (!isRecord(raw)) return {};
  const counters: Counters = {};
  for (const name of counterNames) {
    const value = raw[name];
    if (isTime(value)) counters[name] = value;
  }
  return counters;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isOneOf<T>(values: readonly T[], value: unknown): value is T {
  return (values as readonly unknown[]).includes(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
