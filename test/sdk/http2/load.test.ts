import test from 'ava';
import { setTimeout as delay } from 'node:timers/promises';
import { certificate } from '../../helpers/certificate.ts';
import { startLine } from '../upgrades.ts';
import { startStreams } from './clients.ts';
import { nghttp2IsThere, run } from './nghttp2.ts';

const script = 'examples/http2-echo/sidecar.js';
const UPGRADES = 20;

for (const secure of [false, true]) {
  const kind = secure ? 'secure' : 'clear';
  const origin = (port: number): string => `${secure ? 'https' : 'http'}://127.0.0.1:${port}/`;

  test.serial(`${kind}: 10 clients, 5 streams each, 20 upgrades: no stream fails`, async (t) => {
    const line = await startLine(t, { script, ...(secure && { env: certificate(t) }) });
    const load = startStreams(t, line.port, { secure });
    await load.goOn(5, 100);
    for (let upgrade = 0; upgrade < UPGRADES; upgrade += 1) {
      await delay(100);
      t.like((await line.replace()).counters, { finished: 10, cut: 0 });
    }
    await load.goOn(5, 100 + UPGRADES);
    await load.stop();
    const { opened, resumed } = load.sessions();
    t.log(`${load.answered()} streams answered, ${load.refused()} refused, ${opened} sessions, ${resumed} resumed`);
    t.deepEqual(load.failures(), []);
    t.is(opened, 10 * (UPGRADES + 1));
    t.is(resumed, secure ? 10 * UPGRADES : 0);
    // A single GOAWAY at any moment refuses two or more for each session.
    t.true(load.refused() < 10 * UPGRADES, `${load.refused()} streams were refused`);
  });

  // h2load opens nothing new after GOAWAY, so each load lasts until its upgrade; what it had opened must be answered.
  test.serial(`${kind}: h2load, 5 upgrades: what it began is answered`, async (t) => {
    if (!nghttp2IsThere(t)) return;
    const line = await startLine(t, { script, ...(secure && { env: certificate(t) }) });
    let total = 0;
    let unanswered = 0;
    for (let upgrade = 0; upgrade < 5; upgrade += 1) {
      const load = run(t, 'h2load', ['-c10', '-m5', '-n1000000', origin(line.port)]);
      await delay(200);
      await line.replace();
      const output = await load;
      const [, started, succeeded] = /(\d+) started, \d+ done, (\d+) succeeded/.exec(output) ?? [];
      t.true(Number(started) > 0, output);
      total += Number(started);
      unanswered += Number(started) - Number(succeeded);
    }
    t.log(`${total} streams, ${unanswered} of them refused`);
    t.true(unanswered <= total / 50, `${unanswered} of ${total}`);
  });
}

test.serial('nghttp sees both GOAWAY frames, and the answer', async (t) => {
  if (!nghttp2IsThere(t)) return;
  const line = await startLine(t, { script });
  const asked = run(t, 'nghttp', ['-v', `http://127.0.0.1:${line.port}/?lines=100`]);
  await delay(500);
  await line.replace();
  const output = await asked;
  const ids = [...output.matchAll(/recv GOAWAY frame[^\n]*\n\s*\(last_stream_id=(\d+), error_code=NO_ERROR/g)].map(
    ([, id]) => Number(id),
  );
  t.is(ids[0], 2 ** 31 - 1, output);
  t.true((ids[1] ?? 0) > 0 && (ids[1] ?? 0) < 100, output);
  t.regex(output, /hello from version 100/);
});
