import { isIP, type Server } from 'node:net';
import * as native from '../native/index.ts';
import type { Core } from './core.ts';
import { createDatagrams, makeSocket, type MakeSocket } from './datagrams.ts';
import { BatonError } from './errors.ts';
import type { Inheritance } from './inheritance.ts';
import { familyOf } from './internals.ts';
import { isHttp2 } from './internals-http2.ts';
import { findSocket, type ServeOptions, type Socket } from './serve.ts';
import { createServed, type Served } from './served.ts';
import { createHttp2Served } from './served-http2.ts';
import { shareSessions, ticketsOf } from './sessions.ts';

/** The servers of one process before it is ready; see {@link createServing}. */
export interface Serving {
  /** The names of the sockets that came from the predecessor and are used. */
  readonly inherited: Set<string>;
  /** The arguments are checked already. */
  serveServer(server: Server, options: ServeOptions): Promise<void>;
  serveDatagrams(make: MakeSocket, options: ServeOptions): Promise<void>;
}

/** `fail` ends the process's part in the sidecar: a socket that cannot be had is no mistake of a call. */
export function createServing(core: Core, inheritance: Inheritance, fail: (error: unknown) => never): Serving {
  const inherited = new Set<string>();
  const known = new WeakSet<Server>();

  const add = (socket: Socket, create: (closed: () => void) => Served): void => {
    const { name } = socket.description;
    if (core.servers.has(name)) {
      native.close(socket.descriptor);
      throw new BatonError('ERR_BATON_NAME_IN_USE', `two servers are named ${name}: give each its own name`);
    }
    core.servers.set(
      name,
      create(() => core.servers.delete(name)),
    );
    if (socket.inherited) inherited.add(name);
    const { counters } = core.keeper.state;
    core.keeper.count(socket.inherited ? { inherited: counters.inherited + 1 } : { bound: counters.bound + 1 });
  };

  return {
    inherited,
    async serveServer(server, options) {
      if (known.has(server))
        throw new BatonError('ERR_BATON_ARGUMENT', 'this server is served already: create another');
      known.add(server);
      const socket = await findSocket(options, inheritance, core.environment).catch(fail);
      const { description, descriptor } = socket;
      const { name } = description;
      try {
        add(socket, (closed) =>
          isHttp2(server)
            ? createHttp2Served(server, descriptor, description, closed)
            : createServed(server, descriptor, description, options, closed),
        );
      } catch (error) {
        known.delete(server);
        throw error;
      }
      if (!shareSessions(server, name, core.states.get(ticketsOf(name)))) {
        core.environment.warn(`TLS sessions of ${name} will not be resumed by the next version`, 'ERR_BATON_SESSIONS');
      }
    },
    async serveDatagrams(make, options) {
      const first = await makeSocket(make, options);
      try {
        const udp = { family: familyOf(first) ?? (isIP(options.host ?? '') === 6 ? 6 : 4) } as const;
        const socket = await findSocket(options, inheritance, core.environment, udp).catch(fail);
        const { description, descriptor } = socket;
        add(socket, (closed) => createDatagrams(make, first, descriptor, description, closed));
      } catch (error) {
        first.close();
        throw error;
      }
    },
  };
}
