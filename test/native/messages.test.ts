import { once } from 'node:events';
import { openSync } from 'node:fs';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { close, maxDescriptors, receive, send, shutdown, socketPair } from '../../native/index.ts';
import { failsWith, flags, openDescriptors, openSockets, receiveAll, runWithLimit, start, target } from './helpers.ts';

const bytes = (text: string) => Buffer.from(text);

function pair(t: ExecutionContext): [number, number] {
  const ends = socketPair();
  t.teardown(() => ends.forEach((end) => tryClose(end)));
  return ends;
}

function tryClose(descriptor: number): void {
  if (target(descriptor)?.startsWith('socket:')) close(descriptor);
}

/** As many descriptors of one file as asked for. */
function files(t: ExecutionContext, count: number): number[] {
  const opened = Array.from({ length: count }, () => openSync('/dev/zero', 'r'));
  t.teardown(() => opened.forEach((descriptor) => close(descriptor)));
  return opened;
}

test('bytes and descriptors arrive, close-on-exec, as copies of the same open file', (t) => {
  const [left, right] = pair(t);
  const [file] = files(t, 1);
  t.is(send(left, bytes('hello'), [file as number, left]), 5);
  const into = new Uint8Array(16);
  const read = receive(right, into);
  t.is(read?.bytes, 5);
  t.is(Buffer.from(into.subarray(0, 5)).toString(), 'hello');
  t.false(read?.truncated);
  const arrived = read?.descriptors ?? [];
  t.deepEqual(arrived.map(target), ['/dev/zero', target(left)]);
  t.notDeepEqual(arrived, [file, left]);
  for (const descriptor of arrived) t.true(flags(descriptor).closeOnExec);
  arrived.forEach((descriptor) => close(descriptor));
  t.is(target(file as number), '/dev/zero');
});

test('nothing to read is undefined, the end is 0 bytes', (t) => {
  const [left, right] = pair(t);
  t.is(receive(right, new Uint8Array(1)), undefined);
  send(left, bytes('x'));
  close(left);
  t.is(receive(right, new Uint8Array(9))?.bytes, 1);
  t.deepEqual(receive(right, new Uint8Array(9)), { bytes: 0, descriptors: [], truncated: false });
});

test('a subarray sends and receives only its own bytes', (t) => {
  const [left, right] = pair(t);
  const whole = bytes('abcdef');
  t.is(send(left, whole.subarray(2, 4)), 2);
  const into = Buffer.alloc(6, '-');
  t.is(receive(right, into.subarray(3))?.bytes, 2);
  t.is(into.toString(), '---cd-');
});

test('a full buffer: a partial count, then undefined, and the descriptors went exactly once', (t) => {
  const [left, right] = pair(t);
  const [file] = files(t, 1);
  const large = Buffer.alloc(4 << 20, 7);
  const first = send(left, large, [file as number]) as number;
  t.true(first > 0 && first < large.length);
  let sent = first;
  for (let more = send(left, large.subarray(sent)); more !== undefined; more = send(left, large.subarray(sent))) {
    sent += more;
  }
  t.is(send(left, bytes('x'), [file as number]), undefined);

  const copies = (): number =>
    openDescriptors().filter((descriptor) => target(descriptor) === target(file as number)).length;
  const before = copies();
  const reads = receiveAll(right, 1 << 16);
  t.is(
    reads.reduce((sum, read) => sum + read.bytes, 0),
    sent,
  );
  t.is(reads[0]?.descriptors.length, 1);
  const arrived = reads.flatMap((read) => read.descriptors);
  t.is(arrived.length, 1);
  t.is(copies(), before + 1);
  arrived.forEach((descriptor) => close(descriptor));
});

test('253 descriptors go in one message, in order', (t) => {
  const [left, right] = pair(t);
  const opened = [...files(t, 252), left];
  t.is(send(left, bytes('x'), opened), 1);
  const read = receive(right, new Uint8Array(1));
  t.is(read?.descriptors.length, 253);
  t.false(read?.truncated);
  t.is(target(read?.descriptors[252] as number), target(left));
  read?.descriptors.forEach((descriptor) => close(descriptor));
});

test('254 are refused with the limit named, and nothing is sent', (t) => {
  const [left, right] = pair(t);
  const error = t.throws<NodeJS.ErrnoException>(() => send(left, bytes('x'), new Array<number>(254).fill(left)));
  t.true(error instanceof TypeError);
  t.is(error.code, 'ERR_BATON_ARGUMENT');
  t.regex(error.message, /"descriptors" must be at most 253/);
  t.is(receive(right, new Uint8Array(1)), undefined);
});

test('what comes over the wanted number is closed and told', (t) => {
  for (const [sent, wanted] of [
    [5, 2],
    [4, 3],
    [1, 0],
    [253, 1],
    [253, 252],
  ] as const) {
    const [left, right] = pair(t);
    send(left, bytes('x'), new Array<number>(sent).fill(left));
    const before = openSockets();
    const read = receive(right, new Uint8Array(1), wanted);
    t.true(read?.truncated);
    t.is(read?.descriptors.length, wanted);
    t.is(openSockets(), before + wanted, `${sent} sent, ${wanted} wanted`);
    read?.descriptors.forEach((descriptor) => close(descriptor));
  }
});

test('exactly the wanted number is not truncated', (t) => {
  const [left, right] = pair(t);
  send(left, bytes('x'), [left, left]);
  const read = receive(right, new Uint8Array(1), 2);
  t.false(read?.truncated);
  t.is(read?.descriptors.length, 2);
  read?.descriptors.forEach((descriptor) => close(descriptor));
});

test('a process without room for descriptors is told, and leaks none', (t) => {
  const { status, stdout, stderr } = runWithLimit(80, 'no-room.ts');
  t.is(status, 0, stderr);
  t.deepEqual(JSON.parse(stdout), { bytes: 1, kept: 2, truncated: true, leaked: 0 });
});

test('a socket in blocking mode is not waited for either', async (t) => {
  const child = start(t, 'blocking.ts');
  const [answer] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  t.is(answer.toString(), 'false true\n');
});

test('a read may take bytes of an earlier message together with the descriptors of the next', (t) => {
  const [left, right] = pair(t);
  send(left, bytes('abc'));
  send(left, bytes('def'), [left]);
  const reads = receiveAll(right, 64);
  t.is(
    reads.reduce((sum, read) => sum + read.bytes, 0),
    6,
  );
  t.is(reads.flatMap((read) => read.descriptors).length, 1);
  reads.flatMap((read) => read.descriptors).forEach((descriptor) => close(descriptor));
});

test('one read never joins the descriptors of two messages', (t) => {
  const [left, right] = pair(t);
  send(left, bytes('ab'), [left, left]);
  send(left, bytes('cd'), [left]);
  send(left, bytes('ef'));
  const reads = receiveAll(right, 64);
  t.deepEqual(
    reads.map((read) => read.descriptors.length).filter((count) => count > 0),
    [2, 1],
  );
  reads.flatMap((read) => read.descriptors).forEach((descriptor) => close(descriptor));
});

test('read byte by byte, descriptors come with the first byte only', (t) => {
  const [left, right] = pair(t);
  send(left, bytes('abc'), [left]);
  const reads = receiveAll(right, 1);
  t.deepEqual(
    reads.map((read) => read.descriptors.length),
    [1, 0, 0],
  );
  reads.flatMap((read) => read.descriptors).forEach((descriptor) => close(descriptor));
});

test('a descriptor sent before its sender closed everything still works', (t) => {
  const [left, right] = pair(t);
  const [near, far] = socketPair();
  send(left, bytes('x'), [near]);
  close(near);
  close(left);
  const arrived = receive(right, new Uint8Array(1))?.descriptors[0] as number;
  t.is(send(arrived, bytes('hi')), 2);
  t.is(receive(far, new Uint8Array(9))?.bytes, 2);
  close(arrived);
  t.is(receive(far, new Uint8Array(9))?.bytes, 0);
  close(far);
});

test('a reader that is gone is EPIPE, without a signal', (t) => {
  const [left, right] = pair(t);
  close(right);
  failsWith(t, 'EPIPE', 'sendmsg', () => send(left, bytes('x')));
});

test('unread bytes at the close of the peer are ECONNRESET once, then the end', (t) => {
  const [left, right] = pair(t);
  send(right, bytes('unread'));
  close(left);
  failsWith(t, 'ECONNRESET', 'recvmsg', () => receive(right, new Uint8Array(1)));
  t.is(receive(right, new Uint8Array(1))?.bytes, 0);
});

test('shut for reading: the peer cannot write, what had arrived is still readable', (t) => {
  const [left, right] = pair(t);
  send(left, bytes('ack'));
  shutdown(right, 'read');
  failsWith(t, 'EPIPE', 'sendmsg', () => send(left, bytes('late')));
  t.is(receive(right, new Uint8Array(9))?.bytes, 3);
  t.is(receive(right, new Uint8Array(9))?.bytes, 0);
  t.is(send(right, bytes('still writes')), 12);
});

test('shut for writing: the peer reads the end and can still write', (t) => {
  const [left, right] = pair(t);
  shutdown(left, 'write');
  t.is(receive(right, new Uint8Array(9))?.bytes, 0);
  t.is(send(right, bytes('x')), 1);
  t.is(receive(left, new Uint8Array(9))?.bytes, 1);
});

test('errors of send and receive carry code, number and call', (t) => {
  const [left] = pair(t);
  const [file] = files(t, 1);
  failsWith(t, 'EBADF', 'sendmsg', () => send(left, bytes('x'), [100_000]));
  failsWith(t, 'EBADF', 'sendmsg', () => send(100_000, bytes('x')));
  failsWith(t, 'ENOTSOCK', 'sendmsg', () => send(file as number, bytes('x')));
  failsWith(t, 'EBADF', 'recvmsg', () => receive(100_000, bytes('x')));
  failsWith(t, 'ENOTSOCK', 'recvmsg', () => receive(file as number, bytes('x')));
});

test('the limit is the one of the kernel', (t) => {
  t.is(maxDescriptors, 253);
});
