import test from 'ava';
import { startDatagrams } from '../../helpers/datagrams.ts';
import { untilPhase } from '../../helpers/processes.ts';
import { startLine } from '../upgrades.ts';

const script = 'test/fixtures/udp-echo.js';

for (const host of ['127.0.0.1', '::1']) {
  test.serial(
    `20 upgrades under load at ${host}: no datagram is lost or answered twice, and counts are exact`,
    async (t) => {
      const line = await startLine(t, { script, env: { HOST: host } });
      const load = await startDatagrams(t, line.port, { host });
      for (let upgrade = 1; upgrade <= 20; upgrade += 1) {
        await load.goesOn(100);
        const old = await line.upgrade();
        await load.goesOn(20, 100 + upgrade);
        await line.retire(old);
        await load.pause();
        t.deepEqual(await load.counts(), { version: String(100 + upgrade), counts: load.answered() });
        load.resume();
      }
      await load.pause();
      t.deepEqual([load.lost(), load.doubled()], [[], []]);
      t.is(Object.keys(load.answered()).length, 21);
      t.is(
        Object.values(load.answered()).reduce((a, b) => a + b),
        load.sent(),
      );
      t.log(`${load.sent()} datagrams`);
    },
  );
}

test.serial('answers that the old version still owes go out through its socket', async (t) => {
  const line = await startLine(t, { script, env: { LATE_MS: '400' } });
  const load = await startDatagrams(t, line.port);
  await load.goesOn(10);
  const old = await line.upgrade({ LATE_MS: '0' });
  await untilPhase(old, 'drained');
  await load.goesOn(50, 101);
  await load.pause();
  t.deepEqual([load.lost(), load.doubled()], [[], []]);
  t.is(old.child.exitCode, null, old.output());
});
