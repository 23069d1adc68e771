import * as native from '../native/index.ts';
import type { Moving } from './moving.ts';

/** Connections that wait for their first byte; see {@link createHeld}. */
export interface Held {
  /** Takes the connection's descriptor over. */
  add(moving: Moving): void;
  /** Gives back up to `limit` connections that may move on, with the idle time that they have left. */
  take(limit: number): Moving[];
  size(): number;
  /** Closes all of them. */
  close(): void;
}

/**
 * Holds idle connections as bare descriptors. A moved HTTP connection must not meet the server before its first byte:
 * the server would count the silence as a slow header and answer 408. `wake` gets the connection, and its descriptor,
 * when there is something to read; one that stays idle for longer than it may is closed, as its server would have done.
 */
export function createHeld(wake: (moving: Moving) => void, expired: () => void): Held {
  const all = new Map<Moving, { release: () => void; deadline: number | undefined }>();

  const add = (moving: Moving): void => {
    const watcher = native.watch(moving.descriptor, { readable: true }, () => {
      release();
      wake(moving);
    });
    const timer = moving.idleMs === undefined ? undefined : setTimeout(() => setImmediate(expire), moving.idleMs);
    // A process that was busy finds the timer due before it has looked at its sockets: a request may be there.
    const expire = (): void => {
      if (!all.has(moving)) return;
      release();
      native.close(moving.descriptor);
      expired();
    };
    const release = (): void => {
      all.delete(moving);
      watcher.close();
      clearTimeout(timer);
    };
    const deadline = moving.idleMs === undefined ? undefined : performance.now() + moving.idleMs;
    all.set(moving, { release, deadline });
  };

  return {
    add,
    take(limit) {
      const taken: Moving[] = [];
      for (const [moving, { release, deadline }] of all) {
        if (taken.length >= limit) break;
        if (moving.stays) continue;
        release();
        taken.push(deadline === undefined ? moving : { ...moving, idleMs: Math.max(0, deadline - performance.now()) });
      }
      return taken;
    },
    size: () => all.size,
    close() {
      for (const [moving, { release }] of all) {
        release();
        native.close(moving.descriptor);
      }
    },
  };
}
