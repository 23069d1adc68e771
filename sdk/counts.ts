import { BatonError, raise } from './errors.ts';
import { checkState } from './state.ts';

/** What an application counts, so that it can change hands; see `Sidecar.counts`. */
export interface Counter {
  /**
   * Everything that this process has to its credit, as bytes of at most 8 MiB; empty = nothing. It is given away: from now
   * on the process counts from nothing.
   */
  take(): Uint8Array;
  /** Adds what another process had counted: its predecessor, or a successor that ended. */
  merge(bytes: Uint8Array): void;
}

/** The counters of one process. */
export interface Counts {
  /** Throws `ERR_BATON_ARGUMENT`. */
  share(key: string, counter: Counter): void;
  keys(): string[];
  /** Takes what one of them has; `undefined` = nothing. What the application throws is raised in a later turn. */
  take(key: string): Buffer | undefined;
  /** Throws what the application throws, and `ERR_BATON_MESSAGE` for an unknown key. */
  merge(key: string, bytes: Buffer): void;
  /** The same for what was taken here; what it throws is raised in a later turn. */
  recover(key: string, bytes: Buffer): void;
}

export function createCounts(): Counts {
  const counters = new Map<string, Counter>();

  const merge = (key: string, bytes: Buffer): void => {
    const counter = counters.get(key);
    if (!counter) throw new BatonError('ERR_BATON_MESSAGE', `counts of ${key} came, and nobody here counts that`);
    counter.merge(bytes);
  };

  const recover = (key: string, bytes: Buffer): void => {
    try {
      merge(key, bytes);
    } catch (error) {
      raise(error);
    }
  };

  return {
    share(key, counter) {
      checkState(key, Buffer.alloc(0));
      const { take, merge: add } = counter as Partial<Counter>;
      if (typeof take !== 'function' || typeof add !== 'function') {
        throw new BatonError('ERR_BATON_ARGUMENT', `the counter ${key} must have two methods, take and merge`);
      }
      if (counters.has(key)) throw new BatonError('ERR_BATON_ARGUMENT', `${key} is counted already`);
      counters.set(key, counter);
    },
    keys: () => [...counters.keys()],
    take(key) {
      let bytes: Uint8Array | undefined;
      try {
        bytes = counters.get(key)?.take();
        if (bytes === undefined) return undefined;
        checkState(key, bytes);
        return bytes.length > 0 ? Buffer.from(bytes) : undefined;
      } catch (error) {
        raise(error);
        // Too large for a frame: it stays here.
        if (bytes instanceof Uint8Array) recover(key, Buffer.from(bytes));
        return undefined;
      }
    },
    merge,
    recover,
  };
}
