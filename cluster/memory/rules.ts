import { isDeepStrictEqual } from 'node:util';
import { copyJson, isObject } from '../../api/json.ts';
import type { Container, Pod, PodSpec } from '../../api/kubernetes.ts';
import type { Key, KubernetesObject } from '../cluster.ts';
import { clusterError, conflict, nameOf } from '../errors.ts';
import { apiVersionOf, type Resource } from '../resource.ts';

type WithStatus = KubernetesObject & { status?: unknown; spec?: unknown };

const isCustom = ({ group }: Resource): boolean => group.includes('.') && !group.endsWith('.k8s.io');

/** What the API server stores of an object that is created. */
export function created(
  resource: Resource,
  object: KubernetesObject,
  { name, uid, now }: { name: string; uid: string; now: number },
): KubernetesObject {
  const { metadata, ...rest } = copyJson(object) as WithStatus;
  checkMetadata(resource, { metadata });
  if (metadata.resourceVersion !== undefined) {
    throw clusterError('ServiceUnavailable', 'resourceVersion should not be set on objects to be created');
  }
  if (!/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/.test(name)) {
    throw clusterError('Invalid', `${resource.kind} "${name}" is invalid: metadata.name: a lowercase RFC 1123 name`);
  }
  // Status is not for the creator to say (status subresource); a pod's begins as Pending.
  if (resource.status) delete rest.status;
  if (resource.kind === 'Pod') rest.status = { phase: 'Pending' };
  const kept = without(metadata, 'deletionTimestamp', 'generation');
  return {
    ...rest,
    apiVersion: apiVersionOf(resource),
    kind: resource.kind,
    metadata: {
      ...kept,
      name,
      uid,
      creationTimestamp: timestamp(now),
      ...(isCustom(resource) && { generation: 1 }),
    },
  };
}

/**
 * What the API server stores of an object that a patch made of `old`: either its status or everything else, with the fields that
 * are the server's own as they were. A new `generation` for a custom resource with another spec.
 *
 * @throws ApiError `ERR_BATON_INVALID`, `ERR_BATON_CONFLICT`.
 */
export function updated(
  resource: Resource,
  old: KubernetesObject,
  patched: KubernetesObject,
  subresource: 'status' | undefined,
): KubernetesObject {
  const key = { name: old.metadata.name ?? '' };
  checkMetadata(resource, patched);
  if (patched.kind !== old.kind || patched.apiVersion !== old.apiVersion) {
    throw clusterError('Invalid', `${nameOf(resource, key)} is invalid: kind and apiVersion are those of the resource`);
  }
  if (patched.metadata.name !== old.metadata.name || patched.metadata.namespace !== old.metadata.namespace) {
    throw clusterError('Invalid', `${nameOf(resource, key)} is invalid: metadata.name: field is immutable`);
  }
  if (patched.metadata.uid !== old.metadata.uid) throw conflict(resource, key, 'the UID is another');
  const { status: oldStatus, ...oldRest } = old as WithStatus;
  const { status, ...rest } = patched as WithStatus;
  if (subresource === 'status') {
    return { ...oldRest, ...(status !== undefined && { status }) };
  }
  const { uid, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds, resourceVersion } =
    old.metadata;
  const metadata = {
    ...rest.metadata,
    ...defined({ uid, creationTimestamp, generation, deletionTimestamp, deletionGracePeriodSeconds, resourceVersion }),
  };
  const next: WithStatus = {
    ...rest,
    metadata,
    ...(resource.status ? oldStatus !== undefined && { status: oldStatus } : status !== undefined && { status }),
  };
  if (resource.kind === 'Pod') checkPod(old as Pod, next as Pod);
  if (deletionTimestamp && metadata.finalizers?.some((name) => !old.metadata.finalizers?.includes(name))) {
    throw clusterError('Invalid', `${nameOf(resource, key)} is invalid: metadata.finalizers: it is being deleted`);
  }
  if (isCustom(resource) && !isDeepStrictEqual(contentOf(old), contentOf(next))) {
    metadata.generation = (generation ?? 0) + 1;
  }
  return next;
}

/**
 * Whether the metadata is what the API server can read. A name's characters and a pod's containers are looked at by
 * {@link created} and {@link checkPod} as far as Baton's writes could be wrong about them: no second API server is meant.
 *
 * @throws ApiError `ERR_BATON_INVALID`
 */
export function checkMetadata(resource: Resource, { metadata }: { metadata: unknown }): void {
  const wrong = (why: string): never => {
    throw clusterError('Invalid', `${resource.kind} is invalid: metadata${why}`);
  };
  if (!isObject(metadata)) return wrong(': Required value');
  for (const field of ['labels', 'annotations']) {
    for (const [key, value] of Object.entries((metadata[field] as object | undefined) ?? {})) {
      if (typeof value !== 'string') wrong(`.${field}.${key}: must be a string`);
    }
  }
}

const contentOf = (object: WithStatus): unknown => without(object, 'metadata', 'status');

const without = <T extends object, K extends keyof T>(object: T, ...keys: K[]): Omit<T, K> =>
  Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key as K))) as Omit<T, K>;

const defined = <T extends object>(fields: T): Partial<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;

/** Of a pod's spec only images change, and tolerations grow (`ValidatePodUpdate`; what else may change, Baton never touches). */
function checkPod(old: Pod, next: Pod): void {
  const tolerations = next.spec?.tolerations ?? [];
  const kept = (old.spec?.tolerations ?? []).every((toleration) =>
    tolerations.some((other) => isDeepStrictEqual(other, toleration)),
  );
  const containers = [...(next.spec?.containers ?? []), ...(next.spec?.initContainers ?? [])];
  const nameless = containers.find(({ image }) => !image);
  if (nameless) {
    const what = `Pod "${old.metadata?.name ?? ''}" is invalid: image of ${nameless.name}`;
    throw clusterError('Invalid', `${what}: Required value`);
  }
  if (kept && isDeepStrictEqual(frozenPart(old.spec), frozenPart(next.spec))) return;
  throw clusterError(
    'Invalid',
    `Pod "${old.metadata?.name ?? ''}" is invalid: spec: Forbidden: pod updates may not change fields other than ` +
      'images of containers and initContainers, and additions to tolerations',
  );
}

function frozenPart(spec: PodSpec = { containers: [] }): unknown {
  const imageless = (containers: Container[] | undefined): unknown =>
    containers?.map((container) => without(container, 'image'));
  return {
    ...without(spec, 'tolerations'),
    containers: imageless(spec.containers),
    initContainers: imageless(spec.initContainers),
  };
}

/**
 * How a deletion goes: what is stored first, if anything, and whether the object goes at once. Pods are always marked first; other
 * objects only where finalizers keep them.
 */
export function deleted(
  resource: Resource,
  old: KubernetesObject,
  { gracePeriodSeconds, now }: { gracePeriodSeconds: number | undefined; now: number },
): { marked?: KubernetesObject; isGone: boolean } {
  const { metadata, spec, status } = old as Pod;
  const isPod = resource.kind === 'Pod';
  const graceful = isPod && spec?.nodeName && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
  const grace = graceful ? (gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30) : 0;
  const isKept = Boolean(old.metadata.finalizers?.length);
  const isMarked = metadata?.deletionTimestamp && (metadata.deletionGracePeriodSeconds ?? 0) <= grace;
  const isGone = grace === 0 && !isKept;
  if (isMarked || (isGone && !isPod)) return { isGone };
  const marked = {
    ...old,
    metadata: {
      ...old.metadata,
      ...(metadata?.generation !== undefined && { generation: metadata.generation + 1 }),
      deletionTimestamp: timestamp(now + grace * 1000),
      deletionGracePeriodSeconds: grace,
    },
  };
  return { marked, isGone };
}

/** Wall-clock milliseconds as the API server writes them (RFC 3339, seconds). */
const timestamp = (now: number): string => new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');

/** Where an object is in a list. */
export const keyOf = ({ namespace, name }: Key): string => `${namespace ?? ''}/${name}`;
