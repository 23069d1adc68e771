import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { connectClient } from '../../helpers/client.ts';
import { startLine } from '../upgrades.ts';
import { assertClean, startWrk, wrkIsThere } from './wrk.ts';

test.serial('wrk, 100 keep-alive connections at full speed, 20 upgrades: no error', async (t) => {
  if (!wrkIsThere(t)) return;
  const line = await startLine(t);
  const wrk = startWrk(t, line.port);
  for (let upgrade = 0; upgrade < 20; upgrade += 1) {
    await delay(100);
    t.like((await line.replace()).counters, { finished: 0, cut: 0 });
  }
  await delay(300);
  t.true(wrk.running());
  t.log(`${assertClean(t, await wrk.stop())} requests`);
});

// wrk counts each end of a connection as a read error, so this load is made here.
test.serial('a connection for each request, 40 at once, 5 upgrades: none is refused, each is answered', async (t) => {
  const line = await startLine(t);
  let going = true;
  const loops = Array.from({ length: 40 }, async () => {
    let count = 0;
    for (; going; count += 1) {
      const client = await connectClient(line.port);
      client.send('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
      const { head } = await client.response();
      if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(head);
      client.socket.destroy();
    }
    return count;
  });
  const all = Promise.all(loops);
  for (let upgrade = 0; upgrade < 5; upgrade += 1) {
    await Promise.race([delay(200), all]);
    await Promise.race([line.replace(), all]);
  }
  going = false;
  const counts = await all;
  t.true(counts.every((count) => count > 0));
  t.log(`${counts.reduce((sum, count) => sum + count, 0)} connections`);
});
