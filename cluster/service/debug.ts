import { Session } from 'node:inspector/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { Page } from './pages.ts';

/** How long a CPU profile may take, in seconds. */
const SECONDS = { least: 1, usual: 10, most: 120 };

/**
 * Pages for whoever looks into a running service: `/debug/heap`, `/debug/profile?seconds=N` and `/debug/state`. Served only on
 * request: a profile costs CPU, and anybody who reaches the port can ask for one.
 *
 * @param state - what the service says of itself, asked anew each time
 */
export function debugPages(state: () => object): Record<string, Page> {
  let isProfiling = false;
  return {
    '/debug/heap': () =>
      json({ process: process.memoryUsage(), heap: getHeapStatistics(), spaces: getHeapSpaceStatistics() }),
    async '/debug/profile'(query) {
      const text = query.get('seconds') ?? String(SECONDS.usual);
      const seconds = Number(text);
      if (!(seconds >= SECONDS.least && seconds <= SECONDS.most)) {
        return refused(400, `seconds must be from ${SECONDS.least} to ${SECONDS.most}, not ${text}`);
      }
      if (isProfiling) return refused(409, 'a profile is being taken: ask again when it is done');
      isProfiling = true;
      try {
        return json(await profile(seconds));
      } finally {
        isProfiling = false;
      }
    },
    '/debug/state': () => json({ uptimeSeconds: Math.round(process.uptime()), ...state() }),
  };
}

/** A CPU profile, as DevTools and speedscope read it (`.cpuprofile`). */
async function profile(seconds: number): Promise<object> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    // A service that ends does not wait for it.
    await delay(seconds * 1000, undefined, { ref: false });
    return (await session.post('Profiler.stop')).profile;
  } finally {
    session.disconnect();
  }
}

const json = (value: object): Awaited<ReturnType<Page>> => ({
  text: `${JSON.stringify(value)}\n`,
  type: 'application/json',
});

const refused = (status: number, text: string): Awaited<ReturnType<Page>> => ({ status, text: `${text}\n` });
