import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../../cluster/kubernetes/clock.ts';

export interface FakeClock extends Clock {
  /** Lets so many milliseconds pass, timer by timer, and whatever promises they set off. */
  pass(ms: number): Promise<void>;
  /** The clock of somebody whose time runs `rate` times as fast. */
  skewed(rate: number, offset: number): Clock;
}

export function createFakeClock(): FakeClock {
  let now = 0;
  const timers = new Set<{ at: number; act: () => void }>();
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 5; turns += 1) await turn();
  };
  const clock: Clock = {
    now: () => now,
    after(ms, act) {
      const timer = { at: now + Math.max(0, ms), act };
      timers.add(timer);
      return () => timers.delete(timer);
    },
  };
  return {
    ...clock,
    async pass(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (!next) break;
        timers.delete(next);
        now = next.at;
        next.act();
        await settle();
      }
      now = end;
    },
    skewed: (rate, offset) => ({
      now: () => now * rate + offset,
      after: (ms, act) => clock.after(ms / rate, act),
    }),
  };
}
