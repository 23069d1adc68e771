import { existsSync } from 'node:fs';
import { createServer, get as httpGet } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { serve } from '../../sdk/create.ts';
import { connectClient, get } from '../helpers/client.ts';
import { freePort, startSidecar, temporaryDirectory, until, untilPhase, type Running } from '../helpers/processes.ts';

interface Place {
  directory: string;
  port: number;
  socket: string;
}

const place = async (t: ExecutionContext): Promise<Place> => {
  const directory = temporaryDirectory(t);
  return { directory, port: await freePort(), socket: join(directory, 'migrate.sock') };
};

const start = (
  t: ExecutionContext,
  { directory, port, socket }: Place,
  language: 'js' | 'py',
  version: number,
  { alternative = 0, env = {} }: { alternative?: number; env?: Record<string, string> } = {},
): Running =>
  startSidecar(t, {
    version,
    alternative,
    directory,
    port,
    script: `test/fixtures/bare.${language}`,
    ...(language === 'py' && { program: 'python3' }),
    env: { BARE_SOCKET: socket, ...env },
  });

const serves = (running: Running, version: number): Promise<true> =>
  until(`version ${version} serves`, () => {
    if (running.child.exitCode !== null) throw new Error(`it ended: ${running.output()}`);
    return running.output().includes(`version ${version} serves`) || undefined;
  });

/** One request on a connection of its own. */
const ask = (port: number, path = '/'): Promise<{ status: number; body: string }> =>
  new Promise((resolve, reject) => {
    const request = httpGet({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.once('error', reject);
    });
    request.once('error', reject);
  });

/** New connections as fast as they go, until stopped; every failure is kept. */
const load = (port: number): { stop(): Promise<{ answers: Record<string, number>; failures: string[] }> } => {
  let running = true;
  const answers: Record<string, number> = {};
  const failures: string[] = [];
  const client = async (): Promise<void> => {
    while (running) {
      await ask(port).then(
        ({ body }) => (answers[body.trim()] = (answers[body.trim()] ?? 0) + 1),
        (error: unknown) => failures.push(String(error)),
      );
    }
  };
  const clients = Array.from({ length: 4 }, client);
  return {
    async stop() {
      running = false;
      await Promise.all(clients);
      return { answers, failures };
    },
  };
};

for (const [older, newer] of [
  ['js', 'js'],
  ['js', 'py'],
  ['py', 'js'],
] as const) {
  test.serial(`from ${older} to ${newer}, and on to the SDK, under load: no request fails`, async (t) => {
    const where = await place(t);
    const first = start(t, where, older, 1);
    await serves(first, 1);
    const clients = load(where.port);
    await delay(100);
    const second = start(t, where, newer, 2, { alternative: 1 });
    await serves(second, 2);
    await until('version 2 answers alone', async () => {
      const bodies = await Promise.all(Array.from({ length: 8 }, () => ask(where.port)));
      return bodies.every(({ body }) => body === 'version 2\n') || undefined;
    });
    const third = start(t, where, 'js', 3, { alternative: 2 });
    await serves(third, 3);
    await until('version 3 answers alone', async () => {
      const bodies = await Promise.all(Array.from({ length: 8 }, () => ask(where.port)));
      return bodies.every(({ body }) => body === 'version 3\n') || undefined;
    });
    const { answers, failures } = await clients.stop();
    t.deepEqual(failures, []);
    for (const version of [1, 2, 3]) t.true((answers[`version ${version}`] ?? 0) > 0, JSON.stringify(answers));
    t.false(existsSync(where.socket), 'the meeting place is left behind');
  });
}

test.serial('the old process finishes what it has, tells clients to leave, and is drained', async (t) => {
  const where = await place(t);
  const first = start(t, where, 'js', 1);
  await untilPhase(first, 'serving');
  const busy = await connectClient(where.port);
  const idle = await connectClient(where.port);
  busy.send(get('/slow?ms=500'));
  idle.send(get());
  t.is((await idle.response()).body, 'version 1\n');
  await serves(start(t, where, 'js', 2, { alternative: 1 }), 2);
  await untilPhase(first, 'draining');
  idle.send(get());
  t.regex((await idle.response()).head, /^connection: close$/im);
  const late = await busy.response();
  t.is(late.body, 'version 1\n');
  t.regex(late.head, /^connection: close$/im);
  const { holdsListeners } = await untilPhase(first, 'drained');
  t.false(holdsListeners);
  first.kill('SIGTERM');
  t.is((await first.exited).code, 0);
  t.is((await ask(where.port)).body, 'version 2\n');
});

test.serial('a new process that dies before it read the listener changes nothing', async (t) => {
  const where = await place(t);
  const first = start(t, where, 'js', 1);
  await untilPhase(first, 'serving');
  const second = start(t, where, 'py', 2, { alternative: 1, env: { BARE_FAULT: 'unread' } });
  t.is((await second.exited).code, 3, second.output());
  for (let count = 0; count < 5; count += 1) t.is((await ask(where.port)).body, 'version 1\n');
  t.is(first.state()?.phase, 'serving');
  await serves(start(t, where, 'js', 2, { alternative: 1 }), 2);
  await untilPhase(first, 'drained');
});

test.serial('a new process that dies after it took the listener leaves nobody; the next one binds', async (t) => {
  const where = await place(t);
  const first = start(t, where, 'js', 1);
  await untilPhase(first, 'serving');
  const second = start(t, where, 'js', 2, { alternative: 1 });
  await serves(second, 2);
  await untilPhase(first, 'drained');
  second.kill('SIGKILL');
  await second.exited;
  await t.throwsAsync(ask(where.port), { code: 'ECONNREFUSED' });
  const again = start(t, where, 'js', 2, { alternative: 1 });
  await serves(again, 2);
  t.is((await ask(where.port)).body, 'version 2\n');
});

for (const [fault, reason] of [
  ['refuse', /it answered 500/],
  ['empty', /carried no descriptor/],
] as const) {
  test.serial(
    `an old process that hands nothing over (${fault}) serves on; the new one fails with the reason`,
    async (t) => {
      const where = await place(t);
      const first = start(t, where, 'py', 1, { env: { BARE_FAULT: fault } });
      await serves(first, 1);
      const second = start(t, where, 'js', 2, { alternative: 1 });
      await second.exited;
      t.regex(second.output(), /ERR_BATON_BARE/);
      t.regex(second.output(), reason);
      t.is((await ask(where.port)).body, 'version 1\n');
    },
  );
}

test.serial('where nobody answers, the new process binds', async (t) => {
  const where = await place(t);
  const second = start(t, where, 'js', 2, { alternative: 1 });
  await serves(second, 2);
  t.is((await ask(where.port)).body, 'version 2\n');
  t.is(second.state()?.counters.bound, 1);
});

test.serial('nothing to hand over to: the old process says so and serves on', async (t) => {
  const where = await place(t);
  await serves(start(t, where, 'js', 1), 1);
  const { status, body } = await ask(where.port, '/migrate');
  t.is(status, 500);
  t.regex(body, /ENOENT|connect/);
  t.is((await ask(where.port)).body, 'version 1\n');
});

test.serial('idle and stale copies listen to nobody, and end at SIGTERM', async (t) => {
  const where = await place(t);
  for (const [version, alternative] of [
    [0, 1],
    [1, 2],
  ] as const) {
    const copy = start(t, where, 'js', version, { alternative });
    await untilPhase(copy, 'idle', 'waiting');
    await t.throwsAsync(ask(where.port), { code: 'ECONNREFUSED' });
    copy.kill('SIGTERM');
    t.is((await copy.exited).code, 0);
  }
});

test.serial('at SIGTERM it serves on until its clients are gone, or the grace period nearly over', async (t) => {
  const where = await place(t);
  const first = start(t, where, 'js', 1, { env: { GRACE_MS: '1000' } });
  await untilPhase(first, 'serving');
  const client = await connectClient(where.port);
  client.send(get());
  await client.response();
  first.kill('SIGTERM');
  await delay(200);
  client.send(get());
  t.is((await client.response()).body, 'version 1\n');
  t.is((await first.exited).code, 0);
});

test('what the bare protocol cannot do is refused at the call', async (t) => {
  const http = createServer();
  const port = await freePort();
  await t.throwsAsync(serve(createTcpServer(), { port }, { protocol: 'bare' }), { code: 'ERR_BATON_KIND' });
  await t.throwsAsync(serve(http, { port: 0 }, { protocol: 'bare' }), { code: 'ERR_BATON_ARGUMENT' });
  t.false(http.listening);
});
