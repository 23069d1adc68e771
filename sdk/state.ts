import { BatonError } from './errors.ts';
import { MAX_FRAME } from './frames.ts';
import { RESERVED } from './sessions.ts';

/** The most bytes of one state, and the most characters of its key: both fit one frame, however they are escaped. */
const MAX_STATE = 8 * 1024 * 1024;
const MAX_KEY = 256;

/**
 * Checks what an application wants its successor to know. A frame that cannot be sent would be found out in the middle of
 * a handover, by a process that serves.
 *
 * @throws BatonError `ERR_BATON_ARGUMENT`, `ERR_BATON_STATE_TOO_LARGE`.
 */
export function checkState(key: string, bytes: Uint8Array): void {
  // A caller without types may pass anything.
  if (typeof (key as unknown) !== 'string' || key.length > MAX_KEY) {
    throw new BatonError('ERR_BATON_ARGUMENT', `the key of a state must be text of at most ${MAX_KEY} characters`);
  }
  if (key.startsWith(RESERVED)) {
    throw new BatonError('ERR_BATON_ARGUMENT', `keys of states that begin with ${RESERVED} are the SDK's own`);
  }
  if (!((bytes as unknown) instanceof Uint8Array)) {
    throw new BatonError(
      'ERR_BATON_ARGUMENT',
      `state ${key} must be bytes: a Uint8Array, for example Buffer.from(text)`,
    );
  }
  if (bytes.length > MAX_STATE) {
    throw new BatonError(
      'ERR_BATON_STATE_TOO_LARGE',
      `state ${key} has ${bytes.length} bytes; ${MAX_STATE} fit a frame`,
      { facts: { key, bytes: bytes.length, limit: MAX_STATE, frame: MAX_FRAME } },
    );
  }
}
