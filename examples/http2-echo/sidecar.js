// HTTP/2: the old version asks its clients to leave, and what they have open finishes there. With CERT and KEY over TLS.
import { readFileSync } from 'node:fs';
import { createSecureServer, createServer } from 'node:http2';
import { setTimeout as delay } from 'node:timers/promises';
import { serve } from 'baton-sidecar';

const { HOST = '127.0.0.1', PORT = '9444', SIDECARSET_VERSION: version = '1', CERT, KEY } = process.env;

const server =
  CERT && KEY
    ? createSecureServer({ cert: readFileSync(CERT), key: readFileSync(KEY), allowHTTP1: true })
    : createServer();
server.on('request', async (request, response) => {
  const { searchParams } = new URL(request.url, 'http://localhost');
  response.setHeader('x-sidecar-version', version);
  await delay(Number(searchParams.get('delay')));
  // Like a stream of gRPC: so many lines, one every 50 ms.
  for (let line = Number(searchParams.get('lines')); line > 0; line -= 1) {
    response.write(`line ${line}\n`);
    await delay(50);
  }
  response.end(`hello from version ${version}\n`);
});

await serve(server, { name: 'http2', host: HOST, port: Number(PORT) }, { name: 'http2-echo' });
console.log(`version ${version} serves ${HOST}:${PORT}`);
