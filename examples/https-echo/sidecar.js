// HTTPS: open connections end with their next answer in the old version; clients come back and resume their sessions.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { serve } from 'baton-sidecar';

const {
  HOST = '127.0.0.1',
  PORT = '9443',
  SIDECARSET_VERSION: version = '1',
  CERT = 'cert.pem',
  KEY = 'key.pem',
} = process.env;

const server = createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }, (request, response) => {
  response.setHeader('x-sidecar-version', version);
  const { searchParams } = new URL(request.url, 'https://localhost');
  setTimeout(() => response.end(`hello from version ${version}\n`), Number(searchParams.get('delay')));
});

await serve(server, { name: 'https', host: HOST, port: Number(PORT) }, { name: 'https-echo' });
console.log(`version ${version} serves ${HOST}:${PORT}`);
