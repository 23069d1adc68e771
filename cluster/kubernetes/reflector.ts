import type { Cluster, Key, KubernetesObject, Query } from '../cluster.ts';
import type { Resource } from '../resource.ts';
import { systemClock, type Clock } from './clock.ts';
import { follow, type Report } from './follow.ts';

export interface ReflectorOptions<T extends KubernetesObject, K> {
  cluster: Cluster;
  resource: Resource;
  query?: Query;
  /** What is kept of an object: the fields in use and no others, because all objects are kept in memory. */
  keep: (object: T) => K;
  /**
   * Told of each change after the store knows it, in order; an object deleted and made again under its name is both, also if
   * it was never seen missing. What they throw ends the reflector: a change missed by them is missed for good.
   */
  handlers?: {
    added?: (object: K) => void;
    updated?: (object: K, old: K) => void;
    deleted?: (old: K) => void;
  };
  /** By name, which values an object is found by. */
  indexes?: Record<string, (object: K) => readonly string[]>;
  /** Ends it. */
  signal: AbortSignal;
  report?: (report: Report) => void;
  /** Objects a page; the default is 500. */
  pageSize?: number;
  clock?: Clock;
  random?: () => number;
}

/** The objects of a query, as last heard of. */
export interface Reflector<K> {
  /** Resolves when all objects of the first list are there: `true`; or `false` when it ended before. */
  readonly synced: Promise<boolean>;
  /** Resolves when it has ended by the signal; rejects with what a handler or `keep` threw. */
  readonly done: Promise<void>;
  get(key: Key): K | undefined;
  /** All of them, in the order of `namespace/name`. */
  list(): K[];
  /** The objects that an index has under this value, in the same order. */
  by(index: string, value: string): K[];
}

interface Entry<K> {
  key: string;
  uid: string;
  resourceVersion: string;
  object: K;
}

/** Keeps up with a cluster; never gives up. Works on any {@link Cluster}. */
export function createReflector<T extends KubernetesObject, K>(options: ReflectorOptions<T, K>): Reflector<K> {
  const { cluster, resource, query = {}, keep, handlers = {}, indexes = {}, signal, pageSize = 500 } = options;
  const { report = () => undefined, clock = systemClock, random = Math.random } = options;
  const entries = new Map<string, Entry<K>>();
  const indexed = new Map(Object.keys(indexes).map((name) => [name, new Map<string, Set<Entry<K>>>()]));

  /** An entry's place in the indexes, where its object has other values than before. */
  const file = (entry: Entry<K>, now: K | undefined, before: K | undefined): void => {
    for (const [name, valuesOf] of Object.entries(indexes)) {
      const index = indexed.get(name);
      const old = before === undefined ? [] : valuesOf(before);
      const values = now === undefined ? [] : valuesOf(now);
      for (const value of old.filter((one) => !values.includes(one))) {
        const found = index?.get(value);
        found?.delete(entry);
        if (found?.size === 0) index?.delete(value);
      }
      for (const value of values) {
        const found = index?.get(value);
        if (found) found.add(entry);
        else index?.set(value, new Set([entry]));
      }
    }
  };

  const remove = (old: Entry<K>): void => {
    entries.delete(old.key);
    file(old, undefined, old.object);
    handlers.deleted?.(old.object);
  };

  const set = (entry: Entry<K>): void => {
    const known = entries.get(entry.key);
    if (known && known.uid !== entry.uid) remove(known);
    const place = entries.get(entry.key);
    if (place?.resourceVersion === entry.resourceVersion) return;
    if (place) {
      // It keeps its place: what is nearly in order is put in order at little cost.
      const old = place.object;
      Object.assign(place, entry);
      file(place, entry.object, old);
      handlers.updated?.(entry.object, old);
    } else {
      entries.set(entry.key, entry);
      file(entry, entry.object, undefined);
      handlers.added?.(entry.object);
    }
  };

  const replaceAll = (listed: Entry<K>[]): void => {
    const there = new Set(listed.map(({ key }) => key));
    for (const old of [...entries.values()]) if (!there.has(old.key)) remove(old);
    for (const entry of listed) set(entry);
  };

  const read = (object: T): Entry<K> => ({
    key: keyOf(object.metadata),
    uid: object.metadata.uid ?? '',
    resourceVersion: object.metadata.resourceVersion ?? '',
    object: keep(object),
  });

  let sync: (isSynced: boolean) => void = () => undefined;
  const synced = new Promise<boolean>((resolve) => (sync = resolve));
  const run = async (): Promise<void> => {
    try {
      const changes = follow({ cluster, resource, query, keep: read, signal, report, clock, random, pageSize });
      for await (const change of changes) {
        if (change.type === 'LIST') {
          replaceAll(change.objects);
          sync(true);
        } else if (change.type === 'SET') {
          set(change.object);
        } else {
          const old = entries.get(change.object.key);
          if (old?.uid === change.object.uid) remove(old);
        }
      }
    } finally {
      sync(false);
    }
  };

  return {
    synced,
    done: run(),
    get: (key) => entries.get(keyOf(key))?.object,
    list: () => inOrder(entries.values()),
    by: (index, value) => inOrder(indexed.get(index)?.get(value) ?? []),
  };
}

const inOrder = <K>(entries: Iterable<Entry<K>>): K[] =>
  Array.from(entries)
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ object }) => object);

const keyOf = ({ namespace = '', name = '' }: Partial<Key>): string => `${namespace}/${name}`;
