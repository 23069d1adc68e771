import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import * as native from '../../../native/index.ts';
import { createHeld } from '../../../sdk/held.ts';
import type { Moving } from '../../../sdk/moving.ts';
import { until } from '../../helpers/processes.ts';
import { openSockets } from '../../native/helpers.ts';

const moving = (descriptor: number, idleMs?: number): Moving => ({
  name: 'http',
  descriptor,
  local: '',
  remote: '',
  head: Buffer.alloc(0),
  ...(idleMs !== undefined && { idleMs }),
});

test.serial('the first byte wakes a connection, and nothing of it is read', async (t) => {
  const woken: Moving[] = [];
  const held = createHeld(
    (one) => woken.push(one),
    () => t.fail(),
  );
  const [near, far] = native.socketPair();
  held.add(moving(near, 60_000));
  t.is(held.size(), 1);
  native.send(far, Buffer.from('G'));
  await until('it wakes', () => woken.length === 1);
  t.is(held.size(), 0);
  t.is(native.receive(near, Buffer.alloc(9))?.bytes, 1);
  for (const descriptor of [near, far]) native.close(descriptor);
});

test.serial('one that stays idle is closed at its time', async (t) => {
  let expired = 0;
  const held = createHeld(
    () => t.fail(),
    () => (expired += 1),
  );
  const [near, far] = native.socketPair();
  held.add(moving(near, 100));
  await until('it is closed', () => expired === 1);
  t.is(native.receive(far, Buffer.alloc(9))?.bytes, 0);
  t.is(held.size(), 0);
  native.close(far);
});

test.serial('a byte that came in time is served, however late the process gets to it', async (t) => {
  const woken: Moving[] = [];
  const held = createHeld(
    (one) => woken.push(one),
    () => t.fail('a connection with a request was closed'),
  );
  const [near, far] = native.socketPair();
  held.add(moving(near, 100));
  await delay(20);
  native.send(far, Buffer.from('G'));
  // A busy process: its timer is due before it looks at its sockets again.
  for (const end = performance.now() + 300; performance.now() < end;);
  await until('it wakes', () => woken.length === 1);
  t.is(held.size(), 0);
  for (const descriptor of [near, far]) native.close(descriptor);
});

test.serial('the time that is left goes along, over and over; who stays is not taken', async (t) => {
  const held = createHeld(
    () => t.fail(),
    () => undefined,
  );
  const [near, far] = native.socketPair();
  const [near2, far2] = native.socketPair();
  held.add(moving(near, 60_000));
  held.add({ ...moving(near2), stays: true });
  await delay(50);
  const [taken] = held.take(10);
  t.true((taken?.idleMs ?? 0) <= 59_960 && (taken?.idleMs ?? 0) > 40_000, String(taken?.idleMs));
  t.is(held.size(), 1);
  t.deepEqual(held.take(10), []);
  if (taken) held.add(taken);
  await delay(50);
  t.deepEqual(held.take(0), []);
  t.true((held.take(10)[0]?.idleMs ?? 0) <= 59_920);
  held.close();
  t.is(held.size(), 0);
  for (const descriptor of [near, far, far2]) native.close(descriptor);
});

test.serial('nothing is left open', async (t) => {
  const before = openSockets();
  const held = createHeld(
    (one) => native.close(one.descriptor),
    () => undefined,
  );
  const fars: number[] = [];
  for (let count = 0; count < 100; count += 1) {
    const [near, far] = native.socketPair();
    held.add(moving(near, count % 3 === 0 ? 10 : undefined));
    if (count % 3 === 1) native.send(far, Buffer.from('x'));
    fars.push(far);
  }
  await until('expired and woken are gone', () => held.size() === 33);
  held.close();
  for (const far of fars) native.close(far);
  t.is(openSockets(), before);
});
