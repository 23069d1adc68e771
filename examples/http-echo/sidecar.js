import { createServer } from 'node:http';
import { serve } from 'baton-sidecar';

const { HOST = '127.0.0.1', PORT = '9091', SIDECARSET_VERSION: version = '1', GREETING = 'hello' } = process.env;

const server = createServer((request, response) => {
  let bytes = 0;
  request.on('data', (chunk) => (bytes += chunk.length));
  request.on('end', () => {
    response.setHeader('x-sidecar-version', version);
    response.end(`${GREETING} from version ${version}: ${request.method} ${request.url}, ${bytes} bytes\n`);
  });
});

await serve(server, { name: 'http', host: HOST, port: Number(PORT) }, { name: 'http-echo' });
console.log(`version ${version} serves ${HOST}:${PORT}`);
