import { createServer } from 'node:http';
import { serve } from 'baton-sidecar';

const { PORT = '9090', SIDECARSET_VERSION: version = '1' } = process.env;
const server = createServer((request, response) => response.end(`hello from version ${version}\n`));

await serve(server, { host: '127.0.0.1', port: Number(PORT) });
console.log(`version ${version} serves port ${PORT}`);
