import * as native from '../native/index.ts';
import { ANSWER_MS, findPlace, lineBroke, type Inheritance, type Place, type Seeker } from './inheritance.ts';

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
      const { descriptors } = await conversation.next(['stopped'], { timeoutMs: ANSWER_MS, signal: seeker.signal });
      const [lock, ...surplus] = descriptors;
      for (const descriptor of surplus) native.close(descriptor);
      return { ...place, lock };
    } catch (error) {
      conversation.close();
      if (!lineBroke(error)) throw error;
    }
  }
}
