import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { startLine } from '../sdk/upgrades.ts';
import { assertClean, startWrk, wrkIsThere } from '../sdk/http/wrk.ts';

test.serial('wrk, 100 keep-alive connections at full speed, 100 upgrades: no error', async (t) => {
  if (!wrkIsThere(t)) return;
  const line = await startLine(t);
  const wrk = startWrk(t, line.port);
  for (let upgrade = 0; upgrade < 100; upgrade += 1) {
    await delay(500);
    t.like((await line.replace()).counters, { finished: 0, cut: 0 });
  }
  await delay(500);
  t.true(wrk.running());
  t.log(`${assertClean(t, await wrk.stop())} requests`);
});
