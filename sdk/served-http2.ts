import type { Http2SecureServer, Http2Server, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import * as native from '../native/index.ts';
import { createFarewell } from './farewell.ts';
import { sayGoaway } from './goaway.ts';
import { createListening } from './listening.ts';
import type { SocketDescription } from './messages.ts';
import type { DrainListener, Served } from './served.ts';

/**
 * An HTTP/2 server in the SDK's care; see {@link Served}. Its connections cannot move, because what both ends remember of
 * each other's headers is inside Node: each client is asked to leave, and what it has open finishes here. Clients that
 * speak HTTP/1.1 with it (`allowHTTP1`) are told with their next answer.
 */
export function createHttp2Served(
  server: Http2Server | Http2SecureServer,
  descriptor: number,
  description: SocketDescription,
  closed: () => void,
): Served {
  const secure = server instanceof TlsServer ? server : undefined;
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const told = new WeakSet<ServerHttp2Session>();
  let draining: DrainListener | undefined;
  let finishing = false;

  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => {
      if (!sockets.delete(socket)) return;
      draining?.left();
      draining?.changed();
    });
  };

  const due = (): boolean => finishing || draining !== undefined;
  const tell = (session: ServerHttp2Session): void => {
    if (told.has(session)) return;
    told.add(session);
    sayGoaway(session);
  };
  const trackSession = (session: ServerHttp2Session): void => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // Accepted before the server stopped, and only now through its handshake.
    if (due()) tell(session);
  };

  const listening = createListening(server, descriptor, description, () => {
    served.close();
    closed();
  });
  const farewell = createFarewell(server, { due, remembers: () => true });
  const tellAll = (): void => {
    farewell.tellAll();
    for (const session of sessions) tell(session);
  };
  server.on('connection', track);
  server.on('session', trackSession);

  const served: Served = {
    description,
    descriptor,
    adopts: false,
    tickets: () => secure?.getTicketKeys(),
    start: () => listening.start(),
    stop: () => listening.stop(),
    drain(listener) {
      draining = listener;
      tellAll();
    },
    resume() {
      draining = undefined;
    },
    finish() {
      finishing = true;
      tellAll();
      listening.stop();
    },
    take: () => [],
    adopt: ({ descriptor: own }) => native.close(own),
    count: () => sockets.size,
    cut() {
      const count = sockets.size;
      for (const socket of [...sockets]) {
        sockets.delete(socket);
        socket.destroy();
      }
      return count;
    },
    close() {
      listening.close();
      served.resume();
      served.cut();
      server.off('connection', track);
      server.off('session', trackSession);
      farewell.close();
      native.close(descriptor);
    },
  };
  return served;
}
