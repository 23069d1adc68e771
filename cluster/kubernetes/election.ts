import { ApiError } from '../../api/error.ts';
import type { Cluster, Key } from '../cluster.ts';
import { leases } from '../resource.ts';
import { sleep, systemClock, type Clock } from './clock.ts';
import { DURATIONS, viewLease, type Held, type Lease, type LeaseView } from './lease.ts';
import { createReflector } from './reflector.ts';

/** What becomes of the leadership, for logs and metrics. */
export type ElectionReport =
  | { type: 'leading' }
  /** Another holds it, or it could not be renewed in time. */
  | { type: 'lost'; because: string }
  | { type: 'released' }
  /** A request failed; it is tried again. */
  | { type: 'failed'; error: ApiError };

export interface ElectionOptions {
  /** Of its own, so that renewals wait for no other requests; with a time-out below `DURATIONS.giveUp`. */
  cluster: Cluster;
  /** Which Lease; it is made where there is none. */
  key: Key & { namespace: string };
  /** Of this process and no other, not even of the one before it in the same pod. */
  identity: string;
  /** Ends it: the leader ends its work, then lets go of the lease. */
  signal: AbortSignal;
  /**
   * The leader's work. When its signal aborts it ends as soon as it can, because another may begin 3 s later. A process that
   * was suspended may run on for a moment before its signal aborts: `holds`, asked just before a write is sent, tells by the
   * clock whether it still leads.
   */
  lead: (signal: AbortSignal, holds: () => boolean) => Promise<void>;
  report?: (report: ElectionReport) => void;
  clock?: Clock;
  /** Wall-clock milliseconds, for people who read the Lease. */
  now?: () => number;
  random?: () => number;
}

/**
 * Contends for the lease and leads while it holds it, until the signal aborts or `lead` ends by itself.
 *
 * @returns `lost` when the lease was lost and `lead` has ended: whoever led on what it knew then ends its process, and another
 * one begins with nothing in mind; else `ended`
 * @throws what `lead` throws; errors of the cluster are reported and tried again
 */
export async function contend(options: ElectionOptions): Promise<'ended' | 'lost'> {
  const { cluster, key, signal, report = () => undefined } = options;
  const { clock = systemClock, now = Date.now, random = Math.random } = options;
  let wake = (): void => undefined;
  const view = viewLease({ cluster, key, identity: options.identity, clock, now, onChange: () => wake() });

  /** Ends early when the lease changes. */
  const pause = async (ms: number): Promise<void> => {
    const early = new AbortController();
    wake = () => early.abort();
    if (!signal.aborted) await sleep(clock, ms, early.signal);
  };

  const tryToTake = async (): Promise<Held | undefined> => {
    try {
      return await view.take();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Another was faster; it is seen at the next look.
      if (error.code === 'ERR_BATON_CONFLICT' || error.code === 'ERR_BATON_EXISTS') return undefined;
      report({ type: 'failed', error });
      await pause(DURATIONS.retry * (1 + random()));
      return undefined;
    }
  };

  const ended = new AbortController();
  const end = (): void => {
    ended.abort();
    wake();
  };
  signal.addEventListener('abort', end);
  // Only to hear of changes at once: what counts is read when the lease is taken.
  const reflector = createReflector<Lease, string>({
    cluster,
    resource: leases,
    query: { namespace: key.namespace, fields: { 'metadata.name': key.name } },
    keep(lease) {
      view.observe(lease);
      return lease.metadata.uid ?? '';
    },
    handlers: { deleted: (uid) => view.observeDeleted(uid) },
    signal: ended.signal,
    report: (told) => {
      if (told.type === 'failed') report({ type: 'failed', error: told.error });
    },
    clock,
    random,
  });
  try {
    while (!signal.aborted) {
      const wait = view.untilFree();
      if (wait > 0) {
        await pause(wait);
        continue;
      }
      const held = await tryToTake();
      // An answer that took too long is none to begin on.
      if (held && isFresh(held, clock)) return await leadWith(held, view, { ...options, report, clock });
    }
    return 'ended';
  } finally {
    signal.removeEventListener('abort', end);
    end();
    await reflector.done;
  }
}

/** Whether nobody else can lead yet. */
const isFresh = ({ since }: Held, clock: Clock): boolean => clock.now() - since < DURATIONS.giveUp;

type LeaderOptions = Pick<ElectionOptions, 'signal' | 'lead'> & Required<Pick<ElectionOptions, 'report' | 'clock'>>;

async function leadWith(held: Held, view: LeaseView, options: LeaderOptions): Promise<'lost' | 'ended'> {
  const { signal, lead, report } = options;
  const leading = new AbortController();
  const stop = (): void => leading.abort();
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const keeping = keep(held, view, options, (because) => {
    report({ type: 'lost', because });
    leading.abort();
  });
  report({ type: 'leading' });
  let kept: Held | undefined;
  try {
    // It is renewed until this has ended, also while it stops: nobody else begins before.
    await lead(leading.signal, keeping.holds);
  } finally {
    signal.removeEventListener('abort', stop);
    kept = await keeping.end();
    if (kept) await release(kept, view, report);
  }
  return kept ? 'ended' : 'lost';
}

/** Renews until it is told to end, then says what is still held; or until the lease is lost. */
function keep(
  held: Held,
  view: LeaseView,
  { clock, report }: LeaderOptions,
  onLost: (because: string) => void,
): { holds: () => boolean; end: () => Promise<Held | undefined> } {
  const over = new AbortController();
  const isOver = (): boolean => over.signal.aborted;
  let current: Held | undefined = held;
  const lose = (because: string): void => {
    if (isOver()) return;
    current = undefined;
    over.abort();
    onLost(because);
  };
  const giveUp = (): void => lose(`no renewal in ${DURATIONS.giveUp} ms`);
  const expire = (since: number): (() => void) => clock.after(since + DURATIONS.giveUp - clock.now(), giveUp);

  const run = async (): Promise<void> => {
    let cancel = expire(held.since);
    let wait = DURATIONS.renew;
    while (current) {
      await sleep(clock, wait, over.signal);
      if (isOver()) break;
      // It was suspended, and this is heard of before the end of its time.
      if (!isFresh(current, clock)) {
        giveUp();
        break;
      }
      wait = DURATIONS.retry;
      try {
        const renewed = await view.renew(current);
        // Given up meanwhile: then it stays so.
        if (!(current as Held | undefined)) break;
        if (!renewed) {
          lose('another holds it, or it was deleted');
          break;
        }
        current = renewed;
        wait = DURATIONS.renew;
        cancel();
        cancel = expire(current.since);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        report({ type: 'failed', error });
      }
    }
    cancel();
  };
  const running = run();
  return {
    holds: () => current !== undefined && isFresh(current, clock),
    async end() {
      over.abort();
      await running;
      return current;
    },
  };
}

async function release(held: Held, view: LeaseView, report: ElectionOptions['report'] & object): Promise<void> {
  try {
    await view.release(held);
    report({ type: 'released' });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // The others wait until it expires.
    report({ type: 'failed', error });
  }
}
