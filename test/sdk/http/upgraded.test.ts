import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Consent } from '../../../sdk/index.ts';
import { connectClient, get, type RawClient } from '../../helpers/client.ts';
import { until } from '../../helpers/processes.ts';
import { copiesOf, type Copies } from '../copies.ts';

const UPGRADE = 'GET /up HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n';
const CONNECT = 'CONNECT there:1 HTTP/1.1\r\nHost: there:1\r\n\r\n';

/** Answers all that comes on an upgraded connection with its name. */
const answer = (socket: Socket, name: string): void => {
  socket.on('data', (chunk) => socket.write(`${name}:${String(chunk)}`));
  socket.on('error', () => socket.destroy());
};

const create = (name: string): Server => {
  const server = createServer((_request, response) => response.end(name));
  server.on('upgrade', (_request, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n');
    answer(socket, name);
  });
  server.on('connect', (_request, socket: Socket) => {
    socket.write('HTTP/1.1 200 Connected\r\n\r\n');
    answer(socket, name);
  });
  return server;
};

const consentOf = (name: string, log: string[] = []): Required<Pick<Consent, 'release' | 'adopt' | 'dismiss'>> => ({
  release(_socket, give, { leftMs }) {
    log.push(`${name} releases${leftMs > 0 ? '' : ' too late'}`);
    give(Buffer.from(`from ${name}`));
  },
  adopt(socket, state) {
    log.push(`${name} adopts ${Buffer.from(state ?? []).toString()}`);
    answer(socket, name);
  },
  dismiss(socket) {
    log.push(`${name} dismisses`);
    socket.end(`${name} says bye`);
  },
});

const serve = async (
  copies: Copies,
  server: Server,
  version: number,
  consent: Consent,
): Promise<{ port: number; close: () => Promise<void> }> => {
  const sidecar = await copies.serve(server, { name: 'http', port: 0, ...consent }, version, version - 1);
  return { port: (server.address() as AddressInfo).port, close: () => sidecar.close() };
};

async function upgrade(port: number, request: string): Promise<RawClient> {
  const client = await connectClient(port);
  client.send(request);
  await until('the handshake', () => client.received().endsWith('\r\n\r\n'));
  return client;
}

const ask = async (t: ExecutionContext, client: RawClient, text: string, name: string): Promise<void> => {
  client.send(text);
  await until('an answer', () => client.received().endsWith(`:${text}`) || client.closed() !== undefined);
  t.true(client.received().endsWith(`${name}:${text}`), client.received());
};

test('upgraded connections and tunnels move with consent, plain ones by themselves', async (t) => {
  const copies = copiesOf(t);
  const log: string[] = [];
  const { port } = await serve(copies, create('first'), 1, consentOf('first', log));
  const clients = [await upgrade(port, UPGRADE), await upgrade(port, CONNECT)];
  const plain = await connectClient(port);
  plain.send(get());
  t.is((await plain.response()).body, 'first');
  for (const client of clients) await ask(t, client, 'one', 'first');
  await serve(copies, create('second'), 2, consentOf('second', log));
  for (const client of clients) await ask(t, client, 'two', 'second');
  plain.send(get());
  t.is((await plain.response()).body, 'second');
  t.deepEqual(log.sort(), ['first releases', 'first releases', 'second adopts from first', 'second adopts from first']);
});

test('a successor without adopt refuses them: they come back and are dismissed, plain ones move', async (t) => {
  const copies = copiesOf(t);
  const log: string[] = [];
  const { port } = await serve(copies, create('first'), 1, consentOf('first', log));
  const client = await upgrade(port, UPGRADE);
  const plain = await connectClient(port);
  plain.send(get());
  t.is((await plain.response()).body, 'first');
  await serve(copies, create('second'), 2, {});
  await until('it is dismissed', () => client.closed() === 'end');
  t.regex(client.received(), /\r\n\r\nfirst says bye$/);
  plain.send(get());
  t.is((await plain.response()).body, 'second');
  t.deepEqual(log, ['first releases', 'first adopts from first', 'first dismisses']);
});

test('without release they are dismissed, without any consent they stay', async (t) => {
  for (const [consent, stays] of [
    [{ dismiss: consentOf('first').dismiss }, false],
    [{ adopt: consentOf('first').adopt }, true],
    [{}, true],
  ] as [Consent, boolean][]) {
    const copies = copiesOf(t);
    const { port } = await serve(copies, create('first'), 1, consent);
    const client = await upgrade(port, UPGRADE);
    await serve(copies, create('second'), 2, consentOf('second'));
    if (stays) await ask(t, client, 'x', 'first');
    else {
      await until('the end', () => client.closed() === 'end');
      t.regex(client.received(), /first says bye$/);
    }
  }
});

test('a server that does not answer upgrades takes such requests for plain ones, with consent too', async (t) => {
  const copies = copiesOf(t);
  const server = createServer((_request, response) => response.end('plain'));
  const { port } = await serve(copies, server, 1, consentOf('first'));
  const client = await connectClient(port);
  client.send(UPGRADE);
  t.is((await client.response()).body, 'plain');
  t.deepEqual([server.listenerCount('upgrade'), server.listenerCount('connect')], [0, 0]);
});

test('what was given and not acknowledged comes back to its adopt', async (t) => {
  const copies = copiesOf(t);
  const log: string[] = [];
  let give: ((state?: Uint8Array) => void) | undefined;
  const { port } = await serve(copies, create('first'), 1, {
    ...consentOf('first', log),
    release: (_socket, later) => (give = later),
  });
  const client = await upgrade(port, UPGRADE);
  const second = await serve(copies, create('second'), 2, consentOf('second', log));
  const later = await until('release', () => give);
  const closed = second.close();
  later(Buffer.from('s'));
  await closed;
  await until('it is adopted', () => log.length > 0);
  await ask(t, client, 'x', 'first');
  t.deepEqual(log, ['first adopts s']);
  // Too late, and harmless.
  later();
  await delay(50);
  await ask(t, client, 'y', 'first');
});
