import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import * as net from 'node:net';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { httpClient } from '../../cli/rehearsal/http-load.ts';
import type { HttpLoad, LoadSummary } from '../../cli/rehearsal/load-types.ts';
import { makeRecorder } from '../../cli/rehearsal/recorder.ts';
import { tcpClient } from '../../cli/rehearsal/tcp-load.ts';
import { eventually } from '../local/helpers.ts';

const http: HttpLoad = {
  kind: 'http',
  connections: 1,
  timeout: 2_000,
  method: 'GET',
  path: '/',
  headers: {},
  versionHeader: 'x-sidecar-version',
};

async function listen(t: ExecutionContext, server: net.Server): Promise<{ host: string; port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    (server as Partial<Server>).closeAllConnections?.();
    server.close();
  });
  return { host: '127.0.0.1', port: (server.address() as net.AddressInfo).port };
}

/** Runs one client until `enough`, and returns what it saw. */
async function drive(
  start: (recorder: ReturnType<typeof makeRecorder>, signal: AbortSignal) => Promise<void>,
  enough: (summary: LoadSummary) => boolean,
): Promise<LoadSummary> {
  const recorder = makeRecorder(Date.now());
  const stop = new AbortController();
  const client = start(recorder, stop.signal);
  await eventually('enough requests', () => enough(recorder.summary()));
  stop.abort();
  await client;
  return recorder.summary();
}

const driveHttp = (load: HttpLoad, target: { host: string; port: number }, enough: (summary: LoadSummary) => boolean) =>
  drive((recorder, signal) => httpClient(load, target, 0, recorder, signal), enough);

test('one connection carries all requests of a client, with its method, headers and body', async (t) => {
  const seen = new Set<string>();
  const target = await listen(
    t,
    createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        seen.add(`${request.method ?? ''} ${request.url ?? ''} ${String(request.headers['x-a'])} ${body}`);
        response.end('ok');
      });
    }),
  );
  const load = { ...http, method: 'PUT', path: '/p?q', headers: { 'x-a': 'b' }, body: 'text' };
  const summary = await driveHttp(load, target, ({ requests }) => requests.total >= 20);
  t.deepEqual([...seen], ['PUT /p?q b text']);
  t.like(summary.requests, { failed: 0 });
  t.deepEqual(summary.connections, { opened: 1, refused: 0, closed: 0, moved: 0, movedBack: 0 });
});

test('another version on the same connection is a move', async (t) => {
  let count = 0;
  const versions = ['9', '9', '10', '10', '9'];
  const target = await listen(
    t,
    createServer((_, response) => {
      response.setHeader('x-sidecar-version', versions[Math.min(count++, versions.length - 1)] ?? '');
      response.end();
    }),
  );
  const { connections } = await driveHttp(http, target, ({ requests }) => requests.total >= 8);
  t.like(connections, { opened: 1, moved: 1, movedBack: 1 });
});

test('a connection that the server closes is counted: announced, idle, and with a request in hand', async (t) => {
  let count = 0;
  const server = createServer((request, response) => {
    const turn = count++ % 4;
    if (turn === 0) response.setHeader('connection', 'close');
    if (turn === 1) response.once('finish', () => setTimeout(() => request.socket.end(), 5));
    if (turn === 2) return void request.socket.destroy();
    response.end();
  });
  const target = await listen(t, server);
  const { requests, connections } = await driveHttp(
    { ...http, rate: 20 },
    target,
    (summary) => summary.requests.total >= 4 && summary.connections.closed >= 3,
  );
  t.true(connections.closed >= 3, JSON.stringify(connections));
  t.true(requests.failed >= 1);
  t.deepEqual(Object.keys(requests.failures), ['reset']);
});

test('statuses from 400, time-outs and refused connections are failures with their reason', async (t) => {
  const answering = await listen(
    t,
    createServer((_, response) => response.writeHead(503).end()),
  );
  const silent = await listen(t, createServer());
  const probe = net.createServer();
  const nobody = await listen(t, probe);
  await new Promise((resolve) => probe.close(resolve));
  const some = ({ requests }: LoadSummary) => requests.total >= 2;
  t.deepEqual(Object.keys((await driveHttp(http, answering, some)).requests.failures), ['status 503']);
  const late = await driveHttp({ ...http, timeout: 50 }, silent, some);
  t.deepEqual(Object.keys(late.requests.failures), ['timeout']);
  t.is(late.connections.closed, 0, 'the client closed them');
  const refused = await driveHttp(http, nobody, some);
  t.deepEqual(Object.keys(refused.requests.failures), ['refused']);
  t.is(refused.connections.refused, refused.requests.failed);
  t.is(refused.connections.opened, 0);
});

test('TCP: lines come back over one connection; a wrong answer and a close are seen', async (t) => {
  const load = { kind: 'tcp', connections: 1, timeout: 2_000 } as const;
  const echo = await listen(
    t,
    net.createServer((socket) => socket.on('error', () => undefined).pipe(socket)),
  );
  const good = await drive(
    (recorder, signal) => tcpClient(load, echo, 0, recorder, signal),
    ({ requests }) => requests.total >= 20,
  );
  t.like(good.requests, { failed: 0 });
  t.like(good.connections, { opened: 1, closed: 0 });

  const liar = await listen(
    t,
    net.createServer((socket) => socket.on('error', () => undefined).on('data', () => socket.write('no\n'))),
  );
  const lied = await drive(
    (recorder, signal) => tcpClient(load, liar, 0, recorder, signal),
    ({ requests }) => requests.total >= 2,
  );
  t.deepEqual(Object.keys(lied.requests.failures), ['wrong answer']);

  const closer = await listen(
    t,
    net.createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.end())),
  );
  const closed = await drive(
    (recorder, signal) => tcpClient(load, closer, 0, recorder, signal),
    ({ requests }) => requests.total >= 2,
  );
  t.deepEqual(Object.keys(closed.requests.failures), ['reset']);
  t.true(closed.connections.closed >= 1);
});
