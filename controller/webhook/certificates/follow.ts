import { setTimeout as delay } from 'node:timers/promises';
import type { KeyPair } from './key-pair.ts';

export interface FollowOptions {
  /** Says what to serve now, and after how many milliseconds to look again. */
  read: () => Promise<{ keyPair: KeyPair; again: number }>;
  /** Called with the first key pair, and with each that differs from the one before. */
  onKeyPair: (keyPair: KeyPair) => void | Promise<void>;
  /** Told of every look that failed; what is served stays. */
  onError: (error: unknown) => void;
  /** Lets the next look be at once: something may have changed. */
  wake?: (look: () => void) => void;
  signal: AbortSignal;
}

/** How long after a failure it is tried again, in milliseconds. */
const RETRY = 2000;

/** Looks again and again what to serve, until the signal aborts. */
export async function followKeyPair({ read, onKeyPair, onError, wake, signal }: FollowOptions): Promise<void> {
  let look: () => void = () => undefined;
  wake?.(() => look());
  let served: KeyPair | undefined;
  while (!signal.aborted) {
    const woken = new Promise<void>((resolve) => (look = resolve));
    let pause = RETRY;
    try {
      const { keyPair, again } = await read();
      pause = again;
      if (keyPair.certificate !== served?.certificate || keyPair.key !== served.key) {
        await onKeyPair(keyPair);
        served = keyPair;
      }
    } catch (error) {
      onError(error);
    }
    await Promise.race([woken, delay(pause, undefined, { signal }).catch(() => undefined)]);
  }
}
