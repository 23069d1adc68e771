import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Consent, Departure } from './consent.ts';
import { BatonError } from './errors.ts';
import {
  canMakeClients,
  insideOf,
  makeClient,
  setMoved,
  type Inside,
  type WebSocketLike,
  type WebSocketServerLike,
} from './internals-websocket.ts';
import { decodeState, encodeState, handshakeOf, requestOf, type Handshake } from './websocket-state.ts';
import { moveWhenQuiet } from './websocket-move.ts';

/** The code of a client's `close` event when it has moved to the other process. No client can send it. */
export const MOVED = 0;
/** Registered for RFC 6455: the service restarts, come back. */
const RESTART = 1012;
/** RFC 6455, section 7.4.1: an unexpected condition. */
const FAILED = 1011;
/** Clients that cannot move are told to come back within this time at the most, in milliseconds. */
const SPREAD_MS = 60_000;

/** What an application knows of its WebSockets; see {@link webSockets}. */
export interface WebSocketHooks<Client> {
  /**
   * Called when a client is told of no further message here. What it resolves to does not matter: the client moves
   * afterwards. Wait for answers that are being made, because nothing can be sent to the client once it has moved.
   */
  settle?: (client: Client) => Promise<unknown> | undefined;
  /** What the other process is to know of a client that moves now; at most 8 MiB. It may be asked twice for one client. */
  save?: (client: Client) => Uint8Array | undefined;
  /** Called for each client that came, with what was saved (or nothing), before the server's `connection` event. */
  restore?: (client: Client, bytes: Uint8Array) => void;
}

/** One client on the socket that it came by. */
interface Known<Client> {
  client: Client;
  handshake: Handshake;
  /** Stops to try to move it. */
  stop: () => void;
  /** Tells it to leave. */
  timer?: NodeJS.Timeout;
}

/**
 * Lets the clients of a server of the npm package `ws` (8.x) move to the next version of this sidecar; the result is for
 * `serve`, beside the port: `serve(httpServer, { port, ...webSockets(server) })`. Call it before clients come.
 *
 * A client moves between two messages. Here its `close` event comes with code {@link MOVED}; there the server's
 * `connection` event comes with a new client and a request that has the url and headers of the old one. Clients that
 * cannot move are closed with code 1012, each at a random moment of the first half of the drain, at most of its first
 * minute; those that did not come to rest, in the second half.
 *
 * @throws BatonError `ERR_BATON_COMPRESSED` (permessage-deflate keeps state that cannot move), `ERR_BATON_ARGUMENT`.
 */
export function webSockets<Client extends WebSocketLike>(
  server: WebSocketServerLike<Client>,
  hooks: WebSocketHooks<Client> = {},
): Consent {
  checkServer(server);
  const known = new WeakMap<Socket, Known<Client>>();
  const awaited = new WeakMap<Socket, (entry: Known<Client>) => void>();

  server.on('connection', (client: Client, request: IncomingMessage) => {
    const { socket } = request;
    const entry = { client, handshake: handshakeOf(request, client.protocol), stop: () => undefined };
    known.set(socket, entry);
    client.on('close', () => forget(entry));
    const waiting = awaited.get(socket);
    awaited.delete(socket);
    // The application's own listener may come after this one.
    if (waiting) setImmediate(() => waiting(entry));
  });

  const forget = (entry: Known<Client>): void => {
    entry.stop();
    clearTimeout(entry.timer);
  };

  /** A handshake may be under way yet. */
  const whenKnown = (socket: Socket, act: (entry: Known<Client>) => void): void => {
    const entry = known.get(socket);
    if (entry) act(entry);
    else awaited.set(socket, act);
  };

  const closeWithin = (entry: Known<Client>, ms: number, { signal }: Departure): void => {
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => {
      if (signal.aborted) return;
      entry.stop();
      entry.client.close(RESTART, 'service restart');
    }, ms);
  };

  const dismissKnown = (entry: Known<Client>, departure: Departure): void =>
    closeWithin(entry, Math.random() * Math.min(departure.leftMs / 2, SPREAD_MS), departure);

  const move = (
    entry: Known<Client>,
    inside: Inside,
    give: (state: Uint8Array) => void,
    departure: Departure,
  ): void => {
    const { client, handshake } = entry;
    closeWithin(entry, departure.leftMs * (0.5 + 0.4 * Math.random()), departure);
    entry.stop = moveWhenQuiet(inside, {
      settle: () => hooks.settle?.(client),
      give() {
        give(encodeState(handshake, hooks.save?.(client) ?? new Uint8Array()));
        if (inside.socket.destroyed) setMoved(inside, MOVED, 'moved');
      },
      failed(error) {
        dismissKnown(entry, departure);
        client.emit('error', error);
      },
      signal: departure.signal,
    });
  };

  const dismiss: Consent['dismiss'] = (socket, departure) =>
    whenKnown(socket, (entry) => dismissKnown(entry, departure));
  if (!canMakeClients(server)) return { dismiss };
  return {
    dismiss,
    release: (socket, give, departure) =>
      whenKnown(socket, (entry) => {
        const inside = insideOf(entry.client, socket);
        if (inside) move(entry, inside, give, departure);
        else dismissKnown(entry, departure);
      }),
    adopt(socket, state) {
      const { handshake, bytes, error } = decodeState(state);
      const client = makeClient(server, socket, handshake.protocol);
      try {
        if (error) throw error;
        hooks.restore?.(client, bytes);
        server.emit('connection', client, requestOf(handshake, socket));
      } catch (error) {
        client.close(FAILED);
        throw error;
      }
    },
  };
}

function checkServer({ options, on }: Partial<WebSocketServerLike<unknown>>): void {
  if (typeof options !== 'object' || typeof on !== 'function') {
    throw new BatonError('ERR_BATON_ARGUMENT', 'webSockets takes a WebSocketServer of the npm package ws');
  }
  if ((options as { perMessageDeflate?: unknown }).perMessageDeflate) {
    throw new BatonError(
      'ERR_BATON_COMPRESSED',
      'the server compresses (permessage-deflate), and the state of compression cannot move: create it with ' +
        'perMessageDeflate: false',
    );
  }
}
