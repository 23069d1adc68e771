import { once } from 'node:events';
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { connect, createServer, Socket, type AddressInfo, type Server } from 'node:net';
import { duplicate } from '../../native/index.ts';
import test, { type ExecutionContext } from 'ava';
import {
  canMove,
  countAsAccepted,
  descriptorOf,
  idleLeft,
  idleSockets,
  isQuiet,
  takeUnread,
} from '../../sdk/internals.ts';
import { until } from '../helpers/processes.ts';

async function listening<T extends Server>(t: ExecutionContext, server: T): Promise<{ server: T; port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

async function client(t: ExecutionContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** One accepted socket of a plain server, and its client. */
async function pair(t: ExecutionContext): Promise<{ near: Socket; far: Socket; server: Server }> {
  const { server, port } = await listening(t, createServer());
  const accepted = once(server, 'connection');
  const far = await client(t, port);
  const [near] = (await accepted) as [Socket];
  t.teardown(() => near.destroy());
  return { near, far, server };
}

test('this runtime has the shape that moving needs', async (t) => {
  const { server } = await listening(t, createHttp());
  t.true(canMove(server));
  const { near } = await pair(t);
  t.true((descriptorOf(near) ?? -1) > 2);
});

test('a server of another shape is seen as one that cannot move', (t) => {
  // It never listened, so some runtimes have no list yet; none of these may throw.
  for (const odd of [{}, { list: 1 }, Object.create(null)]) t.false(canMove(odd as HttpServer));
  const symbol = Symbol('http.server.connections');
  for (const list of [undefined, null, 7, {}, { idle: 1 }, { idle: () => 5 }]) {
    t.false(canMove({ [symbol]: list } as unknown as HttpServer));
    if (typeof (list as { idle?: unknown } | null)?.idle !== 'function') {
      t.deepEqual(idleSockets({ [symbol]: list } as unknown as HttpServer), []);
    }
  }
  const throws = {
    idle: () => {
      throw new Error('odd');
    },
  };
  t.false(canMove({ [symbol]: throws } as unknown as HttpServer));
});

test('a socket without a handle, or with one that tells no number, has no descriptor', (t) => {
  t.is(descriptorOf(new Socket()), undefined);
  for (const handle of [null, 5, {}, { fd: 'x' }, { fd: -1 }])
    t.is(descriptorOf({ _handle: handle } as unknown as Socket), undefined);
});

test('idle: only what neither reads a request nor owes an answer', async (t) => {
  const answers: (() => void)[] = [];
  const { server, port } = await listening(
    t,
    createHttp((_request, response) => {
      answers.push(() => response.end('x'));
    }),
  );
  const accepted: Socket[] = [];
  server.on('connection', (one: Socket) => accepted.push(one));
  const socket = await client(t, port);
  socket.write('GET / HTTP/1.1\r\nHo');
  await until('half a head', () => accepted[0]?.bytesRead === 18);
  t.is(idleSockets(server).length, 0);
  socket.write('st: x\r\n\r\n');
  await until('a request', () => answers.length === 1);
  t.is(idleSockets(server).length, 0);
  answers[0]?.();
  await until('idle', () => idleSockets(server).length === 1);
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12');
  await until('a request', () => answers.length === 2);
  answers[1]?.();
  await once(socket, 'data');
  // Answered, but three bytes of the body are still to come.
  t.is(idleSockets(server).length, 0);
  socket.write('345');
  await until('idle', () => idleSockets(server).length === 1);
  t.true(idleSockets(server).every(isQuiet));
});

test('the idle time that is left', async (t) => {
  const { near, far } = await pair(t);
  t.is(idleLeft(near), undefined);
  near.setTimeout(10_000);
  const start = performance.now();
  await until('time has passed', () => performance.now() - start > 200);
  const left = idleLeft(near) ?? 0;
  t.true(left <= 9_900 && left > 5_000, `${left} ms left`);
  near.resume();
  far.write('x');
  await once(near, 'data');
  t.true((idleLeft(near) ?? 0) > left);
  near.setTimeout(0);
  t.is(idleLeft(near), undefined);
});

test('where the timer cannot be read the whole time is left', (t) => {
  t.is(idleLeft({ timeout: 500 } as unknown as Socket), 500);
  t.is(idleLeft({ timeout: 500, [Symbol('timeout')]: {} } as unknown as Socket), 500);
});

test('a socket that counts as accepted is counted once, and no more when it closes', async (t) => {
  const { server } = await listening(t, createServer());
  const { near } = await pair(t);
  const count = (): Promise<number> =>
    new Promise((resolve) => server.getConnections((_error, number) => resolve(number)));
  const socket = new Socket({ fd: duplicate(descriptorOf(near) ?? -1) });
  countAsAccepted(server, socket);
  t.is(await count(), 1);
  socket.destroy();
  await until('0', async () => (await count()) === 0);
  t.notThrows(() => countAsAccepted(Object.create(null) as Server, socket));
});

test('unread bytes: everything once, whoever listens', async (t) => {
  const { near, far } = await pair(t);
  const heard: Buffer[] = [];
  near.on('data', (chunk: Buffer) => heard.push(chunk));
  near.pause();
  far.write('three');
  await until('it waits', () => near.readableLength === 5);
  near.unshift('two ');
  near.unshift('one ');
  near.resume();
  t.is(takeUnread(near).toString(), 'one two three');
  t.is(takeUnread(near).toString(), '');
  t.deepEqual(heard, []);
});

for (const encoding of ['utf8', 'latin1', 'hex', 'base64', 'utf16le'] as const) {
  test(`unread bytes under setEncoding('${encoding}')`, async (t) => {
    const { near, far } = await pair(t);
    near.setEncoding(encoding);
    near.once('readable', () => undefined);
    const bytes = Buffer.concat([Buffer.from('aä€b'), Buffer.from([0xf0, 0x9f])]);
    far.write(bytes);
    await until('it has come', () => near.bytesRead === bytes.length);
    t.deepEqual(takeUnread(near), bytes);
  });
}
