import { randomBytes, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { copyJson } from '../../api/json.ts';
import type { Cluster, Key, KubernetesObject, Page, Query, WatchEvent } from '../cluster.ts';
import { clusterError, conflict, nameOf, notFound } from '../errors.ts';
import { apiVersionOf, type Resource } from '../resource.ts';
import { applyPatch } from './apply.ts';
import { createHistory, type History } from './history.ts';
import { matcher } from './query.ts';
import { checkMetadata, created, deleted, keyOf, updated } from './rules.ts';

/** What an admission webhook is asked; it answers with the object to store, or throws what the client is to see. */
export interface AdmissionRequest {
  operation: 'CREATE' | 'UPDATE' | 'DELETE';
  resource: Resource;
  object: KubernetesObject;
  oldObject?: KubernetesObject;
}
export type Admission = (request: AdmissionRequest) => Promise<KubernetesObject>;

export interface MemoryClusterOptions {
  /** Wall-clock milliseconds. */
  now?: () => number;
  /** Stands for the webhooks; called where the API server would call them, not for a status. */
  admit?: Admission;
  /** How many changes of a resource a watch can go back; the default is 10,000. */
  history?: number;
}

interface Table {
  objects: Map<string, KubernetesObject>;
  history: History;
}

/** How many lists can be under way page by page; the oldest then has to begin again. */
const SNAPSHOTS = 100;

/**
 * A cluster in this process, with the rules of an API server as far as Baton meets them: resourceVersions, generation, the
 * status apart, of a pod's spec only images mutable, graceful deletion, finalizers, watches with bookmarks.
 */
export function createMemoryCluster({
  now = Date.now,
  admit = ({ object }) => Promise.resolve(object),
  history = 10_000,
}: MemoryClusterOptions = {}): Cluster {
  const tables = new Map<string, Table>();
  const snapshots = new Map<string, { items: KubernetesObject[]; resourceVersion: string }>();
  let revision = 0;

  const tableOf = (resource: Resource): Table => {
    const name = `${resource.plural}.${resource.group}`;
    const table = tables.get(name) ?? { objects: new Map<string, KubernetesObject>(), history: createHistory(history) };
    tables.set(name, table);
    return table;
  };

  const find = (resource: Resource, key: Key): KubernetesObject => {
    const object = tableOf(resource).objects.get(keyOf(key));
    if (!object) throw notFound(resource, key);
    return object;
  };

  const store = (
    resource: Resource,
    before: KubernetesObject | undefined,
    after: KubernetesObject,
  ): KubernetesObject => {
    revision += 1;
    const stored = { ...after, metadata: { ...after.metadata, resourceVersion: String(revision) } };
    const table = tableOf(resource);
    table.objects.set(keyOf(stored.metadata as Key), stored);
    table.history.add({ revision, ...(before && { before }), after: stored });
    return stored;
  };

  const remove = (resource: Resource, object: KubernetesObject): void => {
    revision += 1;
    const table = tableOf(resource);
    table.objects.delete(keyOf(object.metadata as Key));
    table.history.add({ revision, before: object });
  };

  return {
    get: (resource, key) => settle(() => own(find(resource, key))),

    list<T extends KubernetesObject>(resource: Resource, query: Query & { limit?: number; next?: string } = {}) {
      return settle((): Page<T> => {
        const snapshot = query.next === undefined ? undefined : snapshots.get(query.next);
        if (query.next !== undefined && !snapshot) {
          throw clusterError('Expired', 'The provided continue parameter is too old: list from the start again');
        }
        const matches = matcher(resource, query);
        const { items, resourceVersion } = snapshot ?? {
          items: [...tableOf(resource).objects.values()].filter(matches).sort(byKey),
          resourceVersion: String(revision),
        };
        const page = items.slice(0, query.limit || undefined).map((object) => own<T>(object));
        if (page.length === items.length) return { items: page, resourceVersion };
        const next = randomUUID();
        snapshots.set(next, { items: items.slice(page.length), resourceVersion });
        for (const oldest of [...snapshots.keys()].slice(0, -SNAPSHOTS)) snapshots.delete(oldest);
        return { items: page, resourceVersion, next };
      });
    },

    watch<T extends KubernetesObject>(
      resource: Resource,
      { resourceVersion, timeoutSeconds, signal, ...query }: Parameters<Cluster['watch']>[1],
    ) {
      const from = Number(resourceVersion);
      if (!Number.isInteger(from)) return refusedWatch(resourceVersion) as AsyncIterable<WatchEvent<T>>;
      const end =
        timeoutSeconds === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1000)]);
      return tableOf(resource).history.watch(matcher(resource, query), from, end) as AsyncIterable<WatchEvent<T>>;
    },

    async create<T extends KubernetesObject>(resource: Resource, object: T) {
      const { namespace, generateName } = object.metadata;
      const name = object.metadata.name ?? (generateName ? generateName + randomBytes(3).toString('hex').slice(1) : '');
      if (!name) throw clusterError('Invalid', `${resource.kind} is invalid: metadata.name: Required value`);
      if (resource.namespaced) {
        const home = { apiVersion: 'v1', plural: 'namespaces', group: '' };
        if (!tables.get('namespaces.')?.objects.has(keyOf({ name: namespace ?? '' }))) {
          throw clusterError('NotFound', `${home.plural} "${namespace ?? ''}" not found`, { namespace });
        }
      }
      const admitted = await admit({
        operation: 'CREATE',
        resource,
        object: copyJson({ ...object, apiVersion: apiVersionOf(resource), kind: resource.kind }),
      });
      const key = { ...(namespace !== undefined && { namespace }), name };
      // After the webhooks, as there: another may have been created meanwhile.
      if (tableOf(resource).objects.has(keyOf(key))) {
        throw clusterError('AlreadyExists', `${nameOf(resource, key)} already exists`, { ...key });
      }
      return own<T>(store(resource, undefined, created(resource, admitted, { name, uid: randomUUID(), now: now() })));
    },

    async patch<T extends KubernetesObject>(
      resource: Resource,
      key: Key,
      patch: Parameters<Cluster['patch']>[2],
      { resourceVersion, subresource }: Parameters<Cluster['patch']>[3] = {},
    ) {
      for (;;) {
        const old = find(resource, key);
        const patched = applyPatch(old, patch);
        checkMetadata(resource, patched);
        const expected = resourceVersion ?? patched.metadata.resourceVersion;
        if (expected !== old.metadata.resourceVersion) {
          throw conflict(
            resource,
            key,
            'the object has been modified; please apply your changes to the latest version',
          );
        }
        let next = updated(resource, old, patched, subresource);
        if (subresource === undefined) {
          const admitted = await admit({ operation: 'UPDATE', resource, object: copyJson(next), oldObject: own(old) });
          next = updated(resource, old, admitted, undefined);
        }
        // Somebody else wrote while the webhook thought: once more, as the API server does.
        if (tableOf(resource).objects.get(keyOf(key)) !== old) continue;
        if (isDeepStrictEqual(next, old)) return own<T>(old);
        const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers } = next.metadata;
        if (deletionTimestamp && deletionGracePeriodSeconds === 0 && !finalizers?.length) {
          remove(resource, next);
          return own<T>(next);
        }
        return own<T>(store(resource, old, next));
      }
    },

    delete: async (resource, key, { gracePeriodSeconds, uid } = {}) => {
      const asked = own(find(resource, key));
      await admit({ operation: 'DELETE', resource, object: asked, oldObject: asked });
      const old = find(resource, key);
      if (uid !== undefined && uid !== old.metadata.uid) throw conflict(resource, key, 'the UID is another');
      const { marked, isGone } = deleted(resource, old, { gracePeriodSeconds, now: now() });
      const kept = marked ? store(resource, old, marked) : old;
      if (isGone) remove(resource, kept);
    },
  };
}

// It ends before its first item, as a watch that a server refuses does.
// eslint-disable-next-line require-yield
async function* refusedWatch(resourceVersion: string): AsyncGenerator<never> {
  await Promise.resolve();
  throw clusterError('ServiceUnavailable', `invalid resource version "${resourceVersion}"`);
}

/** The caller's own copy; what it is, the caller says, as with any JSON that comes from a server. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
const own = <T extends KubernetesObject>(object: KubernetesObject): T => copyJson(object) as T;

const byKey = (a: KubernetesObject, b: KubernetesObject): number =>
  Buffer.compare(Buffer.from(keyOf(a.metadata as Key)), Buffer.from(keyOf(b.metadata as Key)));

/** What is thrown becomes a rejection, as over a network. */
const settle = async <T>(act: () => T): Promise<T> => {
  await Promise.resolve();
  return act();
};
