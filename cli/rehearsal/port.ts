import { createServer } from 'node:net';

/**
 * The port that the sidecar is to listen on: a free one when `port` is 0. Throws `ERR_BATON_PORT_UNUSABLE` when it is in use or the
 * address is not this machine's, before any process is started.
 */
export async function findPort(host: string, port: number): Promise<number> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once('error', reject);
      probe.listen({ host, port, exclusive: true }, resolve);
    });
  } catch (error) {
    const message = `cannot listen on ${host}:${port} (${(error as Error).message}); set another sidecar.port, or 0 for a free one`;
    throw Object.assign(new Error(message, { cause: error }), { code: 'ERR_BATON_PORT_UNUSABLE' });
  }
  const address = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  return typeof address === 'object' && address !== null ? address.port : port;
}
