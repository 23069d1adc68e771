import { setMaxListeners } from 'node:events';
import { copyJson } from '../../api/json.ts';
import type { KubernetesObject, WatchEvent } from '../cluster.ts';
import { clusterError } from '../errors.ts';

/** One change of one object: `after` is absent when it was deleted, `before` when it was created. */
interface Change {
  revision: number;
  before?: KubernetesObject;
  after?: KubernetesObject;
}

/** The last changes of one resource, for watches. */
export interface History {
  add(change: Change): void;
  watch(
    matches: (object: KubernetesObject) => boolean,
    from: number,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<KubernetesObject>>;
}

/** Keeps the last `length` changes; who asks for what was before them has to list again. */
export function createHistory(length: number): History {
  let changes: Change[] = [];
  let forgotten = 0;
  let newest = 0;
  const wake = new EventTarget();
  // One listener a watch; Node warns at 11.
  setMaxListeners(0, wake);

  const after = (revision: number): Change[] => {
    if (revision < forgotten) throw clusterError('Expired', `too old resource version: ${revision} (${forgotten})`);
    const index = changes.findLastIndex((change) => change.revision <= revision);
    return changes.slice(index + 1);
  };

  const changed = (signal: AbortSignal, position: number): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted || newest > position) {
        resolve();
        return;
      }
      const done = (): void => {
        wake.removeEventListener('change', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      wake.addEventListener('change', done);
      signal.addEventListener('abort', done);
    });

  return {
    add(change) {
      changes.push(change);
      newest = change.revision;
      // In bulk: cutting one from the front at every change would copy the list each time.
      if (changes.length >= length * 2) {
        forgotten = changes[changes.length - length - 1]?.revision ?? forgotten;
        changes = changes.slice(-length);
      }
      wake.dispatchEvent(new Event('change'));
    },
    async *watch(matches, from, signal) {
      let position = from;
      const isOver = (): boolean => signal.aborted;
      while (!isOver()) {
        let told = position;
        for (const change of after(position)) {
          position = change.revision;
          const event = eventOf(change, matches);
          if (!event) continue;
          told = position;
          yield event;
          if (isOver()) return;
        }
        if (told < position) yield { type: 'BOOKMARK', resourceVersion: String(position) };
        await changed(signal, position);
      }
    },
  };
}

/** An object that comes to match is new to the watcher, and one that no longer does is gone. */
function eventOf(
  { revision, before, after }: Change,
  matches: (object: KubernetesObject) => boolean,
): WatchEvent<KubernetesObject> | undefined {
  const was = before !== undefined && matches(before);
  const is = after !== undefined && matches(after);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object: copyJson(after) };
  if (!was) return undefined;
  const last = copyJson(before);
  const metadata = { ...last.metadata, resourceVersion: String(revision) };
  return { type: 'DELETED', object: { ...last, metadata } };
}
