import * as native from '../native/index.ts';
import type { Conversation } from './conversation.ts';
import { borrow, type Debt } from './debt.ts';
import { BatonError } from './errors.ts';
import { ANSWER_MS, findPlace, lineBroke, STATE_MS, type Inheritance, type Place, type Seeker } from './inheritance.ts';
import type { Message } from './messages.ts';

/**
 * A place from which to accept. The lock is missing only when a predecessor had none to send; the debt is there when counts
 * may have been borrowed from it.
 */
export type Committed = Place & { lock: number | undefined; debt?: Debt };

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
    // Counts that had come from a predecessor which is dead now are kept: nobody else has them.
    if (place.kind === 'owner') return place;
    const { conversation } = place;
    const debt = borrow(conversation.channel, { type: 'ready', sockets: names }, seeker);
    try {
      const wait = { timeoutMs: ANSWER_MS, signal: seeker.signal };
      const { message, descriptors } = await conversation.next(['stopped'], wait);
      const [lock, ...surplus] = descriptors;
      for (const descriptor of surplus) native.close(descriptor);
      try {
        await takeFinals(conversation, message, inheritance, seeker);
      } catch (error) {
        if (lock !== undefined) native.close(lock);
        throw error;
      }
      return { ...place, lock, ...(debt && { debt }) };
    } catch (error) {
      conversation.close();
      // A predecessor that lives counts them itself again.
      debt?.close();
      if (!lineBroke(error)) throw error;
    }
  }
}

/** What the predecessor kept after its offer, until it stopped, and what it counted. What this process put itself is newer. */
async function takeFinals(
  conversation: Conversation,
  stopped: Message,
  inheritance: Inheritance,
  { signal, counts }: Seeker,
): Promise<void> {
  inheritance.parcels = [];
  for (let left = stopped.type === 'stopped' ? (stopped.finals ?? 0) : 0; left > 0; left -= 1) {
    const { message } = await conversation.next(['final'], { timeoutMs: STATE_MS, signal });
    if (message.type !== 'final') continue;
    const { key, id } = message;
    const bytes = Buffer.from(message.bytes, 'base64');
    if (id !== undefined) {
      if (!counts.keys().includes(key)) {
        throw new BatonError('ERR_BATON_MESSAGE', `the other version sent counts of ${key}, which were not asked for`);
      }
      inheritance.parcels.push({ id, key, bytes });
    } else if (!inheritance.own.has(key)) inheritance.states.set(key, bytes);
  }
}
