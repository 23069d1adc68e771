import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { webSockets } from '../../../sdk/index.ts';
import { startSidecar, temporaryDirectory, until, untilPhase } from '../../helpers/processes.ts';
import { frameOf, openRaw, type RawWebSocket } from '../../helpers/websocket.ts';
import { copiesOf } from '../copies.ts';
import { startLine, type Line } from '../upgrades.ts';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const script = 'test/fixtures/websocket.js';
const drainTimeoutMs = 4000;
const start = (t: ExecutionContext, env: Record<string, string> = {}, options = {}): Promise<Line> =>
  startLine(t, { script, env: { SIDECAR_OPTIONS: JSON.stringify({ drainTimeoutMs, ...options }), ...env } });
const connectMany = (port: number, count = 20): Promise<RawWebSocket[]> =>
  Promise.all(Array.from({ length: count }, () => openRaw(port)));

/** When each was told to leave, in milliseconds from now; all with 1012. */
async function untilTold(t: ExecutionContext, clients: RawWebSocket[]): Promise<number[]> {
  const start = performance.now();
  const times = new Map<RawWebSocket, number>();
  await until('all are told', () => {
    for (const client of clients) {
      if (client.closed() !== undefined && !times.has(client)) times.set(client, performance.now() - start);
    }
    return times.size === clients.length;
  });
  for (const client of clients) t.is(client.closed(), 1012);
  return [...times.values()].sort((one, other) => one - other);
}

/** With 20 clients, each of four equal parts of the time misses all of them once in 300 runs: two parts never do. */
function checkSpread(t: ExecutionContext, times: number[], withinMs: number): void {
  t.log(`told after ${times.map(Math.round).join(', ')} ms`);
  t.true((times.at(-1) ?? 0) <= withinMs + 500);
  const half = times.filter((time) => time < withinMs / 2).length;
  t.true(half > 0 && half < times.length, 'spread over the time');
  t.true((times.at(-1) ?? 0) - (times[0] ?? 0) > withinMs / 4);
}

for (const [what, env, next] of [
  ['a successor without adopt', {}, { WITHOUT: 'adopt' }],
  ['a predecessor without release', { WITHOUT: 'adopt' }, {}],
  ['clients of an unknown shape', { WITHOUT: 'shape' }, {}],
  [
    'a runtime that hides descriptors',
    { NODE_OPTIONS: `--import=${join(fixtures, 'http-hide-descriptors.js')}` },
    { NODE_OPTIONS: '' },
  ],
] as [string, Record<string, string>, Record<string, string>][]) {
  test.serial(`${what}: clients are told 1012, one after the other, and nothing is half moved`, async (t) => {
    const line = await start(t, env);
    const clients = await connectMany(line.port);
    const old = await line.upgrade(next);
    checkSpread(t, await untilTold(t, clients), drainTimeoutMs / 2);
    t.like((await line.retire(old)).counters, { moved: 0, finished: 20, cut: 0 });
    const again = await openRaw(line.port);
    again.send('n:1:0:');
    await until('the new version answers', () => again.messages.length > 0);
    t.deepEqual(again.messages, ['a:1:101:']);
  });
}

test.serial('a client that never comes to rest is told 1012 before it would be cut', async (t) => {
  const line = await start(t);
  const client = await openRaw(line.port);
  client.send('noise');
  await until('noise', () => client.messages.length > 3);
  const begin = performance.now();
  const old = await line.upgrade();
  t.is(await until('told', () => client.closed()), 1012);
  const after = performance.now() - begin;
  t.true(after > drainTimeoutMs / 2, `after ${after} ms`);
  t.like((await line.retire(old)).counters, { moved: 0, cut: 0 });
});

test.serial('a process that is ended while it serves tells its clients 1012 before it goes', async (t) => {
  const line = await start(t, {}, { gracePeriodMs: 4000 });
  const clients = await connectMany(line.port, 5);
  line.current().kill('SIGTERM');
  await untilTold(t, clients);
  t.is((await line.current().exited).code, 0);
});

test.serial('a process that is ended while it drains tells its clients 1012 before it goes', async (t) => {
  const line = await start(t, {}, { drainTimeoutMs: 600_000, gracePeriodMs: 4000 });
  const clients = await connectMany(line.port, 5);
  for (const client of clients) client.write(frameOf('text', 'n:1:0:').subarray(0, 5));
  await delay(50);
  const old = await line.upgrade();
  await untilPhase(old, 'draining');
  const newcomer = await openRaw(line.port);
  old.kill('SIGTERM');
  await untilTold(t, clients);
  t.is((await old.exited).code, 0);
  t.is(newcomer.closed(), undefined);
});

test.serial('a drain that is given up tells nobody to leave', async (t) => {
  const line = await start(t);
  const clients = await connectMany(line.port, 5);
  const old = await line.upgrade({ WITHOUT: 'adopt' });
  line.current().kill('SIGKILL');
  await untilPhase(old, 'serving');
  const told = clients.filter((client) => client.closed() !== undefined).length;
  await delay(drainTimeoutMs / 2 + 200);
  t.is(clients.filter((client) => client.closed() !== undefined).length, told);
  for (const client of clients.filter((one) => one.closed() === undefined)) {
    client.send('n:1:0:');
    await until('an answer', () => client.messages.length === 1);
    t.is(client.messages[0], 'a:1:100:');
  }
});

for (const [fail, said] of [
  ['save', 'save failed'],
  ['large', 'ERR_BATON_STATE_TOO_LARGE'],
] as const) {
  test.serial(`a state that cannot be saved (${fail}): the client hears the error, and is told 1012`, async (t) => {
    const line = await start(t, { FAIL: fail });
    const clients = await connectMany(line.port, 3);
    const plain = await openRaw(line.port);
    plain.socket.destroy();
    const old = await line.upgrade({ FAIL: '' });
    await untilTold(t, clients);
    t.is(old.output().split(`client error: ${said}`).length, 4);
    t.like((await line.retire(old)).counters, { moved: 0, cut: 0 });
  });
}

test.serial('a state that cannot be restored ends the successor, and the predecessor serves on', async (t) => {
  const line = await start(t);
  const clients = await connectMany(line.port, 3);
  const old = line.current();
  const { directory, port } = line;
  const env = { FAIL: 'restore' };
  const failing = startSidecar(t, { script, directory, port, version: 101, alternative: 100, env });
  t.is((await failing.exited).code, 1);
  t.regex(failing.output(), /restore failed/);
  await untilPhase(old, 'serving');
  const fresh = await openRaw(line.port);
  fresh.send('n:1:0:');
  await until('an answer', () => fresh.messages.length > 0);
  t.is(fresh.messages[0], 'a:1:100:');
  // The first that came is told why; the others were not acknowledged, or end with their owner.
  t.is(clients.filter((client) => client.closed() === 1011).length, 1);
});

test.serial('an https server: its WebSockets cannot move, and are told 1012', async (t) => {
  const directory = temporaryDirectory(t);
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-days', '2', '-nodes', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...subject], {
    stdio: 'ignore',
  });
  const copies = copiesOf(t);
  const create = async (version: number, older?: number): Promise<number> => {
    const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) });
    const { dismiss } = webSockets(new WebSocketServer({ server, perMessageDeflate: false }));
    if (!dismiss) throw new Error('there is no dismiss');
    const sidecar = await copies.create(version, older, { drainTimeoutMs: 2000 });
    await sidecar.serve(server, { name: 'https', host: '127.0.0.1', port: 0, dismiss });
    await sidecar.ready();
    return (server.address() as AddressInfo).port;
  };
  const port = await create(1);
  const client = new WebSocket(`wss://127.0.0.1:${port}`, { rejectUnauthorized: false });
  let code: number | undefined;
  client.on('close', (value) => (code = value));
  await new Promise((resolve) => client.once('open', resolve));
  await create(2, 1);
  t.is(await until('closed', () => code), 1012);
});
