import { setTimeout as delay } from 'node:timers/promises';
import { codeOf } from './errors.ts';
import { cut, endsMessage, isBetween, isSent, OPEN, type Cut, type Inside } from './internals-websocket.ts';

/** What no event tells (bytes are sent, a frame is whole) is looked for this often, in milliseconds. */
const POLL_MS = 10;
/**
 * A client whose answers are unsent is not read for so long, in milliseconds, and then read again for as long: one that
 * reads nothing before all that it wrote is read would never go on.
 */
const HOLD_MS = 200;
/** The events in which a client may stand between two messages. */
const FRAMES = ['message', 'ping', 'pong'] as const;

/** What {@link moveWhenQuiet} needs of its caller. */
export interface Mover {
  /** Resolves once nothing is to be sent in answer to what was received. */
  settle: () => Promise<unknown> | undefined;
  /** Lets the connection go: afterwards its socket is destroyed, unless nobody takes it any more. */
  give: () => void;
  /** Called with what one of the two threw; it is not tried again. */
  failed: (error: unknown) => void;
  signal: AbortSignal;
}

/**
 * Gives a connection: stops to read it between two messages, waits until all answers are made and sent, and lets go. Where
 * that takes too long it is tried again. Returns how to stop trying; the client then goes on here.
 */
export function moveWhenQuiet(inside: Inside, { settle, give, failed, signal }: Mover): () => void {
  const { client, socket } = inside;
  let over = false;
  let notBefore = 0;
  let held: Cut | undefined;

  const wanted = (): boolean => !over && client.readyState === OPEN && !signal.aborted;
  const ready = (): boolean => wanted() && socket.readable && socket.writable && isSent(inside);

  const letGo = (): void => {
    if (!socket.destroyed) held?.undo();
    held = undefined;
  };
  const stop = (): void => {
    if (over) return;
    over = true;
    clearInterval(poll);
    for (const event of FRAMES) client.off(event, atFrame);
    client.off('close', stop);
    letGo();
  };

  const attempt = async (between: boolean): Promise<void> => {
    if (over || held) return;
    if (!wanted()) stop();
    if (!between || !wanted() || !socket.readable || performance.now() < notBefore) return;
    held = cut(inside);
    try {
      await settle();
      const limit = performance.now() + HOLD_MS;
      while (wanted() && !ready() && performance.now() < limit) await delay(POLL_MS);
      if (ready()) {
        held.putBack();
        give();
      }
    } catch (error) {
      // No descriptor is left here: it is tried again.
      if (wanted() && codeOf(error) !== 'EMFILE') {
        stop();
        failed(error);
      }
    }
    if (socket.destroyed) stop();
    else letGo();
    notBefore = performance.now() + HOLD_MS;
  };
  const atFrame = (): void => void attempt(endsMessage(inside));
  const poll = setInterval(() => void attempt(isBetween(inside)), POLL_MS);

  for (const event of FRAMES) client.on(event, atFrame);
  client.on('close', stop);
  void attempt(isBetween(inside));
  return stop;
}
