import { printMap, readMap } from './go-json.ts';
import { isObject, printSortedJsonLikeGo } from './json.ts';
import type { Annotations } from './pod-annotations.ts';
import { readVersion } from './pod-annotations.ts';
import type { Reading } from './reading.ts';

/**
 * What the controller wants of one pod for one set: everything that the agent needs, so that it never reads a SidecarSet
 * (design section 3).
 */
export interface Grant {
  v: 1;
  /** What is being tried: {@link attemptOf}. A pod that failed it is not tried again for the same one. */
  revision: string;
  hash: string;
  controllerRevision?: string;
  /** The SidecarSet's resourceVersion: the least that `SIDECARSET_VERSION` of the new copy may be. */
  version: string;
  /** As in the hash annotation: all containers and native sidecars of the set, sorted. */
  sidecarList: string[] | null;
  /** All of the set's containers and native sidecars by their declared names, changed or not. */
  sidecars: Record<string, GrantedSidecar>;
  /** The set's `patchPodMetadata`, computed for this pod: annotations to be set. */
  podAnnotations?: Annotations;
  /** RFC 3339, in the controller's clock: only the controller may compare it. */
  grantedAt: string;
}

/** One container of a granted set. The settings are a hot one's, and so is `emptyImage`: without it the container is cold. */
export interface GrantedSidecar {
  image: string;
  emptyImage?: string;
  migrationTimeoutSeconds?: number;
  drainTimeoutSeconds?: number;
  soakSeconds?: number;
  rollback?: 'Automatic' | 'Never';
}

/** What a hot sidecar's settings are where the set says nothing (design section 4). */
export const hotDefaults = {
  migrationTimeoutSeconds: 300,
  drainTimeoutSeconds: 600,
  soakSeconds: 0,
  rollback: 'Automatic',
} as const;

/** Names an attempt: the set's hash, and the value of its `baton.dev/resume` annotation where there is one. */
export function attemptOf(hash: string, resume: string | undefined): string {
  return resume === undefined || resume === '' ? hash : `${hash}/${resume}`;
}

/** Reads `baton.dev/grant`: set -> grant. One malformed grant is a problem of its own set only. */
export function readGrants(text: string | undefined): Reading<ReadonlyMap<string, Reading<Grant>>> {
  return readMap(text, (raw) => ({ value: readGrant(raw) }));
}

/** @param grants - as they were read, also those that are none */
export function printGrants(grants: ReadonlyMap<string, unknown>): string {
  return printMap(grants, printSortedJsonLikeGo);
}

function readGrant(raw: unknown): Reading<Grant> {
  if (!isObject(raw)) return { problem: 'not an object' };
  const { v, revision, hash, version, grantedAt, sidecarList, sidecars, podAnnotations, controllerRevision } = raw;
  if (v !== 1) return { problem: `v is ${JSON.stringify(v)}, this agent knows 1` };
  if (typeof revision !== 'string' || revision === '') return { problem: 'revision is missing' };
  if (typeof hash !== 'string' || hash === '') return { problem: 'hash is missing' };
  if (typeof version !== 'string' || readVersion(version) === undefined)
    return { problem: 'version is not a decimal string' };
  if (typeof grantedAt !== 'string') return { problem: 'grantedAt is missing' };
  if (sidecarList !== null && !isListOfTexts(sidecarList)) return { problem: 'sidecarList is not a list of strings' };
  if (podAnnotations !== undefined && !isTextMap(podAnnotations)) return { problem: 'podAnnotations are not strings' };
  if (controllerRevision !== undefined && typeof controllerRevision !== 'string') {
    return { problem: 'controllerRevision is not a string' };
  }
  if (!isObject(sidecars)) return { problem: 'sidecars is not an object' };
  const granted: [string, GrantedSidecar][] = [];
  for (const [name, sidecar] of Object.entries(sidecars)) {
    const read = readSidecar(sidecar);
    if ('problem' in read) return { problem: `sidecars.${name}: ${read.problem}` };
    granted.push([name, read.value]);
  }
  return {
    value: {
      v,
      revision,
      hash,
      version,
      grantedAt,
      sidecarList,
      sidecars: Object.fromEntries(granted),
      ...(controllerRevision === undefined ? {} : { controllerRevision }),
      ...(podAnnotations === undefined ? {} : { podAnnotations }),
    },
  };
}

function readSidecar(raw: unknown): Reading<GrantedSidecar> {
  if (!isObject(raw)) return { problem: 'not an object' };
  const { image, emptyImage, rollback } = raw;
  if (typeof image !== 'string' || image === '') return { problem: 'image is missing' };
  const sidecar: GrantedSidecar = { image };
  if (emptyImage !== undefined) {
    if (typeof emptyImage !== 'string' || emptyImage === '') return { problem: 'emptyImage is not a string' };
    sidecar.emptyImage = emptyImage;
  }
  for (const name of ['migrationTimeoutSeconds', 'drainTimeoutSeconds', 'soakSeconds'] as const) {
    const seconds = raw[name];
    if (seconds === undefined) continue;
    if (!isSeconds(seconds)) return { problem: `${name} is not a number of seconds` };
    sidecar[name] = seconds;
  }
  if (rollback !== undefined) {
    if (rollback !== 'Automatic' && rollback !== 'Never') return { problem: 'rollback is neither Automatic nor Never' };
    sidecar.rollback = rollback;
  }
  return { value: sidecar };
}

const isSeconds = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= 2 ** 31;

export function isListOfTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

export function isTextMap(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every((item) => typeof item === 'string');
}
