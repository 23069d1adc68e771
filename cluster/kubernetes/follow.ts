import { ApiError } from '../../api/error.ts';
import type { Cluster, KubernetesObject, Query } from '../cluster.ts';
import type { Resource } from '../resource.ts';
import { backoff, sleep, type Clock } from './clock.ts';

/** What happened to a list or watch; for logs and metrics. */
export type Report =
  | { type: 'listed'; objects: number; pages: number; ms: number }
  /** A watch that the server ended in good order, as each is after some minutes. */
  | { type: 'ended' }
  /** Nothing came for so long that the connection is taken for dead. */
  | { type: 'stalled'; retryIn: number }
  | { type: 'failed'; error: ApiError; retryIn: number };

export interface FollowOptions<T extends KubernetesObject, K> {
  cluster: Cluster;
  resource: Resource;
  query: Query;
  /** What is kept of an object; called as soon as it comes in, so that no list is ever held whole. */
  keep: (object: T) => K;
  signal: AbortSignal;
  report: (report: Report) => void;
  clock: Clock;
  random: () => number;
  /** Objects a page. */
  pageSize: number;
}

export type Change<K> =
  /** Everything there is. */
  { type: 'LIST'; objects: K[] } | { type: 'SET' | 'DELETE'; object: K };

/** Pauses after failures, in milliseconds. */
const PAUSES = { base: 500, max: 30_000 };
/** A watch that held for so long was no failure, whatever ended it. */
const HELD = 10_000;
/** The server sends a bookmark every minute, so this long without anything means that nothing comes through. */
const SILENCE = 150_000;

/**
 * Everything that happens to the objects of a query, for ever: a list, then changes from there on, and another list where
 * the server has forgotten where we were. Errors of the cluster are reported and tried again; ends when the signal aborts.
 */
export async function* follow<T extends KubernetesObject, K>(
  options: FollowOptions<T, K>,
): AsyncGenerator<Change<K>, void, undefined> {
  const { keep, signal, report, clock, random } = options;
  // Read anew each time: it changes while others run.
  const isOver = (): boolean => signal.aborted;
  let position: string | undefined;
  let failures = 0;
  while (!isOver()) {
    let watchedSince: number | undefined;
    // What it brought shows that the server is well; so does that it forgot a moment that it did not just give us.
    let isAlive = false;
    const isOld = position !== undefined;
    let problem: { type: 'stalled' } | { type: 'failed'; error: ApiError } | undefined;
    const silence = createSilence(signal, clock);
    try {
      if (position === undefined) {
        const { objects, resourceVersion } = await listAll(options);
        if (isOver()) return;
        position = resourceVersion;
        yield { type: 'LIST', objects };
      }
      const timeoutSeconds = Math.round(300 + 300 * random());
      const query = { ...options.query, resourceVersion: position, timeoutSeconds, signal: silence.signal };
      silence.restart();
      watchedSince = clock.now();
      for await (const event of options.cluster.watch<T>(options.resource, query)) {
        silence.restart();
        isAlive = true;
        if (event.type === 'BOOKMARK') {
          position = event.resourceVersion;
        } else {
          position = event.object.metadata.resourceVersion;
          yield { type: event.type === 'DELETED' ? 'DELETE' : 'SET', object: keep(event.object) };
        }
      }
      if (silence.signal.aborted) problem = { type: 'stalled' };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === 'ERR_BATON_GONE') {
        position = undefined;
        isAlive ||= isOld;
      }
      problem = { type: 'failed', error };
    } finally {
      silence.end();
    }
    if (isOver()) return;
    if (isAlive || (watchedSince !== undefined && clock.now() - watchedSince >= HELD)) failures = 0;
    else failures += 1;
    if (problem) failures = Math.max(1, failures);
    const retryIn = failures === 0 ? 0 : backoff(failures, { ...PAUSES, random });
    report(problem ? { ...problem, retryIn } : { type: 'ended' });
    if (retryIn > 0) await sleep(clock, retryIn, signal);
  }
}

/** Page by page, all of one moment. */
async function listAll<T extends KubernetesObject, K>({
  cluster,
  resource,
  query,
  keep,
  signal,
  report,
  clock,
  pageSize,
}: FollowOptions<T, K>): Promise<{ objects: K[]; resourceVersion: string }> {
  const since = clock.now();
  const objects: K[] = [];
  let next: string | undefined;
  let pages = 0;
  for (;;) {
    const page = await cluster.list<T>(resource, { ...query, limit: pageSize, ...(next !== undefined && { next }) });
    pages += 1;
    for (const object of page.items) objects.push(keep(object));
    next = page.next;
    if (next === undefined || signal.aborted) {
      report({ type: 'listed', objects: objects.length, pages, ms: clock.now() - since });
      return { objects, resourceVersion: page.resourceVersion };
    }
  }
}

/** A signal that aborts with another one, or when nothing was heard for too long. */
function createSilence(
  signal: AbortSignal,
  clock: Clock,
): { signal: AbortSignal; restart: () => void; end: () => void } {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  let cancel = (): void => undefined;
  signal.addEventListener('abort', stop);
  return {
    signal: abort.signal,
    restart() {
      cancel();
      cancel = clock.after(SILENCE, stop);
    },
    end() {
      cancel();
      signal.removeEventListener('abort', stop);
    },
  };
}
