// A long-lived process that is told to take over (`take`, a version) and to end what it took (`end`), again and again.
import { createServer } from 'node:net';
import { processEnvironment } from '../../sdk/environment.ts';
import { createSidecar } from '../../sdk/create.ts';
import type { Sidecar } from '../../sdk/sidecar.ts';

let sidecar: Sidecar | undefined;

const take = async (version: number): Promise<void> => {
  const env = { SIDECARSET_VERSION: String(version), SIDECARSET_VERSION_ALT: String(version - 1) };
  sidecar = await createSidecar({}, { ...processEnvironment(), env: { ...process.env, ...env } });
  for (let index = 0; index < Number(process.env['SOCKETS']); index += 1) {
    await sidecar.serve(createServer(), { name: `s${index}`, host: '127.0.0.1', port: 0 });
  }
  await sidecar.ready();
};

process.on('message', (order: { take: number } | 'end') => {
  void (order === 'end' ? sidecar?.close() : take(order.take))?.then(() => process.send?.('done'));
});
