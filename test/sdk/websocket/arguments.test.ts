import { createServer } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { Socket } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { WebSocketServer } from 'ws';
import { webSockets } from '../../../sdk/index.ts';
import { checkServe } from '../../../sdk/serve.ts';
import { decodeState, encodeState, requestOf } from '../../../sdk/websocket-state.ts';

for (const perMessageDeflate of [true, {}, { threshold: 10 }]) {
  test(`a server that compresses is refused: ${JSON.stringify(perMessageDeflate)}`, (t) => {
    const server = new WebSocketServer({ noServer: true, perMessageDeflate });
    const error = t.throws(() => webSockets(server), { code: 'ERR_BATON_COMPRESSED' });
    t.regex(error.message, /perMessageDeflate: false/);
    t.is(server.listenerCount('connection'), 0);
  });
}

test('what is no server of ws is refused', (t) => {
  for (const value of [{}, createServer(), { options: {} }]) {
    t.throws(() => webSockets(value as unknown as WebSocketServer), { code: 'ERR_BATON_ARGUMENT' });
  }
});

test('a version of ws of another shape: clients are told to leave, none is released or adopted', (t) => {
  class Other {
    close(): void {
      // A client without the methods that are needed.
    }
  }
  const server = new WebSocketServer({ noServer: true, WebSocket: Other as never });
  t.deepEqual(Object.keys(webSockets(server)), ['dismiss']);
  const older = new WebSocketServer({ noServer: true });
  delete older.options.WebSocket;
  t.deepEqual(Object.keys(webSockets(older)), ['dismiss']);
});

test('consent that cannot be kept is refused', (t) => {
  const [release, adopt, dismiss] = [() => undefined, () => undefined, () => undefined];
  const http = createServer();
  t.throws(() => checkServe(http, { port: 0, release }), { code: 'ERR_BATON_ARGUMENT', message: /adopt/ });
  t.notThrows(() => checkServe(http, { port: 0, release, adopt }));
  t.notThrows(() => checkServe(http, { port: 0, adopt }));
  t.notThrows(() => checkServe(http, { port: 0, dismiss }));
  const https = createHttps();
  for (const consent of [{ release, adopt }, { adopt }, { release }]) {
    t.throws(() => checkServe(https, { port: 0, ...consent }), { code: 'ERR_BATON_ARGUMENT', message: /TLS/ });
  }
  t.notThrows(() => checkServe(https, { port: 0, dismiss }));
});

const text = fc.string({ unit: 'binary' });
const handshake = fc.record({
  protocol: text,
  url: text,
  method: text,
  httpVersion: text,
  headers: fc.dictionary(
    text.filter((key) => key !== '__proto__'),
    fc.oneof(text, fc.array(text)),
    { noNullPrototype: true },
  ),
  rawHeaders: fc.array(text),
});

test('what travels with a WebSocket comes out as it went in', (t) => {
  fc.assert(
    fc.property(handshake, fc.uint8Array({ maxLength: 2000 }), (asked, bytes) => {
      const decoded = decodeState(encodeState(asked, bytes));
      t.is(decoded.error, undefined);
      t.deepEqual(decoded.handshake, asked);
      t.deepEqual(new Uint8Array(decoded.bytes), bytes);
    }),
  );
});

test('any other state is an error, and never throws', (t) => {
  t.like(decodeState(undefined).error, { code: 'ERR_BATON_MESSAGE' });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      t.like(decodeState(bytes).error, { code: 'ERR_BATON_MESSAGE' });
    }),
  );
});

test('the request of a handshake long past', async (t) => {
  const socket = new Socket();
  const headers = { cookie: 'a=b', 'set-cookie': ['c', 'd'] };
  const asked = { url: '/x?y', method: 'GET', httpVersion: '1.1', headers, rawHeaders: ['Cookie', 'a=b'] };
  const request = requestOf({ protocol: '', ...asked }, socket);
  t.like(request, asked);
  t.is(request.socket, socket);
  t.true(request.complete);
  t.deepEqual(await request.toArray(), []);
});
