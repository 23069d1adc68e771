import { channel as diagnosticsChannel } from 'node:diagnostics_channel';
import * as native from '../native/index.ts';
import { BatonError, isBatonError, summary } from './errors.ts';
import { createFrameReader, encodeFrame, type Frame } from './frames.ts';
import type { Message } from './messages.ts';

/** How often each side says that it is alive, and how long a silence means that it may not be; in milliseconds. */
export const PING_MS = 1000;
export const SILENCE_MS = 3000;
const READ_BYTES = 64 * 1024;

/** Every frame is published here, synchronously: right after it was written, and before it is acted on. */
const frames = diagnosticsChannel('baton:frame');

/** One control connection between a predecessor and a successor. */
export interface Channel {
  /** The user at the other end (`SO_PEERCRED`). */
  readonly peer: { pid: number; uid: number; gid: number };
  /**
   * Queues a frame; `written` is called once the kernel has taken all of it, at once where there is room, or with the
   * reason why it never will. The descriptors stay the caller's and must stay open until then.
   */
  send(message: Message, descriptors?: readonly number[], written?: (error?: Error) => void): void;
  /**
   * Ends the connection so that both sides agree on what was said. The read side is shut first: a late `ack` of the peer
   * then fails with EPIPE at its end (unix(7)), and one that it had written before is still delivered here. Queued
   * frames are lost, `ended` is not called. Idempotent.
   */
  close(): void;
}

/** What a channel reports. Descriptors of a frame are the receiver's to close. */
export interface ChannelHandlers {
  frame(frame: Frame): void;
  /** The connection is over: end of stream (no error), an error of the system, or a peer that broke the protocol. */
  ended(error?: Error): void;
}

interface Outgoing {
  bytes: Buffer;
  type: Message['type'];
  descriptors: readonly number[];
  written: ((error?: Error) => void) | undefined;
}

/**
 * Speaks frames over a connected, non-blocking Unix stream socket and owns its descriptor from now on. It pings every
 * second; three seconds of silence, or of a peer that reads nothing, end it with `ERR_BATON_SILENT`.
 */
export function openChannel(socket: number, identity: { version: string }, handlers: ChannelHandlers): Channel {
  const reader = createFrameReader();
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const queue: Outgoing[] = [];
  /** Frames read and not yet acted on. */
  const arrived: Frame[] = [];
  let open = true;
  let unreadable = false;
  let failed = false;
  let heard = performance.now();
  let progressed = heard;

  const publish = (direction: 'sent' | 'received', type: Message['type']): void => {
    frames.publish({ version: identity.version, direction, type });
  };

  /** The last words: after the fence only answers about connections still count, and what the peer has given away. */
  const drainAnswers = (): void => {
    for (let part = unreadable ? undefined : read(); part !== undefined; part = part.done ? undefined : read()) {
      arrived.push(...part.frames);
    }
    for (const frame of arrived.splice(0)) {
      publish('received', frame.message.type);
      for (const descriptor of frame.descriptors) native.close(descriptor);
      if (['ack', 'nack', 'final'].includes(frame.message.type)) {
        handlers.frame({ message: frame.message, descriptors: [] });
      }
    }
  };

  const close = (): void => {
    if (!open) return;
    open = false;
    clearInterval(timer);
    watcher.close();
    try {
      native.shutdown(socket, 'read');
      drainAnswers();
    } finally {
      native.close(socket);
      for (const descriptor of reader.unclaimed()) native.close(descriptor);
      const error = new BatonError('ERR_BATON_DISCONNECTED', 'the control connection ended before this was sent');
      for (const { written } of queue.splice(0)) written?.(error);
    }
  };

  /** A peer that broke the protocol learns why, unless a frame to it is half written. */
  const refuse = (error: BatonError): void => {
    if (failed || queue.length > 0) return;
    try {
      native.send(socket, encodeFrame({ type: 'refuse', ...summary(error) }));
      publish('sent', 'refuse');
    } catch {
      // It is gone, and needs no reason any more.
    }
  };

  const end = (error?: Error): void => {
    if (!open) return;
    if (isBatonError(error)) refuse(error);
    close();
    handlers.ended(error);
  };

  /**
   * Writes what there is room for. A failure is reported in a later turn: whoever sends is in the middle of something, and
   * must not learn in there that its peer is dead.
   */
  const flush = (): void => {
    if (failed) return;
    for (let next = queue[0]; open && next !== undefined; next = queue[0]) {
      let count: number | undefined;
      try {
        count = native.send(socket, next.bytes, next.descriptors);
      } catch (error) {
        failed = true;
        setImmediate(() => {
          // The peer may have said why before it went.
          pull();
          end(error as Error);
        });
        return;
      }
      if (count === undefined) break;
      progressed = performance.now();
      next.descriptors = [];
      next.bytes = next.bytes.subarray(count);
      if (next.bytes.length > 0) continue;
      queue.shift();
      publish('sent', next.type);
      next.written?.();
    }
    if (open) watcher.update({ readable: true, writable: queue.length > 0 });
  };

  /** One read; what it means, or `undefined` when there is nothing (left) to read. */
  const read = (): { frames: Frame[]; error?: Error; done: boolean } | undefined => {
    try {
      const received = native.receive(socket, buffer);
      if (received === undefined) return undefined;
      const { frames: complete, error } = reader.push(buffer.subarray(0, received.bytes), received.descriptors);
      // Bytes, not frames: a large one from a peer that is busy takes many turns of its event loop.
      if (received.bytes > 0) heard = performance.now();
      const truncated = new BatonError(
        'ERR_BATON_TRUNCATED',
        'descriptors were lost: this process has no room for more',
      );
      const failure = error ?? (received.truncated ? truncated : undefined);
      unreadable ||= received.bytes === 0 || failure !== undefined;
      return { frames: complete, ...(failure && { error: failure }), done: unreadable };
    } catch (error) {
      unreadable = true;
      return { frames: [], error: error as Error, done: true };
    }
  };

  const pull = (): void => {
    for (let part = open ? read() : undefined; part !== undefined; part = open ? read() : undefined) {
      arrived.push(...part.frames);
      // A frame that ends the connection leaves the rest to the fence: answers among them are final.
      for (let frame = arrived.shift(); frame !== undefined; frame = arrived.shift()) {
        publish('received', frame.message.type);
        handlers.frame(frame);
      }
      if (part.done) end(part.error);
    }
  };

  const beat = (): void => {
    // A process that was itself stopped finds its peer's pings waiting: read before judging.
    pull();
    if (!open) return;
    const now = performance.now();
    const stalled = queue.length > 0 && now - progressed > SILENCE_MS;
    if (now - heard > SILENCE_MS || stalled) {
      end(
        new BatonError('ERR_BATON_SILENT', `the peer has ${stalled ? 'read' : 'said'} nothing for ${SILENCE_MS} ms`, {
          facts: { stalled },
        }),
      );
    } else if (queue.length === 0) {
      channel.send({ type: 'ping' });
    }
  };

  const watcher = native.watch(socket, { readable: true }, ({ readable, writable }) => {
    if (writable && open) flush();
    if (readable && open) pull();
  });
  const timer = setInterval(beat, PING_MS);

  const channel: Channel = {
    peer: native.credentials(socket),
    send(message, descriptors = [], written?) {
      if (!open) {
        written?.(
          new BatonError('ERR_BATON_DISCONNECTED', `the control connection is over; ${message.type} was not sent`),
        );
        return;
      }
      if (queue.length === 0) progressed = performance.now();
      queue.push({ bytes: encodeFrame(message, descriptors.length), type: message.type, descriptors, written });
      if (queue.length === 1) flush();
    },
    close,
  };
  return channel;
}
