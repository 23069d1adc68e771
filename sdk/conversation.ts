import { openChannel, type Channel, type ChannelHandlers } from './channel.ts';
import { BatonError } from './errors.ts';
import type { Frame } from './frames.ts';
import * as native from '../native/index.ts';
import type { Message } from './messages.ts';

/** A channel whose frames are first awaited one by one, and later handled as they come. */
export interface Conversation {
  readonly channel: Channel;
  /**
   * The next frame, which must be of one of these types; pings are passed over.
   *
   * @throws BatonError `ERR_BATON_TIMEOUT`; `ERR_BATON_DISCONNECTED` when the line breaks first; the peer's own code when
   *   it refuses; `ERR_BATON_MESSAGE` for another type; the signal's reason.
   */
  next(
    types: readonly Message['type'][],
    wait: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<Frame>;
  /** From now on frames go to these handlers, first those that have come already. */
  handle(handlers: ChannelHandlers): void;
  /** Closes the channel and the descriptors of frames that nobody took. */
  close(): void;
}

const closeAll = (frame: Frame): void => {
  for (const descriptor of frame.descriptors) native.close(descriptor);
};

/** Opens a channel over a connected socket, whose descriptor it takes over. */
export function converse(socket: number, identity: { version: string }): Conversation {
  const inbox: Frame[] = [];
  let over: { error: Error | undefined } | undefined;
  let arrived: (() => void) | undefined;
  let handlers: ChannelHandlers | undefined;

  const channel = openChannel(socket, identity, {
    frame(frame) {
      if (frame.message.type === 'ping') return;
      if (handlers) handlers.frame(frame);
      else inbox.push(frame);
      arrived?.();
    },
    ended(error) {
      over = { error };
      handlers?.ended(error);
      arrived?.();
    },
  });

  const take = (types: readonly Message['type'][]): Frame | undefined => {
    const frame = inbox.shift();
    if (!frame) return undefined;
    const { message } = frame;
    if (types.includes(message.type)) return frame;
    closeAll(frame);
    throw message.type === 'refuse'
      ? new BatonError(refusal(message.code), `the other version refused: ${message.message}`, {
          facts: { code: message.code },
        })
      : new BatonError('ERR_BATON_MESSAGE', `the other version said ${message.type} instead of ${types.join(' or ')}`);
  };

  return {
    channel,
    async next(types, { timeoutMs, signal }) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        signal?.throwIfAborted();
        const frame = take(types);
        if (frame) return frame;
        if (over) {
          throw new BatonError(
            'ERR_BATON_DISCONNECTED',
            `the other version went away before it said ${types.join(' or ')}`,
            {
              cause: over.error,
            },
          );
        }
        const left = deadline - performance.now();
        if (left <= 0) {
          throw new BatonError(
            'ERR_BATON_TIMEOUT',
            `the other version did not say ${types.join(' or ')} in ${timeoutMs} ms`,
            {
              facts: { timeoutMs },
            },
          );
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          const wake = (): void => {
            arrived = undefined;
            clearTimeout(timer);
            signal?.removeEventListener('abort', wake);
            resolve();
          };
          arrived = wake;
          signal?.addEventListener('abort', wake, { once: true });
        });
      }
    },
    handle(next) {
      handlers = next;
      const already = over;
      for (const frame of inbox.splice(0)) next.frame(frame);
      if (already) next.ended(already.error);
    },
    close() {
      channel.close();
      for (const frame of inbox.splice(0)) closeAll(frame);
    },
  };
}

const refusal = (code: string): `ERR_BATON_${string}` =>
  code.startsWith('ERR_BATON_') ? (code as `ERR_BATON_${string}`) : 'ERR_BATON_REFUSED';
