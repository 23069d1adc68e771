import type { LabelSelector, ObjectMeta } from '../api/kubernetes.ts';
import type { Resource } from './resource.ts';

/** Any object, as it is on the wire. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata: ObjectMeta;
}

/** Which object; `namespace` only where the resource has one. */
export interface Key {
  namespace?: string;
  name: string;
}

/** What to list or watch; everything that is given must match. */
export interface Query {
  namespace?: string;
  labels?: LabelSelector;
  /** Fields that the API server can select by: `metadata.name`, `metadata.namespace`; of pods also `spec.nodeName`, `status.phase`. */
  fields?: Record<string, string>;
}

export interface Page<T> {
  items: T[];
  /** The moment that this page shows: where a watch goes on. */
  resourceVersion: string;
  /** For the next page; absent on the last one. */
  next?: string;
}

export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  /** Nothing happened that concerns the query up to this moment. */
  | { type: 'BOOKMARK'; resourceVersion: string };

/** Operations of a JSON patch (RFC 6902). */
export type JsonPatch = ({ path: string } & (
  { op: 'add' | 'replace' | 'test'; value: unknown } | { op: 'remove' } | { op: 'copy' | 'move'; from: string }
))[];

/** A JSON patch, or an object to merge (RFC 7386). */
export type Patch = JsonPatch | Record<string, unknown>;

export interface PatchOptions {
  /** Only if the object is still this one: else `ERR_BATON_CONFLICT`. */
  resourceVersion?: string;
  /** Writes the status and nothing else; without it everything but the status is written. */
  subresource?: 'status';
}

/**
 * What controller and agent need of a cluster. Objects that come out are the caller's own copies. Errors are `ApiError`s:
 * `ERR_BATON_NOT_FOUND`, `ERR_BATON_EXISTS`, `ERR_BATON_CONFLICT` (read again, compute again), `ERR_BATON_INVALID`,
 * `ERR_BATON_FORBIDDEN`, `ERR_BATON_GONE` (list again), `ERR_BATON_UNAVAILABLE` (try again later). Their facts carry the
 * API server's `status`, `reason` and `message`.
 */
export interface Cluster {
  get<T extends KubernetesObject>(resource: Resource, key: Key): Promise<T>;
  /** At most `limit` objects, in the order of namespace and name; `next` of the page before goes on there. */
  list<T extends KubernetesObject>(
    resource: Resource,
    query?: Query & { limit?: number; next?: string },
  ): Promise<Page<T>>;
  /**
   * What happens after `resourceVersion`, in order, with bookmarks. Ends without an error when the signal aborts or the
   * server closes the stream, at the latest after `timeoutSeconds`; throws `ERR_BATON_GONE` when that moment is forgotten.
   */
  watch<T extends KubernetesObject>(
    resource: Resource,
    query: Query & { resourceVersion: string; timeoutSeconds?: number; signal: AbortSignal },
  ): AsyncIterable<WatchEvent<T>>;
  create<T extends KubernetesObject>(resource: Resource, object: T): Promise<T>;
  /** Writes nothing, and changes no resourceVersion, where the patch changes nothing. */
  patch<T extends KubernetesObject>(resource: Resource, key: Key, patch: Patch, options?: PatchOptions): Promise<T>;
  /**
   * Deletes; a pod on a node, and an object with finalizers, are first only marked.
   *
   * @param options.gracePeriodSeconds for pods; 0 deletes at once
   * @param options.uid deletes only that very object, else `ERR_BATON_CONFLICT`
   */
  delete(resource: Resource, key: Key, options?: { gracePeriodSeconds?: number; uid?: string }): Promise<void>;
}
