import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import test from 'ava';
import type { ServeOptions } from '../../sdk/index.ts';
import { connectClient, get } from '../helpers/client.ts';
import { freePort, temporaryDirectory, until } from '../helpers/processes.ts';
import { openDescriptors, target } from '../native/helpers.ts';
import { copiesOf } from './copies.ts';

/** The sockets and the sidecar's files that this process has open; what else there is, is the runtime's and changes. */
const open = (): string[] =>
  openDescriptors()
    .map((descriptor) => target(descriptor) ?? '')
    .filter((what) => what.startsWith('socket:') || /\/(owner|\d+\.(json|sock))/.test(what))
    .sort();
const portOf = (server: Server): number => (server.address() as AddressInfo).port;

test.serial('arguments that cannot be served are refused before anything is bound', async (t) => {
  const sidecar = await copiesOf(t).create(1);
  const listening = createServer().listen(0);
  await once(listening, 'listening');
  t.teardown(() => listening.close());
  const datagrams = createSocket('udp4');
  t.teardown(() => datagrams.close());
  const before = open();
  const wrong: [string, unknown, ServeOptions, string][] = [
    ['a TLS server', createTls(), { port: 0 }, 'ERR_BATON_KIND'],
    ['a UDP socket', datagrams, { port: 0 }, 'ERR_BATON_KIND'],
    ['nothing', undefined, { port: 0 }, 'ERR_BATON_KIND'],
    ['a server that listens', listening, { port: 0 }, 'ERR_BATON_LISTENING'],
    ['neither port nor path', createServer(), {}, 'ERR_BATON_ARGUMENT'],
    ['both port and path', createServer(), { port: 0, path: '/tmp/x' }, 'ERR_BATON_ARGUMENT'],
    ['an empty path', createServer(), { path: '' }, 'ERR_BATON_ARGUMENT'],
    ['an empty host', createServer(), { port: 0, host: '' }, 'ERR_BATON_ARGUMENT'],
    ['a name that is no text', createServer(), { port: 0, name: 5 as unknown as string }, 'ERR_BATON_ARGUMENT'],
    ['a name as long as a frame', createServer(), { port: 0, name: 'x'.repeat(1000) }, 'ERR_BATON_ARGUMENT'],
    ['a port below', createServer(), { port: -1 }, 'ERR_BATON_ARGUMENT'],
    ['a port above', createServer(), { port: 65536 }, 'ERR_BATON_ARGUMENT'],
    ['half a port', createServer(), { port: 80.5 }, 'ERR_BATON_ARGUMENT'],
    ['no number', createServer(), { port: NaN }, 'ERR_BATON_ARGUMENT'],
    ['a port as text', createServer(), { port: '80' as unknown as number }, 'ERR_BATON_ARGUMENT'],
    ['a negative backlog', createServer(), { port: 0, backlog: -1 }, 'ERR_BATON_ARGUMENT'],
    ['release without adopt for HTTP', createHttp(), { port: 0, release: () => undefined }, 'ERR_BATON_ARGUMENT'],
    ['adopt for HTTPS', createHttps(), { port: 0, adopt: () => undefined }, 'ERR_BATON_ARGUMENT'],
    ['release for HTTP/2', createHttp2(), { port: 0, release: () => undefined }, 'ERR_BATON_ARGUMENT'],
    ['adopt for HTTP/2', createHttp2(), { port: 0, adopt: () => undefined }, 'ERR_BATON_ARGUMENT'],
  ];
  for (const [what, server, options, code] of wrong) {
    const error = await t.throwsAsync(sidecar.serve(server as Server, options), { code }, what);
    t.regex(error.message, /\w/);
    t.deepEqual(open(), before, what);
  }
  // None of them has harmed the sidecar.
  const server = createServer();
  await sidecar.serve(server, { port: 0 });
  await sidecar.ready();
  t.true(server.listening);
});

test.serial('a name twice, a server twice: refused, nothing is left bound, and the first serves', async (t) => {
  const sidecar = await copiesOf(t).create(1);
  const server = createServer();
  const port = await freePort();
  await sidecar.serve(server, { name: 'one', host: '127.0.0.1', port });
  const before = open();
  await t.throwsAsync(sidecar.serve(createServer(), { name: 'one', port: 0 }), { code: 'ERR_BATON_NAME_IN_USE' });
  await t.throwsAsync(sidecar.serve(server, { name: 'two', port: 0 }), { code: 'ERR_BATON_ARGUMENT' });
  t.deepEqual(open(), before);
  await sidecar.ready();
  t.is(portOf(server), port);
});

test.serial('serve after ready and ready twice are refused, and harm nothing', async (t) => {
  const sidecar = await copiesOf(t).create(1);
  const server = createServer();
  await sidecar.serve(server, { host: '127.0.0.1', port: 0 });
  const [first, second] = await Promise.allSettled([sidecar.ready(), sidecar.ready()]);
  t.is(first.status, 'fulfilled');
  t.like(second, { status: 'rejected', reason: { code: 'ERR_BATON_ARGUMENT' } });
  const before = open();
  await t.throwsAsync(sidecar.ready(), { code: 'ERR_BATON_ARGUMENT' });
  await t.throwsAsync(sidecar.serve(createServer(), { port: 0 }), { code: 'ERR_BATON_ARGUMENT' });
  t.deepEqual(open(), before);
  t.true(server.listening);
});

test.serial('an address that cannot be had: a code, what to do, and nothing stays open', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.teardown(() => other.close());
  const missing = join(temporaryDirectory(t), 'missing', 'socket');
  const cases: [ServeOptions, string, RegExp][] = [
    [{ host: '127.0.0.1', port: portOf(other) }, 'ERR_BATON_ADDRESS_IN_USE', /SIDECARSET_VERSION_ALT/],
    [{ host: '192.0.2.1', port: 0 }, 'ERR_BATON_BIND', /EADDRNOTAVAIL/],
    [{ host: 'does-not-exist.invalid', port: 0 }, 'ERR_BATON_BIND', /does-not-exist\.invalid/],
    [{ path: missing }, 'ERR_BATON_BIND', /ENOENT/],
    [{ path: `/tmp/${'x'.repeat(120)}` }, 'ERR_BATON_BIND', /ENAMETOOLONG/],
  ];
  for (const [options, code, message] of cases) {
    const before = open();
    const sidecar = await copiesOf(t).create(1);
    await t.throwsAsync(sidecar.serve(createServer(), options), { code, message });
    await sidecar.close();
    t.deepEqual(open(), before);
  }
});

test.serial('close gives every descriptor back and frees the port', async (t) => {
  const copies = copiesOf(t);
  const path = join(copies.directory, 'own.sock');
  const before = open();
  const sidecar = await copies.create(1);
  const [tcp, unix] = [createServer(), createHttp()];
  await sidecar.serve(tcp, { host: '127.0.0.1', port: 0 });
  await sidecar.serve(unix, { path });
  await sidecar.ready();
  const port = portOf(tcp);
  await sidecar.close();
  await sidecar.close();
  await until('all descriptors are closed', () => open().length === before.length);
  t.deepEqual(open(), before);
  const next = createServer().listen(port, '127.0.0.1');
  await once(next, 'listening');
  next.close();
  await t.throwsAsync(sidecar.serve(createServer(), { port: 0 }), { code: 'ERR_BATON_CLOSED' });
  await t.throwsAsync(sidecar.ready(), { code: 'ERR_BATON_CLOSED' });
  t.deepEqual(open(), before);
});

test.serial('a handover to a version of another shape leaks no descriptor', async (t) => {
  const copies = copiesOf(t);
  const before = open();
  const first = await copies.create(1);
  const servers = [createHttp(), createServer(), createServer()];
  for (const [index, server] of servers.entries())
    await first.serve(server, { name: `s${index}`, host: '127.0.0.1', port: 0 });
  await first.ready();
  const second = await copies.create(2, 1);
  // Takes one, leaves one, and serves a third under a port of its own.
  await second.serve(createHttp(), { name: 's0', host: '127.0.0.1', port: 0 });
  await second.serve(createServer(), { name: 's2', host: '127.0.0.1', port: await freePort() });
  await second.ready();
  await second.close();
  await first.close();
  await until('all descriptors are closed', () => open().length === before.length);
  t.deepEqual(open(), before);
  t.true(fs.existsSync(copies.directory));
});

test.serial('an HTTP and a TCP server in one sidecar: each connection goes where it belongs', async (t) => {
  const copies = copiesOf(t);
  const start = async (version: number, older: number): Promise<Server[]> => {
    const sidecar = await copies.create(version, older);
    const http = createHttp((_request, response) => response.setHeader('x-sidecar-version', version).end());
    const tcp = createServer((socket) => socket.pipe(socket));
    await sidecar.serve(http, { name: 'http', host: '127.0.0.1', port: 0 });
    await sidecar.serve(tcp, { name: 'tcp', host: '127.0.0.1', port: 0, release: (_socket, give) => give() });
    await sidecar.ready();
    return [http, tcp];
  };
  const servers = await start(1, 0);
  const [web, echo] = await Promise.all(servers.map((server) => connectClient(portOf(server))));
  web?.send(get());
  t.is((await web?.response())?.version, '1');
  echo?.send('a');
  await until('the echo', () => echo?.received() === 'a');
  const ports = servers.map(portOf);
  t.deepEqual((await start(2, 1)).map(portOf), ports);
  await until('both have moved', async () => {
    const counts = servers.map((server) => new Promise((resolve) => server.getConnections((_error, n) => resolve(n))));
    return (await Promise.all(counts)).every((count) => count === 0);
  });
  web?.send(get());
  t.is((await web?.response())?.version, '2');
  echo?.send('b');
  await until('the echo', () => echo?.received() === 'ab');
  t.is(web?.closed() ?? echo?.closed(), undefined);
});

test.serial('an IPv6 address is the same one, however it is written', async (t) => {
  const copies = copiesOf(t);
  const first = createServer();
  const second = createServer();
  const port = await freePort();
  await copies.serve(first, { host: '0:0:0:0:0:0:0:1', port }, 1);
  const next = await copies.serve(second, { host: '::1', port }, 2, 1);
  t.is(next.role, 'successor');
  t.deepEqual(second.address(), { address: '::1', family: 'IPv6', port });
});
