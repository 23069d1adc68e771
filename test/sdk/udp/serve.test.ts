import { createSocket, type Socket, type SocketType } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import test from 'ava';
import { serve, type Counter, type DatagramOptions, type MakeSocket, type Sidecar } from '../../../sdk/index.ts';
import { createTestSidecar } from '../../../sdk/testing.ts';
import { freePort, until } from '../../helpers/processes.ts';
import { openDescriptors, target } from '../../native/helpers.ts';
import { copiesOf } from '../copies.ts';

const host = '127.0.0.1';
/** The sockets and the owner locks that this process has open; what else there is, is the runtime's. */
const open = (): string[] =>
  openDescriptors()
    .map((descriptor) => target(descriptor) ?? '')
    .filter((what) => what.startsWith('socket:') || what.endsWith('/owner'))
    .sort();

/** A factory whose sockets answer with a word, and all the sockets that it made. */
function answering(word: string, type: SocketType = 'udp4'): { make: MakeSocket; made: Socket[] } {
  const made: Socket[] = [];
  const make = (): Socket => {
    const socket = createSocket({ type, recvBufferSize: 100_000 });
    socket.on('message', (message, { port, address }) => socket.send(`${word}:${String(message)}`, port, address));
    made.push(socket);
    return socket;
  };
  return { make, made };
}

async function ask(port: number, address = host): Promise<string> {
  const client = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    client.send('?', port, address);
    const [message] = (await once(client, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer];
    return String(message);
  } finally {
    client.close();
  }
}

const portOf = (socket: Socket | undefined): number => socket?.address().port ?? 0;

test.serial('what cannot be served is refused at the call, and nothing stays open', async (t) => {
  const sidecar = await copiesOf(t).create(1);
  const { make } = answering('x');
  const bound = createSocket('udp4').bind(0, host);
  await once(bound, 'listening');
  const closed = createSocket('udp4');
  closed.close();
  const binding = (): Socket => createSocket('udp4').bind(0, host);
  const unbound = createSocket('udp4');
  t.teardown(() => unbound.close());
  const before = open();
  const wrong: [string, unknown, object, string, RegExp][] = [
    ['a socket', unbound, { port: 0 }, 'ERR_BATON_KIND', /serve\(\(\) => createSocket\('udp4'\)/],
    ['a function that makes nothing', () => undefined, { port: 0 }, 'ERR_BATON_KIND', /createSocket/],
    ['a function that makes a server', () => createHttp(), { port: 0 }, 'ERR_BATON_KIND', /createSocket/],
    ['a closed socket', () => closed, { port: 0 }, 'ERR_BATON_KIND', /closed/],
    ['no port', make, {}, 'ERR_BATON_ARGUMENT', /port/],
    ['a path', make, { path: '/tmp/x' }, 'ERR_BATON_ARGUMENT', /port/],
    ['a backlog', make, { port: 0, backlog: 5 }, 'ERR_BATON_ARGUMENT', /backlog/],
    ['consent', make, { port: 0, release: () => undefined }, 'ERR_BATON_ARGUMENT', /connections/],
    ['a port that is none', make, { port: 65536 }, 'ERR_BATON_ARGUMENT', /65535/],
    ['an IPv6 host', make, { port: 0, host: '::1' }, 'ERR_BATON_ARGUMENT', /IPv4/],
  ];
  for (const [what, value, options, code, message] of wrong) {
    await t.throwsAsync(sidecar.serve(value as MakeSocket, options as DatagramOptions), { code, message }, what);
    t.deepEqual(open(), before, what);
  }
  // What the function bound is closed.
  await t.throwsAsync(sidecar.serve(binding, { port: 0 }), { code: 'ERR_BATON_LISTENING', message: /bind\(\)/ });
  await until('closed', () => open().length === before.length);
  await t.throwsAsync(
    sidecar.serve(() => bound, { port: 0 }),
    { code: 'ERR_BATON_LISTENING' },
  );
  await t.throwsAsync(serve(unbound as unknown as MakeSocket, { port: 0 }), { code: 'ERR_BATON_KIND' });
  await sidecar.serve(make, { port: 0, host });
  await sidecar.ready();
});

test('what is wrong is no TypeScript either', (t) => {
  const compiled = (sidecar: Sidecar): unknown => [
    sidecar.serve(() => createSocket('udp4'), { port: 1 }),
    // @ts-expect-error a socket is not a function
    sidecar.serve(createSocket('udp4'), { port: 1 }),
    // @ts-expect-error a socket without a port
    sidecar.serve(() => createSocket('udp4'), {}),
    // @ts-expect-error datagrams have no backlog
    sidecar.serve(() => createSocket('udp4'), { port: 1, backlog: 5 }),
    // @ts-expect-error nor a path
    serve(() => createSocket('udp4'), { path: '/tmp/x' }),
    // @ts-expect-error a function that makes no socket
    serve(() => 'a socket', { port: 1 }),
  ];
  t.is(typeof compiled, 'function');
});

test.serial('an address in use, and one that is not there', async (t) => {
  const other = createSocket('udp4');
  other.bind(0, host);
  await once(other, 'listening');
  t.teardown(() => other.close());
  const before = open();
  for (const [options, code] of [
    [{ host, port: portOf(other) }, 'ERR_BATON_ADDRESS_IN_USE'],
    [{ host: '192.0.2.1', port: 0 }, 'ERR_BATON_BIND'],
    [{ host: 'does-not-exist.invalid', port: 0 }, 'ERR_BATON_BIND'],
  ] as const) {
    const sidecar = await copiesOf(t).create(1);
    await t.throwsAsync(sidecar.serve(answering('x').make, options), { code });
    await sidecar.close();
    t.deepEqual(open(), before);
  }
});

test.serial('TCP and UDP at one address, without names: each goes to its own', async (t) => {
  const copies = copiesOf(t);
  const before = open();
  const port = await freePort();
  const start = async (version: number, older?: number): Promise<[Sidecar, Socket[]]> => {
    const sidecar = await copies.create(version, older);
    const server = createHttp((_, response) => response.end(`tcp ${version}`));
    const { make, made } = answering(String(version));
    await sidecar.serve(make, { host, port });
    await sidecar.serve(server, { host, port });
    await t.throwsAsync(sidecar.serve(answering('x').make, { host, port: 0, name: `udp:${host}:${port}` }), {
      code: 'ERR_BATON_NAME_IN_USE',
    });
    await sidecar.ready();
    return [sidecar, made];
  };
  const [first, [old]] = await start(1);
  t.is(await ask(port), '1:?');
  const [second, [fresh]] = await start(2, 1);
  t.is(await ask(port), '2:?');
  t.is(await (await fetch(`http://${host}:${port}/`, { headers: { connection: 'close' } })).text(), 'tcp 2');
  t.is(fresh?.getRecvBufferSize(), old?.getRecvBufferSize());
  // The successor ends: the same socket of the first reads again.
  await second.close();
  await until('taken back', async () => (await ask(port)) === '1:?');
  await first.close();
  await until('all descriptors are closed', () => open().length <= before.length);
});

test.serial('a named socket keeps its port over an upgrade, and its options', async (t) => {
  const copies = copiesOf(t);
  const [one, two] = [answering('1', 'udp6'), answering('2', 'udp6')];
  for (const [version, { make }] of [one, two].entries()) {
    const sidecar = await copies.create(version + 1, version);
    await sidecar.serve(make, { name: 'dns', port: 0, ipv6Only: true });
    await sidecar.ready();
  }
  const port = portOf(one.made[0]);
  t.is(portOf(two.made[0]), port);
  t.is(await ask(port, '::1'), '2:?');
  // Its IPv4 namesake is free.
  const other = await copiesOf(t).create(1);
  const four = answering('4');
  await other.serve(four.make, { port, reusePort: true });
  await other.ready();
  t.is(await ask(port), '4:?');
  const sharing = await copiesOf(t).create(1);
  await sharing.serve(answering('5').make, { port, reusePort: true });
  await sharing.ready();
});

test.serial('a multicast group is joined once, by the socket that all versions share', async (t) => {
  const copies = copiesOf(t);
  const codes: (string | undefined)[] = [];
  const start = async (version: number): Promise<Socket | undefined> => {
    const { make, made } = answering(String(version));
    const joining = (): Socket => {
      const socket = make();
      socket.once('listening', () => {
        try {
          socket.addMembership('239.1.2.3', host);
          codes.push(undefined);
        } catch (error) {
          codes.push((error as NodeJS.ErrnoException).code);
        }
      });
      return socket;
    };
    const sidecar = await copies.create(version, version - 1);
    await sidecar.serve(joining, { name: 'group', port: 0 });
    await sidecar.ready();
    return made[0];
  };
  const port = portOf(await start(1));
  await start(2);
  t.deepEqual(codes, [undefined, 'EADDRINUSE']);
  const client = createSocket('udp4');
  t.teardown(() => client.close());
  client.bind(0, host);
  await once(client, 'listening');
  client.setMulticastInterface(host);
  client.send('?', port, '239.1.2.3');
  const [answer] = (await once(client, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer];
  t.is(String(answer), '2:?');
});

test.serial(
  'a socket that the application closes is given up; one that it closes after the handover is made anew',
  async (t) => {
    const copies = copiesOf(t);
    const [one, two] = [answering('1'), answering('2')];
    const port = await freePort();
    const first = await copies.create(1);
    await first.serve(one.make, { host, port });
    await first.ready();
    const second = await copies.create(2, 1);
    await second.serve(two.make, { host, port });
    await second.ready();
    one.made[0]?.close();
    await second.close();
    await until('taken back', async () => (await ask(port)) === '1:?');
    t.is(one.made.length, 2);
    one.made[1]?.close();
    const next = createSocket('udp4');
    t.teardown(() => next.close());
    await until('the port is free', async () => {
      next.bind(port, host);
      return Promise.race([once(next, 'listening').then(() => true), once(next, 'error').then(() => false)]);
    });
  },
);

interface Hits extends Counter {
  hits: number;
  merges: number;
}
const createHits = (hits: number): Hits => ({
  hits,
  merges: 0,
  take() {
    const bytes = Buffer.from(this.hits > 0 ? String(this.hits) : '');
    this.hits = 0;
    return bytes;
  },
  merge(bytes) {
    this.hits += Number(Buffer.from(bytes).toString());
    this.merges += 1;
  },
});

test.serial('counts go to the successor once, and come back but for what it settled', async (t) => {
  const copies = copiesOf(t);
  const first = createHits(5);
  let takenBack = 0;
  const sidecar = await copies.create(1, 0, { onProgress: ({ type }) => (takenBack += type === 'takenBack' ? 1 : 0) });
  sidecar.counts.share('hits', first);
  await sidecar.ready();
  for (const settles of [false, true]) {
    const second = createHits(0);
    const successor = await copies.create(2, 1);
    successor.counts.share('hits', second);
    await successor.ready();
    t.deepEqual([first.hits, second.hits, second.merges], [0, 5, 1]);
    if (settles) successor.counts.settle('hits');
    await successor.close();
    await until('the first serves', () => takenBack === (settles ? 2 : 1));
    if (!settles) await until('they are back', () => first.hits === 5);
  }
  t.is(first.hits, 0);
});

test.serial(
  'counts of a key that the successor does not have stay, and no counter is mistaken for another',
  async (t) => {
    const copies = copiesOf(t);
    const [hits, misses] = [createHits(5), createHits(7)];
    const first = await copies.create(1);
    first.counts.share('hits', hits);
    first.counts.share('misses', misses);
    t.throws(() => first.counts.share('hits', hits), { code: 'ERR_BATON_ARGUMENT' });
    t.throws(() => first.counts.share('baton:x', hits), { code: 'ERR_BATON_ARGUMENT' });
    t.throws(() => first.counts.share('other', {} as Counter), { code: 'ERR_BATON_ARGUMENT' });
    await first.ready();
    t.throws(() => first.counts.share('late', hits), { code: 'ERR_BATON_ARGUMENT' });
    const second = await copies.create(2, 1);
    const [successor, unknown] = [createHits(0), createHits(1)];
    second.counts.share('misses', successor);
    second.counts.share('unknown', unknown);
    await second.ready();
    t.deepEqual([hits.hits, misses.hits, successor.hits, unknown.hits], [5, 0, 7, 1]);
  },
);

test.serial('a successor that cannot merge fails, and the first has its counts again', async (t) => {
  const copies = copiesOf(t);
  const first = createHits(5);
  const { make } = answering('1');
  const port = await freePort();
  const sidecar = await copies.create(1);
  sidecar.counts.share('hits', first);
  await sidecar.serve(make, { host, port });
  await sidecar.ready();
  const second = await copies.create(2, 1);
  second.counts.share('hits', {
    take: () => Buffer.alloc(0),
    merge: () => {
      throw new Error('of another shape');
    },
  });
  await second.serve(answering('2').make, { host, port });
  await t.throwsAsync(second.ready(), { message: 'of another shape' });
  await until('they are back', () => first.hits === 5);
  await until('it reads', async () => (await ask(port)) === '1:?');
});

test('the test double counts as the real sidecar does', async (t) => {
  const old = createTestSidecar();
  const first = createHits(5);
  old.counts.share('hits', first);
  const { make, made } = answering('1');
  await old.serve(make, { host, port: 0 });
  await old.ready();
  t.is(await ask(portOf(made[0])), '1:?');
  const next = old.succeed();
  const second = createHits(1);
  next.counts.share('hits', second);
  await next.ready();
  next.counts.settle('hits');
  t.deepEqual([first.hits, second.hits], [0, 6]);
  t.throws(() => next.counts.share('late', second), { code: 'ERR_BATON_ARGUMENT' });
  await old.close();
});
