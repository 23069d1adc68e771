import type { Http2Server, Http2SecureServer, ServerHttp2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';
import * as native from '../native/index.ts';
import { descriptorOf } from './internals.ts';

/*
 * What the SDK knows of HTTP/2 in Node without its documentation saying so. Seen the same in Node 20, 22, 24 and 26.
 */

/** Whether a server speaks HTTP/2; its classes are not exported, `updateSettings` is theirs alone. */
export const isHttp2 = (server: Server): server is Http2Server | Http2SecureServer =>
  typeof (server as { updateSettings?: unknown }).updateSettings === 'function';

/**
 * Writes a frame of the SDK's own between those of the session, for which Node has no call. Each write of the session is
 * made of whole frames, so the kernel has whole frames when the handle's queue is empty. The descriptor is written to
 * directly: a write through the handle that does not end at once would end the process, because the session takes every
 * write that ends for its own, and checks. For that reason it is not possible where TLS lies between.
 *
 * @returns `later` while bytes of the session wait for the client; `never` where it is not possible at all
 */
export function writeFrame(session: ServerHttp2Session, frame: Uint8Array): 'written' | 'later' | 'never' {
  if (session.destroyed || session.encrypted !== false) return 'never';
  try {
    const socket = session.socket as Socket & { _handle?: { writeQueueSize?: unknown } | null };
    const descriptor = descriptorOf(socket);
    const waiting = socket._handle?.writeQueueSize;
    if (descriptor === undefined || typeof waiting !== 'number') return 'never';
    if (waiting > 0) return 'later';
    const count = native.send(descriptor, frame);
    if (count === frame.length) return 'written';
    if (count === undefined) return 'later';
    // The last bytes of room in the kernel took a part of it, and what would follow is no frame any more.
    session.destroy();
  } catch {
    // The client is gone; the session hears of it by itself.
  }
  return 'never';
}
