import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { close, duplicate, receive, send, shutdown, socketPair, watch } from '../../native/index.ts';
import type { WatchEvents, Watcher } from '../../native/index.ts';
import { failsWith, folder, run, target, until } from './helpers.ts';

const one = Buffer.from('x');

function pair(t: ExecutionContext): [number, number] {
  const ends = socketPair();
  const names = ends.map(target);
  t.teardown(() => ends.forEach((end, index) => target(end) === names[index] && close(end)));
  return ends;
}

/** Waits for the next callback of a watch. */
function next(descriptor: number, events: WatchEvents): Promise<WatchEvents> {
  return new Promise((resolve) => {
    const watcher = watch(descriptor, events, (seen) => {
      watcher.close();
      resolve(seen);
    });
  });
}

test('readable when bytes arrive, writable when there is room', async (t) => {
  const [left, right] = pair(t);
  t.deepEqual(await next(left, { writable: true }), { readable: false, writable: true });
  const seen = next(right, { readable: true });
  send(left, one);
  t.deepEqual(await seen, { readable: true, writable: false });
  t.deepEqual(await next(right, { readable: true, writable: true }), { readable: true, writable: true });
});

test('writable comes only once the full buffer was read', async (t) => {
  const [left, right] = pair(t);
  const large = Buffer.alloc(1 << 20);
  while (send(left, large) !== undefined);
  let room = false;
  const watcher = watch(left, { writable: true }, () => {
    room = true;
    watcher.close();
  });
  t.false(room);
  while (receive(right, large) !== undefined);
  await until('room', () => room);
  t.true((send(left, one) ?? 0) > 0);
});

test('update changes what is waited for, nothing pauses', async (t) => {
  const [left, right] = pair(t);
  const seen: WatchEvents[] = [];
  const watcher = watch(left, { readable: true }, (events) => {
    seen.push(events);
    watcher.update({});
  });
  send(right, one);
  await until('readable', () => seen.length === 1);
  // Still readable, but paused: another watch's two turns pass and this one keeps silent.
  await next(right, { writable: true });
  await next(right, { writable: true });
  t.is(seen.length, 1);
  watcher.update({ writable: true });
  await until('writable', () => seen.length === 2);
  t.deepEqual(seen, [
    { readable: true, writable: false },
    { readable: false, writable: true },
  ]);
  watcher.close();
});

test('the end of the stream, half or whole, counts as readable', async (t) => {
  const [left, right] = pair(t);
  shutdown(left, 'write');
  t.true((await next(right, { readable: true })).readable);
  t.true((await next(right, { writable: true })).readable);
  close(left);
  t.true((await next(right, { readable: true })).readable);
  t.is(receive(right, new Uint8Array(1))?.bytes, 0);
});

test('an error counts as readable, and the watch lives on behind it', async (t) => {
  const [left, right] = pair(t);
  send(right, one);
  const reads: string[] = [];
  const watcher = watch(right, { readable: true }, ({ readable }) => {
    t.true(readable);
    try {
      reads.push(`${receive(right, new Uint8Array(9))?.bytes} bytes`);
    } catch (error) {
      reads.push((error as NodeJS.ErrnoException).code ?? '');
    }
    if (reads.length === 2) watcher.close();
  });
  // Closed with bytes unread: a reset.
  close(left);
  await until('two reads', () => reads.length === 2);
  t.deepEqual(reads, ['ECONNRESET', '0 bytes']);
});

test('close is at once and may be repeated; update then is EBADF', async (t) => {
  const [left, right] = pair(t);
  let calls = 0;
  const watcher = watch(left, { readable: true, writable: true }, () => calls++);
  send(right, one);
  watcher.close();
  watcher.close();
  failsWith(t, 'EBADF', 'epoll_ctl', () => watcher.update({ readable: true }));
  await next(right, { writable: true });
  await next(right, { writable: true });
  t.is(calls, 0);
});

test('one callback may close the watch of another that is ready in the same turn', async (t) => {
  const [left, right] = pair(t);
  const watchers: Watcher[] = [];
  const called: number[] = [];
  [left, right].forEach((descriptor, index) => {
    const seen = () => {
      called.push(index);
      watchers.forEach((watcher) => watcher.close());
    };
    watchers.push(watch(descriptor, { writable: true }, seen));
  });
  await until('the first', () => called.length > 0);
  await next(left, { writable: true });
  t.is(called.length, 1);
});

test('net.Socket takes the descriptor in the tick of the close', async (t) => {
  const [left, right] = pair(t);
  const watcher = watch(left, { readable: true }, () => t.fail('watched after its close'));
  watcher.close();
  const socket = new Socket({ fd: left, readable: true, writable: true });
  send(right, Buffer.from('to node'));
  const [data] = (await once(socket, 'data')) as [Buffer];
  t.is(data.toString(), 'to node');
  socket.destroy();
  await once(socket, 'close');
});

test('net.Socket takes the descriptor within the callback, many times over', async (t) => {
  for (let round = 0; round < 200; round++) {
    const [left, right] = socketPair();
    send(right, one);
    const socket = await new Promise<Socket>((resolve) => {
      const watcher = watch(left, { readable: true }, () => {
        watcher.close();
        resolve(new Socket({ fd: left, readable: true, writable: true }));
      });
    });
    const [data] = (await once(socket, 'data')) as [Buffer];
    t.is(data.length, 1);
    const end = next(right, { readable: true });
    socket.destroy();
    t.true((await end).readable);
    t.is(receive(right, new Uint8Array(1))?.bytes, 0);
    close(right);
  }
});

test('the number may be closed and used again at once', async (t) => {
  // Threads of the runtime open descriptors too, so now and then the number goes to them.
  let reused = 0;
  for (let round = 0; round < 200; round++) {
    const [left, right] = socketPair();
    const watcher = watch(left, { readable: true }, () => t.fail('the watch of a closed descriptor'));
    watcher.close();
    close(left);
    close(right);
    const [again, other] = socketPair();
    if (again === left) reused++;
    const seen = next(again, { readable: true });
    send(other, one);
    t.true((await seen).readable);
    close(again);
    close(other);
  }
  t.true(reused > 100, `${reused}`);
});

test('a copy in other hands does not wake a closed watch', async (t) => {
  const [left, right] = pair(t);
  const watcher = watch(left, { readable: true }, () => t.fail('woken by the copy'));
  const copy = duplicate(left);
  watcher.close();
  close(left);
  send(right, one);
  t.true((await next(copy, { readable: true })).readable);
  close(copy);
});

test('one descriptor is watched once; files are not watched', (t) => {
  const [left] = pair(t);
  const watcher = watch(left, { readable: true }, () => undefined);
  failsWith(t, 'EEXIST', 'epoll_ctl', () => watch(left, { readable: true }, () => undefined));
  watcher.close();
  watch(left, { readable: true }, () => undefined).close();
  failsWith(t, 'EBADF', 'epoll_ctl', () => watch(100_000, { readable: true }, () => undefined));
  const file = openSync(join(folder(t), 'file'), 'w');
  failsWith(t, 'EPERM', 'epoll_ctl', () => watch(file, { readable: true }, () => undefined));
  closeSync(file);
});

test('ticks and microtasks run between two callbacks of one turn', async (t) => {
  const [left, right] = pair(t);
  const log: string[] = [];
  for (const [name, descriptor] of Object.entries({ a: left, b: right })) {
    const watcher = watch(descriptor, { writable: true }, () => {
      watcher.close();
      log.push(name);
      process.nextTick(() => log.push('tick'));
      queueMicrotask(() => log.push('microtask'));
    });
  }
  await until('both', () => log.length === 6);
  t.deepEqual(log.slice(1, 3), ['tick', 'microtask']);
  t.deepEqual(log.slice(4), ['tick', 'microtask']);
});

test('the callback runs in the async context of the watch, however often rubbish was collected', (t) => {
  const { status, stdout, stderr } = run('watch-context.ts');
  t.is(stdout, 'mine\nmine\n', stderr);
  t.is(status, 0);
});

test('a watch keeps the process alive until closed', (t) => {
  const { status, stdout, stderr } = run('watch-alive.ts');
  t.is(stdout, 'read 1\n', stderr);
  t.is(status, 0);
});

test('a callback that throws is an uncaughtException, and the watch goes on', (t) => {
  const { status, stdout, stderr } = run('watch-throws.ts');
  t.is(stdout, 'caught: first\ntick of the first\nsecond call\n', stderr);
  t.is(status, 0);
});

test('a callback that throws ends a process that does not catch it, with the stack', (t) => {
  const { status, signal, stderr } = run('watch-throws.ts', ['--uncaught']);
  t.is(signal, null);
  t.is(status, 1);
  t.regex(stderr, /Error: first\n\s+at /);
});

test('a process that exits while it watches ends in order', (t) => {
  for (const how of ['outside', 'inside']) {
    const { status, signal, stderr } = run('watch-exit.ts', [how]);
    t.is(signal, null, stderr);
    t.is(status, 7, how);
  }
});
