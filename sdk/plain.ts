import { once } from 'node:events';
import type { Server } from 'node:net';
import { BatonError } from './errors.ts';
import type { Negotiated } from './negotiation.ts';
import { checkServe, type ServeOptions } from './serve.ts';
import type { Sidecar } from './sidecar.ts';
import { checkState } from './state.ts';

/**
 * A sidecar without another copy: it listens plainly, keeps its state in memory, and hands nothing over. For systems
 * without the addon, where a sidecar is developed and not upgraded, and below the test double.
 */
export function plainSidecar({ role, version }: Negotiated, states: Map<string, Buffer> = new Map()): Sidecar {
  const servers = new Map<string, { server: Server; options: ServeOptions }>();
  let started = false;
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
    serve: async (server, options) => {
      checkServe(server, options);
      if (started) throw new BatonError('ERR_BATON_ARGUMENT', 'serve must be called before ready');
      const name = options.name ?? options.path ?? `${options.host ?? '::'}:${options.port ?? 0}`;
      if (servers.has(name)) {
        throw new BatonError('ERR_BATON_NAME_IN_USE', `two servers are named ${name}: give each its own name`);
      }
      servers.set(name, { server, options });
      return Promise.resolve();
    },
    async ready() {
      if (started) throw new BatonError('ERR_BATON_ARGUMENT', 'ready was called already');
      started = true;
      for (const { server, options } of servers.values()) {
        const { host, port, path, backlog } = options;
        server.listen({
          ...(path === undefined ? { port: port ?? 0 } : { path }),
          ...(host !== undefined && { host }),
          ...(backlog !== undefined && { backlog }),
        });
        await once(server, 'listening');
      }
    },
    async close() {
      await Promise.all(
        [...servers.values()].map(({ server }) => new Promise<void>((resolve) => server.close(() => resolve()))),
      );
    },
  };
}
