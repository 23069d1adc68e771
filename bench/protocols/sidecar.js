// One sidecar for each protocol; PROTOCOL says which. A question is answered at once, with itself.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import * as http2 from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp } from 'node:net';
import { join } from 'node:path';
import { serve, webSockets } from 'baton-sidecar';
import { WebSocketServer } from 'ws';

const { PROTOCOL, PORT, CERT, KEY, BATON_DIR } = process.env;
const tls = () => ({ cert: readFileSync(CERT), key: readFileSync(KEY) });
const answer = (request, response) => response.end(`${request.url}\n`);
const echo = (socket) => socket.on('data', (bytes) => socket.write(bytes)).on('error', () => socket.destroy());

function webSocket() {
  const server = createHttp(answer);
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  sockets.on('connection', (client) => client.on('message', (bytes) => client.send(String(bytes))));
  return [server, webSockets(sockets)];
}

function udp() {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1_000_000 });
  return socket.on('message', (bytes, { address, port }) => socket.send(bytes, port, address));
}

const make = {
  http: () => [createHttp(answer)],
  https: () => [createHttps(tls(), answer)],
  http2: () => [http2.createServer(answer)],
  'http2-tls': () => [http2.createSecureServer(tls(), answer)],
  tcp: () => [createTcp(echo), { release: (_socket, give) => give(Buffer.alloc(0)), adopt: echo }],
  websocket: webSocket,
  udp: () => [udp],
  bare: () => [createHttp(answer), {}, { protocol: 'bare', bareSocket: join(BATON_DIR, 'bare.sock') }],
};

const [server, consent, options] = make[PROTOCOL]();
await serve(server, { host: '127.0.0.1', port: Number(PORT), ...consent }, options);
