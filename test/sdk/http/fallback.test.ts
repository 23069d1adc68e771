import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { connectClient, get, type RawClient } from '../../helpers/client.ts';
import { until } from '../../helpers/processes.ts';
import { startLine } from '../upgrades.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));

/** Requests without a pause; a new connection only after an answer that says close. */
async function chat(
  port: number,
  going: () => boolean,
): Promise<{ answers: number; connections: number; versions: Set<string | undefined> }> {
  const versions = new Set<string | undefined>();
  let connections = 0;
  let answers = 0;
  let client: RawClient | undefined;
  while (going()) {
    if (!client) {
      client = await connectClient(port);
      connections += 1;
    }
    client.send(get());
    const { head, version } = await client.response();
    versions.add(version);
    answers += 1;
    if (/^connection: close/im.test(head)) client = undefined;
  }
  client?.socket.destroy();
  return { answers, connections, versions };
}

for (const preload of ['http-hide-connections.js', 'http-odd-list.js', 'http-hide-descriptors.js']) {
  test.serial(
    `a runtime of another shape drains with Connection: close, and no request fails (${preload})`,
    async (t) => {
      const env = { NODE_OPTIONS: `--import=${join(fixtures, preload)}`, SERVER_OPTIONS: '{"keepAliveTimeout":2000}' };
      const line = await startLine(t, { env });
      let going = true;
      const talking = Array.from({ length: 20 }, () => chat(line.port, () => going));
      const idle = await connectClient(line.port);
      idle.send(get());
      t.is((await idle.response()).version, '100');
      await delay(200);
      const { counters } = await line.replace();
      t.is(counters.moved, 0);
      t.is(counters.cut, 0);
      t.is(counters.finished, 21);
      going = false;
      for (const { connections, versions } of await Promise.all(talking)) {
        t.is(connections, 2);
        t.deepEqual(versions, new Set(['100', '101']));
      }
      // The idle one was told nothing, so it was closed as an idle connection is.
      t.is(await until('closed', () => idle.closed()), 'end');
      t.is(line.current().child.exitCode, null, line.current().output());
    },
  );
}

test.serial('an idle connection that cannot move is told with its next answer', async (t) => {
  const env = {
    NODE_OPTIONS: `--import=${join(fixtures, 'http-hide-descriptors.js')}`,
    SERVER_OPTIONS: '{"keepAliveTimeout":60000}',
  };
  const line = await startLine(t, { env });
  const client = await connectClient(line.port);
  client.send(get());
  t.is((await client.response()).version, '100');
  const old = await line.upgrade();
  await delay(200);
  t.is(client.closed(), undefined);
  client.send(get());
  const { head, version } = await client.response();
  t.is(version, '100');
  t.regex(head, /^connection: close/im);
  t.like((await line.retire(old)).counters, { moved: 0, finished: 1, cut: 0 });
});
