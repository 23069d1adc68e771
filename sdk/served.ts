import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { Socket, type Server } from 'node:net';
import * as native from '../native/index.ts';
import type { Consent, Departure } from './consent.ts';
import { BatonError, codeOf } from './errors.ts';
import { createFarewell } from './farewell.ts';
import { createHeld } from './held.ts';
import { canMove, countAsAccepted, descriptorOf, idleLeft, idleSockets, isQuiet, takeUnread } from './internals.ts';
import { createListening } from './listening.ts';
import type { SocketDescription } from './messages.ts';
import type { Moving } from './moving.ts';
import { checkState } from './state.ts';
import { createUpgraded } from './upgraded.ts';

/** Who empties a server; see {@link Served.drain}. */
export interface DrainListener {
  changed(): void;
  left(): void;
  /** Milliseconds until what is left here is cut. */
  leftMs(): number;
}

/** One server in the SDK's care; its listening descriptor is the SDK's, the server only ever gets copies. */
export interface Served {
  readonly description: SocketDescription;
  readonly descriptor: number;
  /** The ticket keys of a TLS server: secrets. */
  tickets(): Buffer | undefined;
  /** Accepts from now on. Rejects with the error of `listen`. */
  start(): Promise<void>;
  /** Accepts no more. The socket stays open, so nobody is refused. */
  stop(): void;
  /**
   * From now on connections are to leave: `changed` says when {@link Served.take} may have more, `left` that one ended
   * here by itself.
   */
  drain(listener: DrainListener): void;
  /** The opposite of {@link Served.drain}. */
  resume(): void;
  /** Accepts no more and tells each client with its next answer to leave; for a process on its way out. */
  finish(): void;
  /** Up to `limit` connections, no longer this server's; their descriptors are the caller's. */
  take(limit: number): Moving[];
  /** Whether connections of another process can become this server's. */
  readonly adopts: boolean;
  /** Tells the connections with a protocol of their own to end within this time. */
  dismiss?(leftMs: number): void;
  /** Whether upgraded connections may be adopted. */
  readonly adoptsUpgraded?: boolean;
  /** Makes a connection this server's and takes its descriptor over. */
  adopt(moving: Moving): void;
  /** Connections in hand. */
  count(): number;
  /** Ends all connections; returns how many there were. */
  cut(): number;
  /** Ends everything and closes the listening descriptor. */
  close(): void;
}

const addressOf = (host: string | undefined, port: number | undefined): string =>
  host === undefined ? '' : `${host}:${port ?? 0}`;

/** Whether a server speaks HTTP/1.1, in the clear or over TLS. */
export const isHttp = (server: Server): server is HttpServer | HttpsServer =>
  server instanceof HttpServer || server instanceof HttpsServer;

/** How long a server waits for the first request of a connection, in milliseconds; `undefined` = for ever. */
const patience = ({ headersTimeout, requestTimeout }: HttpServer | HttpsServer): number | undefined => {
  const limits = [headersTimeout, requestTimeout].filter((limit) => limit > 0);
  return limits.length > 0 ? Math.min(...limits) : undefined;
};

/**
 * Takes a server that does not listen yet, and the listening descriptor that it is to serve. `closed` is called when the
 * application closed the server itself: its socket is closed then, as it would be without the SDK.
 */
export function createServed(
  server: Server,
  descriptor: number,
  description: SocketDescription,
  consent: Consent,
  closed: () => void,
): Served {
  const http = isHttp(server) ? server : undefined;
  const secure = server instanceof HttpsServer ? server : undefined;
  const sockets = new Set<Socket>();
  const stays = new WeakSet<Socket>();
  const given: Moving[] = [];
  let fresh: Socket[] = [];
  let draining: DrainListener | undefined;
  let leaving = new AbortController();
  let scheduled = false;
  let moves = http === undefined;
  let finishing = false;

  const detach = (socket: Socket, state?: Uint8Array): Moving | undefined => {
    const own = descriptorOf(socket);
    if (own === undefined) {
      stays.add(socket);
      return undefined;
    }
    const descriptor = native.duplicate(own);
    const plain = http && !upgraded?.has(socket) ? http : undefined;
    const left = plain && (idleLeft(socket) ?? (socket.bytesRead === 0 ? patience(plain) : undefined));
    const moving: Moving = {
      name: description.name,
      local: addressOf(socket.localAddress, socket.localPort),
      remote: addressOf(socket.remoteAddress, socket.remotePort),
      descriptor,
      head: plain ? Buffer.alloc(0) : takeUnread(socket),
      ...(upgraded?.has(socket) && { upgraded: true }),
      ...(state && { state: Buffer.from(state) }),
      ...(left !== undefined && { idleMs: left }),
    };
    sockets.delete(socket);
    // Closes this process's descriptor only: the copy keeps the connection open, the client sees nothing.
    socket.destroy();
    return moving;
  };

  const ended = (): void => {
    draining?.left();
    draining?.changed();
  };

  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => {
      if (sockets.delete(socket)) ended();
    });
  };

  const schedule = (): void => {
    if (scheduled || !draining) return;
    scheduled = true;
    // After the poll phase: one sweep for all answers of this turn, before any of their sockets is read again.
    setImmediate(() => {
      scheduled = false;
      draining?.changed();
    });
  };
  const finished = (message: unknown): void => {
    if ((message as { server?: unknown }).server === server) schedule();
  };

  const wake = (moving: Moving): void => {
    const allowHalfOpen = http !== undefined || (server as { allowHalfOpen?: unknown }).allowHalfOpen === true;
    const socket = new Socket({ fd: moving.descriptor, allowHalfOpen, readable: true, writable: true });
    if (moving.head.length > 0) socket.unshift(moving.head);
    if (moving.stays) stays.add(socket);
    countAsAccepted(server, socket);
    const own = !http || moving.upgraded;
    if (consent.adopt && own) {
      track(socket);
      upgraded?.add(socket);
      consent.adopt(socket, moving.state);
    } else server.emit('connection', socket);
    if (draining && own) letGo(socket, draining.leftMs());
  };
  const held = createHeld(wake, ended);

  const letGo = (socket: Socket, leftMs: number): void => {
    const departure = { leftMs, signal: leaving.signal };
    if (!draining || !consent.release || secure || stays.has(socket) || descriptorOf(socket) === undefined) {
      consent.dismiss?.(socket, departure);
    } else ask(socket, consent.release, departure);
  };

  const ask = (socket: Socket, release: NonNullable<Consent['release']>, departure: Departure): void => {
    const give = (state?: Uint8Array): void => {
      if (!draining || departure.signal.aborted || !sockets.has(socket)) return;
      if (state !== undefined) checkState('of a connection', state);
      if (socket.writableLength > 0) {
        throw new BatonError(
          'ERR_BATON_UNWRITTEN',
          'bytes are still unsent: give the connection after its drain event',
        );
      }
      const moving = detach(socket, state);
      if (moving) given.push(moving);
      draining.changed();
    };
    release(socket, give, departure);
  };

  const upgraded =
    http && (consent.release ?? consent.adopt ?? consent.dismiss)
      ? createUpgraded(http, (socket) => draining && letGo(socket, draining.leftMs()))
      : undefined;
  /** Those that the application is asked about. */
  const covered = (): Socket[] => (http ? [...(upgraded ?? [])] : [...sockets]);

  const take = (limit: number): Moving[] => {
    const taken = [...given.splice(0, limit)];
    if (!http || !moves) return taken;
    taken.push(...held.take(limit - taken.length));
    fresh = fresh.filter((socket) => socket.bytesRead === 0 && isQuiet(socket));
    for (const socket of [...fresh, ...idleSockets(http)]) {
      if (taken.length >= limit) break;
      if (stays.has(socket) || !sockets.has(socket)) continue;
      try {
        const moving = detach(socket);
        if (moving) taken.push(moving);
      } catch (error) {
        // No descriptor is left here: they are looked at again.
        if (codeOf(error) === 'EMFILE') break;
        throw error;
      }
    }
    return taken;
  };

  const listening = createListening(server, descriptor, description, () => {
    served.close();
    closed();
  });
  server.on('connection', track);
  const farewell =
    http &&
    createFarewell(http, {
      due: (socket) => finishing || (draining !== undefined && (!moves || stays.has(socket))),
      remembers: () => !moves,
    });

  const served: Served = {
    description,
    descriptor,
    adopts: !secure,
    tickets: () => secure?.getTicketKeys(),
    adoptsUpgraded: upgraded !== undefined && consent.adopt !== undefined,
    async start() {
      upgraded?.listen();
      await listening.start();
      // The keys of an open TLS connection cannot leave the process: it drains.
      moves = http === undefined || (!secure && canMove(http));
    },
    stop: () => listening.stop(),
    drain(listener) {
      draining = listener;
      leaving = new AbortController();
      fresh = [...sockets].filter((socket) => socket.bytesRead === 0 && !upgraded?.has(socket));
      if (http) subscribe('http.server.response.finish', finished);
      if (!moves) farewell?.tellAll();
      for (const socket of covered()) letGo(socket, listener.leftMs());
    },
    dismiss(leftMs) {
      const { signal } = draining ? leaving : new AbortController();
      for (const socket of covered()) consent.dismiss?.(socket, { leftMs, signal });
    },
    resume() {
      draining = undefined;
      leaving.abort();
      fresh = [];
      unsubscribe('http.server.response.finish', finished);
      for (const moving of given.splice(0)) served.adopt(moving);
    },
    finish() {
      finishing = true;
      farewell?.tellAll();
      listening.stop();
    },
    take,
    adopt(moving) {
      if (http && !moving.upgraded && moving.head.length === 0) held.add(moving);
      else wake(moving);
    },
    count: () => sockets.size + held.size() + given.length,
    cut() {
      const count = served.count();
      held.close();
      for (const moving of given.splice(0)) native.close(moving.descriptor);
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
      farewell?.close();
      upgraded?.close();
      native.close(descriptor);
    },
  };
  return served;
}
