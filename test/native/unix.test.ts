import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test from 'ava';
import {
  accept,
  bindUnix,
  close,
  connectUnix,
  facts,
  listenUnix,
  notify,
  receive,
  send,
  socketPair,
} from '../../native/index.ts';
import { failsWith, folder, openSockets } from './helpers.ts';

test('listen, connect, accept and talk', (t) => {
  const path = join(folder(t), 's');
  const listener = listenUnix(path, 5);
  t.is(accept(listener), undefined);
  const client = connectUnix(path);
  const served = accept(listener) as number;
  send(client, Buffer.from('hello'));
  t.is(receive(served, new Uint8Array(9))?.bytes, 5);
  t.deepEqual(facts(served), { family: 'unix', type: 'stream', address: { path }, listening: false });
  t.deepEqual(facts(client), { family: 'unix', type: 'stream', listening: false });
  [listener, client, served].forEach((socket) => close(socket));
  t.true(existsSync(path));
});

test('facts tell the accept queue of a Unix listener', (t) => {
  const path = join(folder(t), 's');
  const listener = listenUnix(path, 9);
  const clients = [connectUnix(path), connectUnix(path), connectUnix(path)];
  t.deepEqual(facts(listener), {
    family: 'unix',
    type: 'stream',
    address: { path },
    listening: true,
    acceptQueue: { length: 3, limit: 9 },
  });
  close(accept(listener) as number);
  t.deepEqual(facts(listener).acceptQueue, { length: 2, limit: 9 });
  [listener, ...clients].forEach((socket) => close(socket));
});

test('a full queue is EAGAIN for who connects', (t) => {
  const path = join(folder(t), 's');
  const listener = listenUnix(path, 1);
  const clients = [connectUnix(path), connectUnix(path)];
  failsWith(t, 'EAGAIN', 'connect', () => connectUnix(path));
  [listener, ...clients].forEach((socket) => close(socket));
});

test('nobody there: ENOENT, and ECONNREFUSED where the file outlived its owner', (t) => {
  const directory = folder(t);
  const path = join(directory, 's');
  failsWith(t, 'ENOENT', 'connect', () => connectUnix(path));
  failsWith(t, 'ENOENT', 'bind', () => listenUnix(join(directory, 'none', 's'), 1));
  close(listenUnix(path, 1));
  failsWith(t, 'ECONNREFUSED', 'connect', () => connectUnix(path));
  failsWith(t, 'EADDRINUSE', 'bind', () => listenUnix(path, 1));
});

test('107 bytes of path work, 108 are ENAMETOOLONG and never shortened', (t) => {
  const directory = folder(t);
  const fits = join(directory, 'x'.repeat(106 - directory.length));
  t.is(Buffer.byteLength(fits), 107);
  const listener = listenUnix(fits, 1);
  t.deepEqual(facts(listener).address, { path: fits });
  const client = connectUnix(fits);
  [listener, client].forEach((socket) => close(socket));
  const over = `${fits}y`;
  failsWith(t, 'ENAMETOOLONG', 'bind', () => listenUnix(over, 1));
  failsWith(t, 'ENAMETOOLONG', 'bind', () => bindUnix(over));
  failsWith(t, 'ENAMETOOLONG', 'connect', () => connectUnix(over));
  failsWith(t, 'ENAMETOOLONG', 'sendto', () => notify(over, Buffer.from('x')));
  t.deepEqual(readdirSync(directory), [fits.slice(directory.length + 1)]);
  // It is bytes that count, not characters.
  failsWith(t, 'ENAMETOOLONG', 'bind', () => listenUnix(join(directory, 'é'.repeat(60)), 1));
});

test('a folder too deep for an address is reached through /proc/self/fd', (t) => {
  const directory = join(folder(t), 'deep'.repeat(30));
  mkdirSync(directory);
  const handle = openSync(directory, 'r');
  const path = `/proc/self/fd/${handle}/agent.sock`;
  const listener = listenUnix(path, 5);
  t.deepEqual(readdirSync(directory), ['agent.sock']);
  const client = connectUnix(path);
  const served = accept(listener) as number;
  send(client, Buffer.from('x'));
  t.is(receive(served, new Uint8Array(1))?.bytes, 1);
  [listener, client, served].forEach((socket) => close(socket));
  closeSync(handle);
});

test('a name that starts with NUL is abstract: no file, all its bytes count', (t) => {
  const name = `\0baton-test-${process.pid}`;
  const listener = listenUnix(name, 5);
  t.deepEqual(facts(listener).address, { path: name });
  failsWith(t, 'ECONNREFUSED', 'connect', () => connectUnix(name.slice(0, -1)));
  const client = connectUnix(name);
  t.not(accept(listener), undefined);
  [listener, client].forEach((socket) => close(socket));
  failsWith(t, 'ECONNREFUSED', 'connect', () => connectUnix(name));
  const longest = `\0${'n'.repeat(107)}`;
  close(listenUnix(longest, 1));
  failsWith(t, 'ENAMETOOLONG', 'bind', () => listenUnix(`${longest}n`, 1));
});

test('node:net serves on a Unix listener of the addon, and connects to it', async (t) => {
  const path = join(folder(t), 's');
  const server = createServer((socket) => socket.end('served'));
  server.listen({ fd: listenUnix(path, 5) });
  await once(server, 'listening');
  t.is(await text(connect(path)), 'served');
  t.is(await text(new Socket({ fd: connectUnix(path), readable: true, writable: true })), 'served');
  server.close();
  await once(server, 'close');
});

test('net.Socket takes a descriptor that came over a socket', async (t) => {
  const [left, right] = socketPair();
  const [near, far] = socketPair();
  send(left, Buffer.from('x'), [near]);
  close(near);
  const fd = receive(right, new Uint8Array(1))?.descriptors[0] as number;
  const socket = new Socket({ fd, readable: true, writable: true });
  send(far, Buffer.from('to node'));
  const [data] = (await once(socket, 'data')) as [Buffer];
  t.is(data.toString(), 'to node');
  socket.destroy();
  await once(socket, 'close');
  t.is(receive(far, new Uint8Array(1))?.bytes, 0);
  [left, right, far].forEach((descriptor) => close(descriptor));
});

test('notify: false where nobody is, or where the queue is full', (t) => {
  const directory = folder(t);
  const path = join(directory, 'agent.sock');
  t.false(notify(path, Buffer.from('x')));
  const listener = listenUnix(path, 1);
  failsWith(t, 'EPROTOTYPE', 'sendto', () => notify(path, Buffer.from('x')));
  close(listener);
  t.false(notify(path, Buffer.from('x')));
  failsWith(t, 'ENOTDIR', 'sendto', () => notify(join(path, 'below'), Buffer.from('x')));
  const before = openSockets();
  for (let round = 0; round < 20; round++) t.false(notify(path, Buffer.from('x')));
  t.is(openSockets(), before);
});

test('notify delivers one datagram each, until the queue is full', (t) => {
  const path = join(folder(t), 'agent.sock');
  const socket = bindUnix(path);
  failsWith(t, 'EADDRINUSE', 'bind', () => bindUnix(path));
  let sent = 0;
  while (notify(path, Buffer.from(`look ${sent}`))) sent++;
  t.true(sent > 0);
  failsWith(t, 'EMSGSIZE', 'sendto', () => notify(path, new Uint8Array(64 << 20)));
  const into = Buffer.alloc(100);
  const read = (): string | undefined => {
    const received = receive(socket, into, 0);
    return received && into.toString('utf8', 0, received.bytes);
  };
  for (let index = 0; index < sent; index++) t.is(read(), `look ${index}`);
  t.is(read(), undefined);
  t.true(notify(path, Buffer.alloc(0)));
  t.is(read(), '');
  t.true(notify(path, Buffer.alloc(200, 'x')));
  t.is(read(), 'x'.repeat(100));
  close(socket);
  t.true(existsSync(path));
  t.false(notify(path, Buffer.from('x')));
});
