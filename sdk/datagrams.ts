import { Socket as DatagramSocket } from 'node:dgram';
import { isIP } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import * as native from '../native/index.ts';
import { BatonError, codeOf } from './errors.ts';
import { familyOf, setReading } from './internals.ts';
import type { SocketDescription } from './messages.ts';
import type { ServeOptions } from './serve.ts';
import type { Served } from './served.ts';

/**
 * Makes a datagram socket with its listeners, not bound. It may be called again: a closed one cannot be bound a second
 * time, and this process may have to take back.
 */
export type MakeSocket = () => DatagramSocket;

/** Where a datagram socket is to be bound. */
export type DatagramOptions = Pick<ServeOptions, 'name' | 'host' | 'reusePort' | 'ipv6Only' | 'transparent'> & {
  /** 0 = a free one. */
  port: number;
};

/** A client that sends may send again: a socket that heard nothing for so long, in milliseconds, has none. */
const QUIET_MS = 1000;

const boundAlready = (cause?: unknown): BatonError =>
  new BatonError('ERR_BATON_LISTENING', 'the datagram socket is bound already: leave bind() to serve', { cause });

const isBound = (socket: DatagramSocket): boolean => {
  try {
    socket.address();
    return true;
  } catch (error) {
    if (codeOf(error) === 'EBADF') return false;
    throw new BatonError('ERR_BATON_KIND', 'the datagram socket is closed: make another at each call', {
      cause: error,
    });
  }
};

/**
 * Makes a socket, and makes sure that it can be served at this address.
 *
 * @throws BatonError `ERR_BATON_KIND` (it made something else), `ERR_BATON_LISTENING` (it is bound), `ERR_BATON_ARGUMENT`.
 */
export async function makeSocket(make: MakeSocket, { host }: ServeOptions): Promise<DatagramSocket> {
  const socket = check(make());
  // A bind that the function began is done in the next turn.
  await turn();
  const [own, told] = [familyOf(socket), isIP(host ?? '')];
  const wrong = isBound(socket)
    ? boundAlready()
    : own && told > 0 && own !== told
      ? new BatonError('ERR_BATON_ARGUMENT', `host is ${host}, and the socket was made for IPv${own}`)
      : undefined;
  if (!wrong) return socket;
  socket.close();
  throw wrong;
}

function check(socket: unknown): DatagramSocket {
  if (socket instanceof DatagramSocket) return socket;
  throw new BatonError(
    'ERR_BATON_KIND',
    "the function must make a datagram socket: serve(() => createSocket('udp4'), { port })",
  );
}

/**
 * A {@link Served} of datagrams. It has no connections: whoever serves reads from the one socket that both processes have,
 * and the kernel keeps what comes in between. `closed` is called when the application closed the socket itself.
 */
export function createDatagrams(
  make: MakeSocket,
  first: DatagramSocket,
  descriptor: number,
  description: SocketDescription,
  closed: () => void,
): Served {
  let socket: DatagramSocket | undefined;
  let bound = false;
  let reading = false;
  let heard = -Infinity;

  const hear = (): void => {
    heard = performance.now();
  };
  const closedByApplication = (): void => {
    const served = reading;
    forget();
    if (!served) return;
    close();
    closed();
  };
  const own = (fresh: DatagramSocket): DatagramSocket => {
    fresh.on('close', closedByApplication);
    fresh.on('message', hear);
    return fresh;
  };
  const forget = (): void => {
    socket?.off('close', closedByApplication);
    socket?.off('message', hear);
    socket = undefined;
    bound = reading = false;
    heard = -Infinity;
  };
  const drop = (): void => {
    const dropped = socket;
    forget();
    try {
      dropped?.close();
    } catch (error) {
      // The application was faster.
      if (codeOf(error) !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error;
    }
  };

  const bind = (fresh: DatagramSocket): Promise<void> =>
    new Promise((resolve, reject) => {
      if (familyOf(fresh) !== familyOf(first)) {
        throw new BatonError('ERR_BATON_KIND', 'the function made a socket of one IP family first, and now of another');
      }
      fresh.once('error', reject);
      fresh.once('listening', () => {
        fresh.off('error', reject);
        resolve();
      });
      const copy = native.duplicate(descriptor);
      try {
        fresh.bind({ fd: copy, exclusive: true });
      } catch (error) {
        native.close(copy);
        throw codeOf(error) === 'ERR_SOCKET_ALREADY_BOUND' ? boundAlready(error) : error;
      }
    });

  const stop = (): void => {
    if (!reading || !socket) return;
    reading = false;
    heard = -Infinity;
    // Not closed: answers that the application still owes go out through it.
    if (!setReading(socket, false)) drop();
  };
  const close = (): void => {
    drop();
    native.close(descriptor);
  };

  socket = own(first);
  return {
    description,
    adopts: false,
    descriptor,
    tickets: () => undefined,
    async start() {
      if (reading) return;
      if (bound && socket && !setReading(socket, true)) drop();
      if (!bound) {
        socket ??= own(check(make()));
        try {
          await bind(socket);
        } catch (error) {
          drop();
          throw error;
        }
      }
      bound = reading = true;
      // Who sends is not known yet.
      hear();
    },
    stop,
    drain: () => undefined,
    resume: () => undefined,
    finish: stop,
    take: () => [],
    adopt: (moving) => native.close(moving.descriptor),
    count: () => (performance.now() - heard < QUIET_MS ? 1 : 0),
    cut: () => 0,
    close,
  };
}
