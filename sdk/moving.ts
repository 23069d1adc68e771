import type { ConnectionFrame } from './messages.ts';

/** A connection between two owners: its descriptor, owned by whoever holds this object, and what must travel with it. */
export interface Moving {
  /** The name of the socket that accepted it. */
  name: string;
  descriptor: number;
  local: string;
  remote: string;
  head: Buffer;
  state?: Buffer;
  /** Of an http server, and it speaks another protocol by now. */
  upgraded?: boolean;
  /** Milliseconds that it may stay idle from now; absent = for ever. */
  idleMs?: number;
  /** It was offered and refused: it ends here. */
  stays?: boolean;
}

export const toFrame = (id: number, moving: Moving): ConnectionFrame => ({
  id,
  name: moving.name,
  local: moving.local,
  remote: moving.remote,
  head: moving.head.toString('base64'),
  ...(moving.state && { state: moving.state.toString('base64') }),
  ...(moving.upgraded && { upgraded: true }),
  ...(moving.idleMs !== undefined && { idleMs: Math.max(0, Math.round(moving.idleMs)) }),
});

export const fromFrame = (frame: ConnectionFrame, descriptor: number): Moving => ({
  name: frame.name,
  descriptor,
  local: frame.local,
  remote: frame.remote,
  head: Buffer.from(frame.head, 'base64'),
  ...(frame.state !== undefined && { state: Buffer.from(frame.state, 'base64') }),
  ...(frame.upgraded && { upgraded: true }),
  ...(frame.idleMs !== undefined && { idleMs: frame.idleMs }),
});
