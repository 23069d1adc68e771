import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  accept,
  bindUdp,
  close,
  connectUnix,
  credentials,
  duplicate,
  listenTcp,
  listenUnix,
  lock,
  receive,
  send,
  shutdown,
  socketPair,
} from '../../native/index.ts';
import { failsWith, flags, folder, openDescriptors, start, target } from './helpers.ts';

test('credentials tell the peer: this process', (t) => {
  const [left, right] = socketPair();
  t.deepEqual(credentials(left), { pid: process.pid, uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 });
  close(left);
  close(right);
});

test('credentials tell the peer: another process', async (t) => {
  const path = join(folder(t), 's');
  const listener = listenUnix(path, 5);
  const child = start(t, 'connect.ts', [path]);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  const accepted = accept(listener) as number;
  t.is(credentials(accepted).pid, child.pid ?? 0);
  close(accepted);
  close(listener);
});

test('a socket without a peer has no credentials', (t) => {
  const tcp = listenTcp({ host: '127.0.0.1', port: 0, backlog: 1 });
  failsWith(t, 'ENOTCONN', 'getsockopt', () => credentials(tcp));
  close(tcp);
  failsWith(t, 'EBADF', 'getsockopt', () => credentials(100_000));
});

test('a duplicate is the same socket, close-on-exec, and outlives the first', (t) => {
  const [left, right] = socketPair();
  const copy = duplicate(left);
  t.not(copy, left);
  t.is(target(copy), target(left));
  t.true(flags(copy).closeOnExec);
  close(left);
  t.is(send(copy, Buffer.from('x')), 1);
  t.is(receive(right, new Uint8Array(1))?.bytes, 1);
  close(copy);
  t.is(receive(right, new Uint8Array(1))?.bytes, 0);
  close(right);
  failsWith(t, 'EBADF', 'fcntl', () => duplicate(100_000));
});

test('close closes once', (t) => {
  const [left, right] = socketPair();
  close(left);
  t.is(target(left), undefined);
  failsWith(t, 'EBADF', 'close', () => close(left));
  close(right);
});

test('shutdown of what is no connection fails', (t) => {
  const udp = bindUdp({ host: '127.0.0.1', port: 0 });
  failsWith(t, 'ENOTCONN', 'shutdown', () => shutdown(udp, 'write'));
  close(udp);
  const file = openSync('/dev/null', 'r');
  failsWith(t, 'ENOTSOCK', 'shutdown', () => shutdown(file, 'read'));
  closeSync(file);
});

test('every descriptor made is close-on-exec and non-blocking, and no child sees it', (t) => {
  const path = join(folder(t), 's');
  const listener = listenUnix(path, 5);
  const connected = connectUnix(path);
  const made = [
    listener,
    connected,
    accept(listener) as number,
    ...socketPair(),
    listenTcp({ host: '127.0.0.1', port: 0, backlog: 1 }),
    bindUdp({ host: '127.0.0.1', port: 0 }),
  ];
  send(made[3] as number, Buffer.from('x'), [listener]);
  made.push(...(receive(made[4] as number, new Uint8Array(1))?.descriptors ?? []), duplicate(listener));
  t.is(made.length, 9);
  for (const descriptor of made) t.deepEqual(flags(descriptor), { closeOnExec: true, nonBlocking: true });

  const inherited = spawnSync('/bin/ls', ['-l', '/proc/self/fd'], { stdio: ['pipe', 'pipe', 'pipe', listener] });
  const listing = inherited.stdout.toString();
  // The control: what is given on purpose is there, so the listing can show sockets.
  t.true(listing.includes(`3 -> ${target(listener)}`), listing);
  for (const descriptor of made.slice(1, -2)) t.false(listing.includes(target(descriptor) ?? '?'), listing);
  made.forEach((descriptor) => close(descriptor));
});

test('what fails leaves no descriptor behind', (t) => {
  const directory = folder(t);
  const path = join(directory, 's');
  const listener = listenUnix(path, 5);
  const tcp = listenTcp({ host: '127.0.0.1', port: 0, backlog: 1 });
  const before = openDescriptors().length;
  for (let round = 0; round < 50; round++) {
    t.throws(() => listenUnix(path, 5));
    t.throws(() => connectUnix(join(directory, 'none')));
    t.throws(() => listenTcp({ host: '192.0.2.1', port: 0, backlog: 1 }));
    t.throws(() => bindUdp({ host: '192.0.2.1', port: 0 }));
    t.is(accept(tcp), undefined);
  }
  // The runtime may open one of its own meanwhile; a leak would show 50 times.
  t.true(openDescriptors().length < before + 10);
  close(listener);
  close(tcp);
});

test('a lock is held by one open file; copies of the descriptor share it', (t) => {
  const path = join(folder(t), 'owner');
  writeFileSync(path, '');
  const first = openSync(path, 'r');
  const second = openSync(path, 'r');
  t.true(lock(first));
  t.true(lock(first));
  t.false(lock(second));
  const copy = duplicate(first);
  closeSync(first);
  t.false(lock(second));
  close(copy);
  t.true(lock(second));
  closeSync(second);
  failsWith(t, 'EBADF', 'flock', () => lock(100_000));
});

test('a lock of another process ends with kill -9', async (t) => {
  const path = join(folder(t), 'owner');
  writeFileSync(path, '');
  const child = start(t, 'hold-lock.ts', [path]);
  const [answer] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  t.is(answer.toString(), 'true\n');
  const mine = openSync(path, 'r');
  t.false(lock(mine));
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.true(lock(mine));
  closeSync(mine);
});
