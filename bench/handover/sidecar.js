// A sidecar with as many sockets as asked for; `serve` is called for each before `ready`.
import { createServer } from 'node:net';
import { createSidecar } from 'baton-sidecar';

const sidecar = await createSidecar();
for (let index = 0; index < Number(process.env.SOCKETS); index += 1) {
  await sidecar.serve(createServer(), { name: `s${index}`, host: '127.0.0.1', port: 0 });
}
await sidecar.ready();
