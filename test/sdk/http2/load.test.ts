import test from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import { startLine } from '../upgrades.ts';
import { startStreams } from './clients.ts';
import { certificate } from '../../helpers/certificate.ts';

const script = 'examples/http2-echo/sidecar.js';

for (const secure of [false, true]) {
  test.serial(`${secure ? 'secure' : 'clear'}: 10 clients, 5 streams each, 20 upgrades: no stream fails`, async (t) => {
    const line = await startLine(t, { script, ...(secure && { env: certificate(t) }) });
    const load = await startStreams(t, line.port, { secure });
    for (let upgrade = 0; upgrade < 20; upgrade += 1) {
      await delay(100);
      t.like((await line.replace()).counters, { cut: 0 });
    }
    await load.goOn(5, 120);
    await load.stop();
    const { opened, resumed } = load.sessions();
    t.log(`${load.answered()} streams answered, ${load.refused()} refused, ${opened} sessions, ${resumed} resumed`);
    t.deepEqual(load.failures(), []);
  });
}
