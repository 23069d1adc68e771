import { once } from 'node:events';
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server } from 'node:net';
import { createCounts, type Counts } from './counts.ts';
import { makeSocket, type MakeSocket } from './datagrams.ts';
import { BatonError } from './errors.ts';
import type { Negotiated } from './negotiation.ts';
import { checkServe, type ServeOptions } from './serve.ts';
import type { Sidecar } from './sidecar.ts';
import { checkState } from './state.ts';

/**
 * A sidecar without another copy: it listens plainly, keeps its state in memory, and hands nothing over. For systems
 * without the addon, where a sidecar is developed and not upgraded, and below the test double, which has a predecessor's
 * counts.
 */
export function plainSidecar(
  { role, version }: Negotiated,
  states: Map<string, Buffer> = new Map(),
  counts: Counts = createCounts(),
  predecessor?: Counts,
): Sidecar {
  const servers = new Map<string, { server: Server | DatagramSocket; options: ServeOptions }>();
  let started = false;
  const requireNotReady = (call: string): void => {
    if (started) throw new BatonError('ERR_BATON_ARGUMENT', `${call} must be called before ready`);
  };
  return {
    role,
    version,
    state: {
      put(key, bytes) {
        checkState(key, bytes);
        states.set(key, Buffer.from(bytes));
      },
      get: (key) => states.get(key),
    },
    counts: {
      share(key, counter) {
        requireNotReady('share');
        counts.share(key, counter);
      },
      settle: () => undefined,
    },
    serve: async (server: Server | MakeSocket, options: ServeOptions) => {
      checkServe(server, options);
      requireNotReady('serve');
      const datagrams = typeof server === 'function';
      const address = options.path ?? `${options.host ?? '::'}:${options.port ?? 0}`;
      const name = options.name ?? (datagrams ? `udp:${address}` : address);
      if (servers.has(name)) {
        throw new BatonError('ERR_BATON_NAME_IN_USE', `two servers are named ${name}: give each its own name`);
      }
      servers.set(name, { server: datagrams ? await makeSocket(server, options) : server, options });
    },
    async ready() {
      if (started) throw new BatonError('ERR_BATON_ARGUMENT', 'ready was called already');
      started = true;
      for (const { server, options } of servers.values()) {
        const { host, port, path, backlog } = options;
        if ('bind' in server) server.bind({ port: port ?? 0, ...(host !== undefined && { address: host }) });
        else {
          server.listen({
            ...(path === undefined ? { port: port ?? 0 } : { path }),
            ...(host !== undefined && { host }),
            ...(backlog !== undefined && { backlog }),
          });
        }
        await once(server, 'listening');
      }
      for (const key of counts.keys()) {
        const bytes = predecessor?.take(key);
        if (bytes) counts.merge(key, bytes);
      }
    },
    async close() {
      await Promise.all(
        [...servers.values()].map(({ server }) => new Promise<void>((resolve) => server.close(() => resolve()))),
      );
    },
  };
}
