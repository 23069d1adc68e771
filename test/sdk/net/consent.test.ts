import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { Consent } from '../../../sdk/index.ts';
import { connectClient } from '../../helpers/client.ts';
import { until } from '../../helpers/processes.ts';
import { copiesOf } from '../copies.ts';

type Give = (state?: Uint8Array) => void;

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

/** Two versions of one TCP server: the first with `release`, the second with `adopt`; `upgrade` starts the second. */
async function twoVersions(
  t: ExecutionContext,
  accept: (socket: Socket) => void,
  release: NonNullable<Consent['release']>,
  adopt?: NonNullable<Consent['adopt']>,
  second: Server = createServer(),
): Promise<{ port: number; upgrade: () => Promise<void> }> {
  const copies = copiesOf(t);
  const first = createServer(accept);
  await copies.serve(first, { name: 'tcp', port: 0, release }, 1);
  const port = portOf(first);
  return {
    port,
    async upgrade() {
      await copies.serve(second, { name: 'tcp', port: 0, ...(adopt && { adopt }) }, 2, 1);
    },
  };
}

test('a connection moves with its state and the bytes that were not read', async (t) => {
  const adopted: { state: string; bytes: string }[] = [];
  const { port, upgrade } = await twoVersions(
    t,
    (socket) => void socket.once('readable', () => undefined),
    (_socket, give) => give(Buffer.from('count=7')),
    (socket, state) => {
      const entry = { state: Buffer.from(state ?? []).toString(), bytes: '' };
      adopted.push(entry);
      socket.on('data', (chunk) => (entry.bytes += String(chunk)));
      socket.write('hello from the second\n');
    },
  );
  const client = await connectClient(port);
  client.send('not read by the first; ');
  await until('it has come', () => client.socket.bytesWritten > 0 && client.socket.writableLength === 0);
  await upgrade();
  await until('the greeting', () => client.received() === 'hello from the second\n');
  client.send('sent to the second');
  await until('all bytes, in order', () => adopted[0]?.bytes === 'not read by the first; sent to the second');
  t.is(adopted[0]?.state, 'count=7');
  t.is(client.closed(), undefined);
});

test('bytes that move on are not read here too', async (t) => {
  const read: string[] = [];
  const sockets: Socket[] = [];
  let second = '';
  const { port, upgrade } = await twoVersions(
    t,
    (socket) => {
      sockets.push(socket);
      socket.on('data', (chunk) => read.push(String(chunk)));
      socket.pause();
    },
    (_socket, give) => give(),
    (socket) => socket.on('data', (chunk) => (second += String(chunk))),
  );
  const client = await connectClient(port);
  client.send('once');
  await until('it waits in the socket', () => sockets[0]?.readableLength === 4);
  await upgrade();
  await until('it arrives', () => second === 'once');
  t.deepEqual(read, []);
});

test('bytes that the application put back move on, all of them', async (t) => {
  let second = '';
  const { port, upgrade } = await twoVersions(
    t,
    (socket) => void socket.on('data', () => undefined),
    (socket, give) => {
      socket.pause();
      socket.unshift('three ');
      socket.unshift('two ');
      socket.unshift('one ');
      // Flowing, with several chunks in the queue: a plain read() gives the first one only.
      socket.resume();
      give();
    },
    (socket) => socket.on('data', (chunk) => (second += String(chunk))),
  );
  const client = await connectClient(port);
  await upgrade();
  client.send('four');
  await until('all', () => second === 'one two three four');
  t.is(client.closed(), undefined);
});

test('a decoder loses no byte, not even of half a character', async (t) => {
  const sockets: Socket[] = [];
  const chunks: Buffer[] = [];
  const { port, upgrade } = await twoVersions(
    t,
    (socket) => {
      sockets.push(socket);
      socket.setEncoding('utf8');
      socket.once('readable', () => undefined);
    },
    (_socket, give) => give(),
    (socket) => socket.on('data', (chunk: Buffer) => chunks.push(chunk)),
  );
  const client = await connectClient(port);
  const bytes = Buffer.from('aä€😀');
  client.socket.write(bytes.subarray(0, bytes.length - 2));
  await until('it has come', () => sockets[0]?.bytesRead === bytes.length - 2);
  await upgrade();
  client.socket.write(bytes.subarray(bytes.length - 2));
  await until('all bytes', () => Buffer.concat(chunks).equals(bytes));
  t.pass();
});

test('consent may come later, and unwritten bytes forbid it until they are sent', async (t) => {
  let pending: { socket: Socket; give: Give } | undefined;
  let greeted = 0;
  const { port, upgrade } = await twoVersions(
    t,
    (socket) => socket.resume(),
    (socket, give) => (pending = { socket, give }),
    (socket) => {
      greeted += 1;
      socket.end('bye');
    },
  );
  const client = await connectClient(port);
  client.socket.pause();
  await until('accepted', () => true);
  await upgrade();
  const { socket, give } = await until('release is asked', () => pending);
  t.is(greeted, 0);
  socket.write(Buffer.alloc(20_000_000, 'x'));
  t.throws(() => give(), { code: 'ERR_BATON_UNWRITTEN' });
  t.throws(() => give(Buffer.alloc(8 * 1024 * 1024 + 1)), { code: 'ERR_BATON_STATE_TOO_LARGE' });
  t.is(client.closed(), undefined);
  t.is(greeted, 0);
  const sent = new Promise<void>((resolve) => socket.once('drain', resolve));
  client.socket.resume();
  await sent;
  give();
  // A second word is too late, and harmless.
  give();
  await until('the second version answers', () => client.received().endsWith('bye'), 20_000);
  t.is(client.received().length, 20_000_003);
  t.is(greeted, 1);
});

test("without adopt the connection is the server's own, and ends as its connections end", async (t) => {
  const second = createServer((socket) => {
    socket.on('data', (chunk) => socket.write(`second:${String(chunk)}`));
  });
  const { port, upgrade } = await twoVersions(
    t,
    (socket) => socket.resume(),
    (_socket, give) => give(),
    undefined,
    second,
  );
  const client = await connectClient(port);
  await upgrade();
  client.send('x');
  await until('an answer', () => client.received() === 'second:x');
  const connections = (): Promise<number> =>
    new Promise((resolve, reject) => second.getConnections((error, count) => (error ? reject(error) : resolve(count))));
  t.is(await connections(), 1);
  // The server does not allow half-open connections, so the client's end is the end of both.
  client.socket.end();
  t.is(await until('closed', () => client.closed()), 'end');
  await until('not counted any more', async () => (await connections()) === 0);
});

test('a server that allows half-open connections gets moved ones half-open too', async (t) => {
  const second = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume();
    socket.on('end', () => socket.end('the last word'));
  });
  const { port, upgrade } = await twoVersions(
    t,
    (socket) => socket.resume(),
    (_socket, give) => give(),
    undefined,
    second,
  );
  const client = await connectClient(port);
  await upgrade();
  client.socket.end();
  await until('the last word', () => client.received() === 'the last word');
  t.pass();
});

test('connections that were given come back with their state when the successor goes', async (t) => {
  const copies = copiesOf(t);
  const log: string[] = [];
  const adopt = (name: string) => (socket: Socket, state: Uint8Array | undefined) => {
    log.push(`${name}:${Buffer.from(state ?? []).toString()}`);
    socket.on('data', (chunk) => socket.write(`${name}:${String(chunk)}`));
  };
  const first = createServer((socket) => {
    socket.on('data', (chunk) => socket.write(`first:${String(chunk)}`));
  });
  let give: Give | undefined;
  const consent: Consent = { release: (_socket, later) => (give = later), adopt: adopt('first') };
  await copies.serve(first, { name: 'tcp', port: 0, ...consent }, 1);
  const client = await connectClient(portOf(first));
  client.send('a');
  await until('an answer', () => client.received() === 'first:a');
  const second = createServer();
  const sidecar = await copies.serve(second, { name: 'tcp', port: 0, adopt: adopt('second') }, 2, 1);
  // Given in the turn in which the successor goes: it cannot take it any more.
  const later = await until('release', () => give);
  const closed = sidecar.close();
  later(Buffer.from('s'));
  await closed;
  await until('it is adopted again', () => log.length > 0);
  client.send('b');
  await until('an answer', () => client.received().endsWith(':b'));
  t.deepEqual(log, ['first:s']);
  t.is(client.received(), 'first:afirst:b');
  t.is(client.closed(), undefined);
});

test('without release each connection is told to leave, on the terms of the drain', async (t) => {
  const copies = copiesOf(t);
  const first = createServer((socket) => socket.resume());
  let left = 0;
  const dismiss: Consent['dismiss'] = (socket, { leftMs, signal }) => {
    left = leftMs;
    if (!signal.aborted) socket.end('bye');
  };
  await copies.serve(first, { name: 'tcp', port: 0, dismiss }, 1);
  const client = await connectClient(portOf(first));
  await until(
    'accepted',
    async () => (await new Promise((resolve) => first.getConnections((_, n) => resolve(n)))) === 1,
  );
  await copies.serve(createServer(), { name: 'tcp', port: 0 }, 2, 1);
  await until('the end', () => client.closed() === 'end');
  t.is(client.received(), 'bye');
  t.true(left > 590_000 && left <= 600_000, `${left} ms`);
});
