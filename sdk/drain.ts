import * as native from '../native/index.ts';
import type { Channel } from './channel.ts';
import type { Message } from './messages.ts';
import { toFrame, type Moving } from './moving.ts';
import type { Served } from './served.ts';

/** Connections offered and not yet answered, at most; a frozen peer holds up no more than these. */
const WINDOW = 64;
/** What no event tells (a request that ends after its answer) is looked for this often, in milliseconds. */
const SWEEP_MS = 20;

/** How a drain ended, in connections. */
export interface Drained {
  moved: number;
  finished: number;
  cut: number;
}

/** Connections on their way to the peer; see {@link drain}. */
export interface Drain {
  /** The peer's answer about one connection; `false` for one that it was not asked about. */
  answer(message: Extract<Message, { type: 'ack' | 'nack' }>): boolean;
  /** Moves nothing more. What the peer has not acknowledged is served here again once `settled`: the channel is fenced. */
  stop(settled: boolean): void;
}

/**
 * Empties servers that accept no more: each connection moves to the peer as soon as it is idle, or finishes here. Calls
 * `done` when none is left, or after `timeoutMs` with the rest cut.
 */
export function drain(
  servers: readonly Served[],
  channel: Channel,
  { timeoutMs, moved, done }: { timeoutMs: number; moved: (moving: Moving) => void; done: (result: Drained) => void },
): Drain {
  const pending = new Map<number, Moving>();
  const deadline = performance.now() + timeoutMs;
  const result: Drained = { moved: 0, finished: 0, cut: 0 };
  const serverOf = (moving: Moving): Served | undefined =>
    servers.find(({ description }) => description.name === moving.name);
  let next = 1;
  let active = true;

  const end = (): void => {
    active = false;
    clearInterval(sweep);
    clearTimeout(limit);
    for (const server of servers) server.resume();
  };

  const pump = (): void => {
    if (!active) return;
    for (const server of servers) {
      for (const moving of server.take(WINDOW - pending.size)) {
        const id = next++;
        pending.set(id, moving);
        channel.send({ type: 'connection', ...toFrame(id, moving) }, [moving.descriptor]);
      }
    }
    if (pending.size > 0 || servers.some((server) => server.count() > 0)) return;
    end();
    done(result);
  };
  const sweep = setInterval(pump, SWEEP_MS);
  const limit = setTimeout(() => {
    for (const server of servers) result.cut += server.cut();
    pump();
  }, timeoutMs);
  const left = (): void => {
    result.finished += 1;
  };
  const leftMs = (): number => Math.max(0, deadline - performance.now());
  for (const server of servers) server.drain({ changed: pump, left, leftMs });

  setImmediate(pump);
  return {
    answer(message) {
      const moving = pending.get(message.id);
      if (!moving) return false;
      pending.delete(message.id);
      if (message.type === 'ack') {
        native.close(moving.descriptor);
        result.moved += 1;
        moved(moving);
      } else {
        serverOf(moving)?.adopt({ ...moving, stays: true });
      }
      pump();
      return true;
    },
    stop(settled) {
      if (active) end();
      if (!settled) return;
      for (const moving of pending.values()) serverOf(moving)?.adopt(moving);
      pending.clear();
    },
  };
}
