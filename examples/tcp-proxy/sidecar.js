// A TCP reverse proxy: what comes in at LISTEN goes to UPSTREAM. Its connections cannot move, because each is tied to one
// upstream; so the old version keeps those it has until they end, and the new one takes all that come.
import { connect, createServer } from 'node:net';
import { serve } from 'baton-sidecar';

const {
  HOST = '127.0.0.1',
  LISTEN = '9092',
  UPSTREAM = '127.0.0.1:8080',
  SIDECARSET_VERSION: version = '1',
} = process.env;
const [, upstreamHost, upstreamPort] = /^\[?(.+?)\]?:(\d+)$/.exec(UPSTREAM) ?? [];
if (!upstreamPort) throw new Error(`UPSTREAM is ${UPSTREAM}; it must be host:port`);

// Half-open, so that a client that has ended its side still gets the answer.
const server = createServer({ allowHalfOpen: true }, (client) => {
  const upstream = connect({ host: upstreamHost, port: Number(upstreamPort), allowHalfOpen: true });
  client.pipe(upstream);
  upstream.pipe(client);
  client.on('error', (error) => console.error(`client: ${error.message}`));
  upstream.on('error', (error) => console.error(`${UPSTREAM}: ${error.message}`));
  // One side broke before its end: the other must not wait for it.
  client.on('close', () => client.readableEnded || upstream.destroy());
  upstream.on('close', () => upstream.readableEnded || client.destroy());
});

await serve(server, { name: 'proxy', host: HOST, port: Number(LISTEN) }, { name: 'tcp-proxy' });
console.log(`version ${version} forwards ${HOST}:${LISTEN} to ${UPSTREAM}`);
