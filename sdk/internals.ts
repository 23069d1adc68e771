import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server as HttpServer } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Server, Socket } from 'node:net';
import type { Server as TlsServer } from 'node:tls';

/*
 * Everything of the SDK that depends on what Node does not document. Each function answers `undefined` or does nothing
 * where the shape is another; the caller then drains instead of moving. Seen the same in Node 20, 22, 24 and 26.
 */

type AnyHttpServer = HttpServer | HttpsServer;

const isObject = (value: unknown): value is Record<PropertyKey, unknown> => typeof value === 'object' && value !== null;

const bySymbol = (object: object, description: string): unknown => {
  const symbol = Object.getOwnPropertySymbols(object).find((own) => own.description === description);
  return symbol && (object as Record<symbol, unknown>)[symbol];
};

interface ConnectionsList {
  idle(): { socket?: Socket | null }[];
}

const connectionsOf = (server: AnyHttpServer): ConnectionsList | undefined => {
  const list = bySymbol(server, 'http.server.connections');
  return isObject(list) && typeof list['idle'] === 'function' ? (list as unknown as ConnectionsList) : undefined;
};

/** Whether {@link idleSockets} and {@link descriptorOf} can be relied on; the server must have listened already. */
export const canMove = (server: AnyHttpServer): boolean => {
  try {
    return Array.isArray(connectionsOf(server)?.idle());
  } catch {
    return false;
  }
};

/**
 * The sockets on which the server neither reads a request nor owes an answer. Its own list knows of a half-read head
 * and of an unfinished body; the pending answer is looked up beside it, as `closeIdleConnections` does.
 */
export function idleSockets(server: AnyHttpServer): Socket[] {
  const sockets: Socket[] = [];
  for (const { socket } of connectionsOf(server)?.idle() ?? []) {
    if (socket && !(socket as { _httpMessage?: unknown })._httpMessage && isQuiet(socket)) sockets.push(socket);
  }
  return sockets;
}

/** Nothing read that was not taken, nothing written that is not sent, neither side closed. */
export const isQuiet = (socket: Socket): boolean =>
  !socket.destroyed && socket.readable && socket.writable && socket.readableLength === 0 && socket.writableLength === 0;

/** The number behind a connected socket; still the socket's own. */
export function descriptorOf(socket: Socket): number | undefined {
  const handle = (socket as { _handle?: unknown })._handle;
  const descriptor = isObject(handle) ? handle['fd'] : undefined;
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined;
}

/** Milliseconds until the socket's idle time-out fires; `undefined` without one. */
export function idleLeft(socket: Socket): number | undefined {
  const limit = socket.timeout;
  if (limit === undefined || limit <= 0) return undefined;
  const timer = bySymbol(socket, 'timeout');
  const probe = setTimeout(() => undefined, 1) as unknown as { _idleStart?: unknown };
  const now = probe._idleStart;
  clearTimeout(probe as unknown as NodeJS.Timeout);
  const start = isObject(timer) ? timer['_idleStart'] : undefined;
  return typeof now === 'number' && typeof start === 'number' ? Math.max(0, limit - (now - start)) : limit;
}

/**
 * Makes a server count a socket that it did not accept itself, so that `close()` waits for it and `getConnections()` is
 * right. `emit('connection')` alone does not.
 */
export function countAsAccepted(server: Server, socket: Socket): void {
  const counted = server as unknown as { _connections?: unknown };
  if (typeof counted._connections !== 'number' || !('_server' in socket)) return;
  counted._connections += 1;
  Object.assign(socket, { server, _server: server });
}

/**
 * Everything that the runtime read from a socket and its application did not. `read()` tells `data` listeners too, which
 * must not see bytes that move away; a decoder keeps the first bytes of a character that is not whole.
 */
export function takeUnread(socket: Socket): Buffer {
  socket.removeAllListeners('data').removeAllListeners('readable');
  const parts: Buffer[] = [];
  for (
    let part = socket.read() as Buffer | string | null;
    part !== null;
    part = socket.read() as Buffer | string | null
  ) {
    parts.push(typeof part === 'string' ? Buffer.from(part, socket.readableEncoding ?? 'utf8') : part);
  }
  const { decoder } = (socket as { _readableState?: { decoder?: unknown } })._readableState ?? {};
  const { lastChar, lastTotal, lastNeed } = (decoder ?? {}) as Record<string, unknown>;
  if (Buffer.isBuffer(lastChar) && typeof lastTotal === 'number' && typeof lastNeed === 'number' && lastNeed > 0) {
    parts.push(Buffer.from(lastChar.subarray(0, lastTotal - lastNeed)));
  }
  return Buffer.concat(parts);
}

/**
 * Replaces the session context that Node gave a TLS server by default, which is that of a `fresh` one; returns false where
 * that cannot be done.
 */
export function setSessionContext(server: TlsServer, fresh: TlsServer, context: string): boolean {
  const inside = server as unknown as { sessionIdContext?: unknown; _sharedCreds?: { context?: unknown } };
  const { sessionIdContext: usual } = fresh as unknown as { sessionIdContext?: unknown };
  if (typeof usual !== 'string') return false;
  if (inside.sessionIdContext !== usual) return true;
  const credentials = inside._sharedCreds?.context;
  if (!isObject(credentials) || typeof credentials['setSessionIdContext'] !== 'function') return false;
  inside.sessionIdContext = context;
  (credentials as unknown as { setSessionIdContext(value: string): void }).setSessionIdContext(context);
  return true;
}

/** The family that a datagram socket was made for; it is a public property that is not documented. */
export function familyOf(socket: DatagramSocket): 4 | 6 | undefined {
  const { type } = socket as { type?: unknown };
  return type === 'udp4' ? 4 : type === 'udp6' ? 6 : undefined;
}

/**
 * Makes a bound datagram socket read no more, or read again, without closing it: what it is still to send goes out. Returns
 * false where that cannot be done.
 */
export function setReading(socket: DatagramSocket, reading: boolean): boolean {
  const state = bySymbol(socket, 'state symbol');
  const handle = isObject(state) ? state['handle'] : undefined;
  if (!isObject(handle)) return false;
  const { recvStart, recvStop } = handle;
  if (typeof recvStart !== 'function' || typeof recvStop !== 'function') return false;
  return (reading ? recvStart : recvStop).call(handle) === 0;
}
