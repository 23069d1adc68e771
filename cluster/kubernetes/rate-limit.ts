import { sleep, type Clock } from './clock.ts';

export interface RateLimit {
  /** Requests a second in the long run. */
  qps: number;
  /** How many may go at once after a quiet time. */
  burst: number;
}

/** What is left of a rate limit: `tokens` at the moment `at`; below 0, so many requests wait already. */
export interface Bucket {
  tokens: number;
  at: number;
}

/** Takes one token; the request may go after `wait` milliseconds, in the order of asking. */
export function take({ tokens, at }: Bucket, { qps, burst }: RateLimit, now: number): { bucket: Bucket; wait: number } {
  const left = Math.min(burst, tokens + (Math.max(0, now - at) * qps) / 1000) - 1;
  return { bucket: { tokens: left, at: Math.max(at, now) }, wait: left < 0 ? (-left * 1000) / qps : 0 };
}

/** Makes a function that resolves when the next request may go. */
export function createRateLimit(limit: RateLimit, clock: Clock): () => Promise<void> {
  let bucket: Bucket = { tokens: limit.burst, at: clock.now() };
  return async () => {
    const taken = take(bucket, limit, clock.now());
    bucket = taken.bucket;
    if (taken.wait > 0) await sleep(clock, taken.wait);
  };
}
