import { ApiError } from '../../api/error.ts';
import type { Lease as WireLease } from '../../api/kubernetes.ts';
import type { Cluster, Key, KubernetesObject } from '../cluster.ts';
import { leases } from '../resource.ts';
import type { Clock } from './clock.ts';

/**
 * In milliseconds. A leader renews every `renew` and stops `giveUp` after it *asked for* the last renewal that it got; others
 * take over `lease` after they *saw* that renewal, which is later. So two never lead at once, as long as their clocks run at
 * rates less than 8 : 5 apart and a leader stops within 3 s. They see it by a watch, so another acts `lease` and little more
 * after a leader was killed; 10 s are promised. A renewal that fails is tried again after `retry`: the API server may be away
 * for 2 s at the least.
 */
export const DURATIONS = { lease: 8000, giveUp: 5000, renew: 2000, retry: 500 };

export type Lease = WireLease & KubernetesObject;

export interface LeaseOptions {
  cluster: Cluster;
  key: Key & { namespace: string };
  identity: string;
  clock: Clock;
  /** Wall-clock milliseconds, for people who read the Lease: nothing is decided by it. */
  now: () => number;
  /** Called when it looks other than before. */
  onChange: () => void;
}

/** A lease in our hands. */
export interface Held {
  resourceVersion: string;
  /** When the last renewal was asked for, on our own clock. */
  since: number;
}

/** One Lease as a contender sees it. Requests throw what the cluster throws. */
export interface LeaseView {
  /** Takes notice of what a watch or an answer shows. */
  observe(lease: Lease): void;
  /** Takes notice that the one of this uid was deleted: nobody is waited for longer than for one of Baton's own leaders. */
  observeDeleted(uid: string): void;
  /** Milliseconds until it may be tried to take it, by our own clock alone. */
  untilFree(): number;
  /** Takes it, unless it turns out that another holds it. */
  take(): Promise<Held | undefined>;
  /** Undefined where another has it, or it is no more. */
  renew(held: Held): Promise<Held | undefined>;
  /** Empties it, so that another takes it at once. */
  release(held: Held): Promise<void>;
}

export function viewLease({ cluster, key, identity, clock, now, onChange }: LeaseOptions): LeaseView {
  /** As it last was; `at` is when it was first seen like this. */
  let seen: { uid: string; resourceVersion: string; holder: string; duration: number; at: number } | undefined;

  const observe = ({ metadata, spec = {} }: Lease): void => {
    const { uid = '', resourceVersion = '' } = metadata;
    if (seen?.resourceVersion === resourceVersion) return;
    const { holderIdentity: holder = '', leaseDurationSeconds } = spec;
    const duration = leaseDurationSeconds === undefined ? DURATIONS.lease : leaseDurationSeconds * 1000;
    seen = { uid, resourceVersion, holder, duration, at: clock.now() };
    onChange();
  };

  const untilFree = (): number => {
    if (!seen || seen.holder === '' || seen.holder === identity) return 0;
    return Math.max(0, seen.at + seen.duration - clock.now());
  };

  const read = async (): Promise<Lease | undefined> => {
    try {
      const lease = await cluster.get<Lease>(leases, key);
      observe(lease);
      return lease;
    } catch (error) {
      if (error instanceof ApiError && error.code === 'ERR_BATON_NOT_FOUND') return undefined;
      throw error;
    }
  };

  const write = async (resourceVersion: string | undefined, spec: Lease['spec']): Promise<Held> => {
    const since = clock.now();
    const named = { ...spec, renewTime: timestamp(now()) };
    const written =
      resourceVersion === undefined
        ? await cluster.create<Lease>(leases, { metadata: { ...key }, spec: named })
        : await cluster.patch<Lease>(leases, key, { spec: named }, { resourceVersion });
    observe(written);
    return { resourceVersion: written.metadata.resourceVersion ?? '', since };
  };

  return {
    observe,
    observeDeleted(uid) {
      if (seen?.uid !== uid) return;
      seen.duration = Math.min(seen.duration, DURATIONS.lease);
      onChange();
    },
    untilFree,
    async take() {
      const lease = await read();
      if (untilFree() > 0) return undefined;
      return write(lease?.metadata.resourceVersion, {
        holderIdentity: identity,
        leaseDurationSeconds: DURATIONS.lease / 1000,
        acquireTime: timestamp(now()),
        leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + 1,
      });
    },
    async renew({ resourceVersion }) {
      try {
        return await write(resourceVersion, {});
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.code === 'ERR_BATON_NOT_FOUND') return undefined;
        if (error.code !== 'ERR_BATON_CONFLICT') throw error;
      }
      // Another took it; or somebody labelled it, or our last renewal came through and its answer did not.
      const lease = await read();
      return lease?.spec?.holderIdentity === identity ? write(lease.metadata.resourceVersion, {}) : undefined;
    },
    async release({ resourceVersion }) {
      await write(resourceVersion, { holderIdentity: '', leaseDurationSeconds: 1 });
    },
  };
}

/** Wall-clock milliseconds as a `MicroTime`: six digits, or the API server refuses it. */
const timestamp = (now: number): string => new Date(now).toISOString().replace(/(\.\d{3})Z$/, '$1000Z');
