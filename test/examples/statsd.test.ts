import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { freePort, temporaryDirectory, until } from '../helpers/processes.ts';
import { run } from './run.ts';

interface Flush {
  version: string;
  counters: Record<string, number>;
  gauges: Record<string, number>;
}
type Process = ReturnType<typeof run>;
const flushes = (...processes: Process[]): Flush[] =>
  processes.flatMap((process) =>
    process
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Flush),
  );
const printed = (...processes: Process[]): number =>
  flushes(...processes).reduce((sum, { counters }) => sum + (counters['hits'] ?? 0), 0);

async function startStatsd(t: ExecutionContext, flushMs: number) {
  const PORT = String(await freePort());
  const BATON_DIR = temporaryDirectory(t);
  const start = async (version: string, alternative = '0'): Promise<Process> => {
    const versions = { SIDECARSET_VERSION: version, SIDECARSET_VERSION_ALT: alternative };
    const process = run(t, 'examples/statsd/sidecar.js', { ...versions, BATON_DIR, PORT, FLUSH_MS: String(flushMs) });
    await until(`version ${version} serves`, () => {
      if (process.child.exitCode !== null) throw new Error(process.output());
      return process.output().includes(`version ${version} serves`);
    });
    return process;
  };
  const client = createSocket('udp4');
  t.teardown(() => client.close());
  client.connect(Number(PORT), '127.0.0.1');
  await once(client, 'connect');
  let sent = 0;
  const going = new AbortController();
  const send = async (): Promise<void> => {
    while (!going.signal.aborted) {
      for (let burst = 0; burst < 5; burst += 1) client.send(`hits:${(++sent % 3) + 1}|c\nload:${sent}|g`);
      await delay(2);
    }
  };
  const first = await start('1');
  const loop = send();
  return {
    first,
    start,
    /** Sends no more; returns what was sent. */
    async stop(): Promise<number> {
      going.abort();
      await loop;
      return Array.from({ length: sent }, (_, index) => ((index + 1) % 3) + 1).reduce((a, b) => a + b);
    },
  };
}

test.serial('examples/statsd: over upgrades and a return every count is printed once', async (t) => {
  const statsd = await startStatsd(t, 200);
  const all = [statsd.first];
  for (const version of [2, 3, 4]) {
    await delay(300);
    all.push(await statsd.start(String(version), String(version - 1)));
    const old = all.at(-2);
    old?.kill('SIGTERM');
    t.like(await old?.exited, { code: 0 }, old?.output());
  }
  const ending = await statsd.start('5', '4');
  await delay(300);
  ending.kill('SIGTERM');
  t.like(await ending.exited, { code: 0 });
  all.push(ending);
  await delay(300);
  const counted = await statsd.stop();
  await until('all are printed', () => printed(...all) >= counted);
  t.is(printed(...all), counted);
  const last = flushes(all[3] as Process).at(-1);
  t.true((last?.gauges['load'] ?? 0) > 0);
  for (const process of all) t.true(flushes(process).length > 0, 'each had its part');
});

test.serial('examples/statsd: what a killed version had been given, the old one prints', async (t) => {
  const statsd = await startStatsd(t, 60_000);
  await delay(300);
  const next = await statsd.start('2', '1');
  const before = await statsd.stop();
  next.kill('SIGKILL');
  await next.exited;
  await delay(300);
  // The old one prints on its way out.
  statsd.first.kill('SIGTERM');
  t.like(await statsd.first.exited, { code: 0 });
  t.is(printed(next), 0);
  const left = printed(statsd.first);
  t.true(left > 0 && left <= before, `${left} of ${before}`);
});

test.serial('examples/statsd: what a killed version had printed is not printed again', async (t) => {
  const statsd = await startStatsd(t, 100);
  await delay(200);
  const next = await statsd.start('2', '1');
  await until('it has flushed', () => printed(next) > 0);
  const total = await statsd.stop();
  await until('all are printed', () => printed(statsd.first, next) >= total);
  next.kill('SIGKILL');
  await next.exited;
  await delay(300);
  statsd.first.kill('SIGTERM');
  t.like(await statsd.first.exited, { code: 0 });
  t.is(printed(statsd.first, next), total);
});
