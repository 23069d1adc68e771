import * as fs from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { SocketFacts } from '../../../native/index.ts';
import { connectClient, get } from '../../helpers/client.ts';
import {
  freePort,
  startSidecar,
  temporaryDirectory,
  until,
  untilPhase,
  type Running,
} from '../../helpers/processes.ts';
import { startLine } from '../upgrades.ts';

const json = JSON.stringify;
const whole = async (target: number | string): Promise<string | undefined> => {
  const client = await connectClient(target);
  client.send(get());
  const { version } = await client.response();
  client.socket.destroy();
  return version;
};

/** The backlog in force on the listening socket. */
const backlogOf = async (port: number): Promise<number | undefined> => {
  const client = await connectClient(port);
  client.send(get('/listening'));
  const { acceptQueue } = JSON.parse((await client.response()).body) as SocketFacts;
  client.socket.destroy();
  return acceptQueue?.limit;
};

/** The port that a process of the fixture says it listens on. */
const portOf = (running: Running): number | undefined =>
  Number(/listens.*"port":(\d+)/.exec(running.output())?.[1]) || undefined;

test.serial('a Unix socket: connections move, and the path outlives its first owner', async (t) => {
  const path = join(temporaryDirectory(t), 'sidecar');
  const line = await startLine(t, { env: { SERVE_OPTIONS: json({ path, backlog: 300 }) } });
  const { ino } = fs.statSync(path);
  const kept = await connectClient(path);
  kept.send(get());
  t.is((await kept.response()).version, '100');
  for (const version of ['101', '102']) {
    t.is((await line.replace()).counters.moved, 1);
    kept.send(get());
    t.is((await kept.response()).version, version);
    t.is(await whole(path), version);
    t.is(fs.statSync(path).ino, ino);
  }
});

test.serial('a path that a dead process left is taken; one that answers, or is no socket, is not', async (t) => {
  const path = join(temporaryDirectory(t), 'sidecar');
  const env = { SERVE_OPTIONS: json({ path }) };
  const first = await startLine(t, { env });
  const other = startSidecar(t, {
    version: 7,
    directory: temporaryDirectory(t),
    port: 0,
    script: 'test/fixtures/http-server.js',
    env,
  });
  t.not((await other.exited).code, 0);
  t.regex(other.output(), /ERR_BATON_ADDRESS_IN_USE/);
  t.is(await whole(path), '100');
  first.current().kill('SIGKILL');
  await first.current().exited;
  const second = await startLine(t, { env });
  t.is(await whole(path), '100');
  second.current().kill('SIGKILL');
  await second.current().exited;
  fs.rmSync(path);
  fs.writeFileSync(path, 'a file');
  const third = startSidecar(t, {
    version: 8,
    directory: temporaryDirectory(t),
    port: 0,
    script: 'test/fixtures/http-server.js',
    env,
  });
  t.not((await third.exited).code, 0);
  t.is(fs.readFileSync(path, 'utf8'), 'a file');
});

test.serial('IPv6, and the default of all addresses', async (t) => {
  if (!fs.existsSync('/proc/net/if_inet6')) {
    t.log('skipped: this machine has no IPv6');
    t.pass();
    return;
  }
  for (const host of ['::1', undefined]) {
    const port = await freePort();
    const SERVE_OPTIONS = json(host === undefined ? { host: null, port } : { host, port });
    const line = await startLine(t, { port, env: { SERVE_OPTIONS } });
    const socket = connect(port, '::1');
    await once(socket, 'connect');
    let answers = '';
    socket.on('data', (chunk) => (answers += String(chunk)));
    socket.write(get());
    await until('an answer', () => answers.includes('version 100\n'));
    t.is((await line.replace()).counters.moved, 1);
    socket.write(get());
    await until('an answer of the next', () => answers.includes('version 101\n'));
    if (host === undefined) t.is(await whole(port), '101');
    socket.destroy();
  }
});

test.serial('port 0 with a name stays the same port', async (t) => {
  const line = await startLine(t, { env: { SERVE_OPTIONS: json({ name: 'any', port: 0 }) } });
  const port = await until('the port', () => portOf(line.current()));
  t.is(await whole(port), '100');
  await line.replace();
  t.is(await until('the port', () => portOf(line.current())), port);
  t.is(await whole(port), '101');
});

test.serial('two servers in one sidecar move together', async (t) => {
  const ports = [await freePort(), await freePort()];
  const SERVE_OPTIONS = json(ports.map((port, index) => ({ port, name: `server-${index}` })));
  const line = await startLine(t, { env: { SERVE_OPTIONS } });
  const clients = await Promise.all([...ports, ...ports].map((port) => connectClient(port)));
  for (const client of clients) {
    client.send(get());
    t.is((await client.response()).version, '100');
  }
  t.is((await line.replace()).counters.moved, 4);
  for (const client of clients) {
    client.send(get('/count'));
    // Each came to its own server: two connections there.
    t.like(JSON.parse((await client.response()).body), { connections: clients.indexOf(client) < 2 ? 1 : 2 });
  }
  for (const port of ports) t.is(await whole(port), '101');
});

test.serial('the next version adds a listener', async (t) => {
  const ports = [await freePort(), await freePort()];
  const options = ports.map((port, index) => ({ port, name: `server-${index}` }));
  const line = await startLine(t, { env: { SERVE_OPTIONS: json(options.slice(0, 1)) } });
  t.is(await whole(ports[0] ?? 0), '100');
  await line.replace({ SERVE_OPTIONS: json(options) });
  t.like(line.current().state()?.counters, { inherited: 1, bound: 1 });
  for (const port of ports) t.is(await whole(port), '101');
});

test.serial(
  'the next version drops a listener: the old one serves it to its end, and what is in hand there is answered',
  async (t) => {
    const ports = [await freePort(), await freePort()];
    const options = ports.map((port, index) => ({ port, name: `server-${index}` }));
    const line = await startLine(t, { env: { SERVE_OPTIONS: json(options) } });
    const idle = await connectClient(ports[1] ?? 0);
    idle.send(get());
    t.is((await idle.response()).version, '100');
    const slow = await connectClient(ports[1] ?? 0);
    slow.send(get('/slow?ms=1500&id=1'));
    const old = await line.upgrade({ SERVE_OPTIONS: json(options.slice(0, 1)) });
    t.is(await whole(ports[0] ?? 0), '101');
    await untilPhase(old, 'drained');
    t.is(await whole(ports[1] ?? 0), '100');
    old.kill('SIGTERM');
    t.is((await slow.response()).body, 'slow 1\n');
    t.is((await old.exited).code, 0);
    await until('closed', () => idle.closed());
    await t.throwsAsync(connectClient(ports[1] ?? 0), { code: 'ECONNREFUSED' });
  },
);

test.serial('the next version changes its port', async (t) => {
  const [before, after] = [await freePort(), await freePort()];
  const line = await startLine(t, { env: { SERVE_OPTIONS: json({ port: before }) } });
  t.is(await whole(before), '100');
  const old = await line.upgrade({ SERVE_OPTIONS: json({ port: after }) });
  t.like(line.current().state()?.counters, { inherited: 0, bound: 1 });
  t.is(await whole(after), '101');
  await line.retire(old);
  await t.throwsAsync(connectClient(before), { code: 'ECONNREFUSED' });
});

test.serial('the backlog is kept after an upgrade, and after a take-back', async (t) => {
  const line = await startLine(t, { env: { SERVE_OPTIONS: json({ backlog: 77 }) } });
  t.is(await backlogOf(line.port), 77);
  await line.replace();
  t.is(await backlogOf(line.port), 77);
  const old = await line.upgrade();
  t.is(await backlogOf(line.port), 77);
  line.current().kill('SIGKILL');
  await untilPhase(old, 'serving');
  t.is(await whole(line.port), '101');
  t.is(await backlogOf(line.port), 77);
});

test.serial('what waits in the queue while nobody accepts is served', async (t) => {
  const line = await startLine(t);
  line.current().kill('SIGSTOP');
  const waiting = await Promise.all(Array.from({ length: 50 }, () => connectClient(line.port)));
  for (const client of waiting) client.send(get());
  const upgrade = line.upgrade();
  await delay(100);
  line.current().kill('SIGCONT');
  const old = await upgrade;
  for (const client of waiting) t.regex((await client.response()).head, /^HTTP\/1.1 200 /);
  await line.retire(old);
  for (const client of waiting) {
    client.send(get());
    t.is((await client.response()).version, '101');
  }
});

test.serial(
  'server.close() by the application: the sidecar neither crashes nor hinders the next version',
  async (t) => {
    const line = await startLine(t);
    const [asks, idle] = [await connectClient(line.port), await connectClient(line.port)];
    idle.send(get());
    await idle.response();
    asks.send(get('/close'));
    t.is((await asks.response()).body, 'closing\n');
    await until('idle connections are closed, as close() says', () => idle.closed());
    await line.replace();
    t.is(await whole(line.port), '101');
  },
);
