import * as native from '../native/index.ts';
import type { Conversation } from './conversation.ts';
import { ANSWER_MS, findPlace, lineBroke, STATE_MS, type Inheritance, type Place, type Seeker } from './inheritance.ts';
import type { Message } from './messages.ts';

/** A place from which to accept. The lock is missing only when a predecessor had none to send. */
export type Committed = Place & { lock: number | undefined };

/**
 * Gets from the offer to the right to accept on the inherited sockets `names`: says `ready` and waits for `stopped`. Where
 * the predecessor went away in between, it begins again: with the next one that answers, or as the owner.
 *
 * @throws BatonError as `findPlace` does, and `ERR_BATON_TIMEOUT` when the predecessor hangs.
 */
export async function commit(
  seeker: Seeker,
  inheritance: Inheritance,
  first: Place | undefined,
  names: string[],
): Promise<Committed> {
  for (let place = first; ; place = undefined) {
    place ??= await findPlace(seeker, inheritance);
    if (place.kind === 'owner') return place;
    const { conversation } = place;
    try {
      conversation.channel.send({ type: 'ready', sockets: names });
      const wait = { timeoutMs: ANSWER_MS, signal: seeker.signal };
      const { message, descriptors } = await conversation.next(['stopped'], wait);
      const [lock, ...surplus] = descriptors;
      for (const descriptor of surplus) native.close(descriptor);
      try {
        await takeFinals(conversation, message, inheritance, seeker.signal);
      } catch (error) {
        if (lock !== undefined) native.close(lock);
        throw error;
      }
      return { ...place, lock };
    } catch (error) {
      conversation.close();
      if (!lineBroke(error)) throw error;
    }
  }
}

/** What the predecessor kept after its offer, until it stopped. What this process put itself is newer. */
async function takeFinals(
  conversation: Conversation,
  stopped: Message,
  inheritance: Inheritance,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let left = stopped.type === 'stopped' ? (stopped.finals ?? 0) : 0; left > 0; left -= 1) {
    const { message } = await conversation.next(['final'], { timeoutMs: STATE_MS, signal });
    if (message.type !== 'final' || inheritance.own.has(message.key)) continue;
    inheritance.states.set(message.key, Buffer.from(message.bytes, 'base64'));
  }
}
