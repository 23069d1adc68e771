import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** The connections of an http server that speak another protocol by now; see {@link createUpgraded}. */
export interface Upgraded extends Iterable<Socket> {
  /** Looks again which kinds of upgrade the application answers. */
  listen(): void;
  has(socket: Socket): boolean;
  add(socket: Socket): void;
  close(): void;
}

const KINDS = ['upgrade', 'connect'] as const;

/**
 * Keeps the upgraded connections of a server; `arrived` hears of each after the application did. Only kinds that the
 * application listens for are listened for: with any listener, Node leaves all requests of that kind to the listeners.
 */
export function createUpgraded(server: HttpServer | HttpsServer, arrived: (socket: Socket) => void): Upgraded {
  const sockets = new Set<Socket>();
  const add = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  const hear = (_request: IncomingMessage, stream: Duplex): void => {
    if (!(stream instanceof Socket) || stream.destroyed || sockets.has(stream)) return;
    add(stream);
    arrived(stream);
  };
  return {
    listen() {
      for (const kind of KINDS) {
        server.off(kind, hear);
        if (server.listenerCount(kind) > 0) server.on(kind, hear);
      }
    },
    has: (socket) => sockets.has(socket),
    add,
    [Symbol.iterator]: () => sockets.values(),
    close() {
      for (const kind of KINDS) server.off(kind, hear);
    },
  };
}
