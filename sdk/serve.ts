import { Socket as DatagramSocket } from 'node:dgram';
import { Server as HttpsServer } from 'node:https';
import { isIP, Server, SocketAddress } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import * as fs from 'node:fs';
import * as native from '../native/index.ts';
import type { Consent } from './consent.ts';
import type { Environment } from './environment.ts';
import type { MakeSocket } from './datagrams.ts';
import { BatonError, codeOf } from './errors.ts';
import type { Inheritance } from './inheritance.ts';
import { isHttp2 } from './internals-http2.ts';
import type { SocketDescription } from './messages.ts';
import { isHttp } from './served.ts';

/** Node's own default; the kernel caps it at `net.core.somaxconn` (listen(2)). */
export const BACKLOG = 511;

/** Where a server is to listen: a TCP port, or a Unix socket's path. */
export interface ServeOptions extends Consent {
  /** What the socket is called in the handover; the default is its address. Needed to keep `port: 0` over an upgrade. */
  name?: string;
  /** A TCP port; 0 = a free one. */
  port?: number;
  /** The default is all addresses, IPv6 and IPv4. */
  host?: string;
  /** The path of a Unix socket, instead of a port. */
  path?: string;
  /** The most connections that may wait to be accepted; the default is 511. */
  backlog?: number;
  reusePort?: boolean;
  ipv6Only?: boolean;
  transparent?: boolean;
}

/** A socket to serve, bound or inherited. */
export interface Socket {
  description: SocketDescription;
  descriptor: number;
  inherited: boolean;
}

/**
 * Checks the arguments of `serve`.
 *
 * @throws BatonError `ERR_BATON_KIND` (no http, http2 or net server, and no function), `ERR_BATON_LISTENING` (it listens
 *   already), `ERR_BATON_ARGUMENT`.
 */
export function checkServe(server: Server | MakeSocket, options: ServeOptions): void {
  checkOptions(options);
  if (typeof server === 'function') {
    const { port, path, backlog, release, adopt, dismiss } = options;
    const consent = release ?? adopt ?? dismiss;
    if (port === undefined || path !== undefined || backlog !== undefined || consent) {
      throw new BatonError(
        'ERR_BATON_ARGUMENT',
        'a datagram socket needs a port, and has no path, backlog or connections',
      );
    }
    return;
  }
  const plain = server instanceof Server && !(server instanceof TlsServer);
  if (!(plain || server instanceof HttpsServer || (server instanceof TlsServer && isHttp2(server)))) {
    throw new BatonError(
      'ERR_BATON_KIND',
      (server as unknown) instanceof DatagramSocket
        ? "serve takes a function that makes the datagram socket: serve(() => createSocket('udp4'), { port })"
        : 'serve takes servers of node:http, node:https, node:http2 and node:net, and functions that make a socket of node:dgram',
    );
  }
  if (server.listening) {
    throw new BatonError('ERR_BATON_LISTENING', 'the server listens already: leave listen() to serve');
  }
  if ((options.port === undefined) === (options.path === undefined)) {
    throw new BatonError('ERR_BATON_ARGUMENT', 'serve needs either a port or a path');
  }
  checkConsent(server, options);
}

function checkOptions(options: ServeOptions): void {
  for (const option of ['name', 'host', 'path'] as const) {
    const value: unknown = options[option];
    if (value !== undefined && (typeof value !== 'string' || value === '' || value.length > 255)) {
      throw new BatonError('ERR_BATON_ARGUMENT', `${option} must be text of 1 to 255 characters, or left out`);
    }
  }
  if (options.backlog !== undefined && !(Number.isInteger(options.backlog) && options.backlog >= 0)) {
    throw new BatonError('ERR_BATON_ARGUMENT', `backlog is ${options.backlog}; it must be a number from 0`);
  }
  if (options.port !== undefined && !(Number.isInteger(options.port) && options.port >= 0 && options.port < 65536)) {
    throw new BatonError('ERR_BATON_ARGUMENT', `port is ${options.port}; it must be a number from 0 to 65535`);
  }
}

function checkConsent(server: Server, { release, adopt, dismiss }: Consent): void {
  if (isHttp2(server) && (release ?? adopt ?? dismiss)) {
    throw new BatonError(
      'ERR_BATON_ARGUMENT',
      'release, adopt and dismiss are not for HTTP/2 servers: their connections cannot move, they drain',
    );
  }
  if (server instanceof HttpsServer && (release ?? adopt)) {
    throw new BatonError(
      'ERR_BATON_ARGUMENT',
      'release and adopt are given for an https server, but TLS connections cannot move: leave both out. dismiss alone ' +
        'is called for each upgraded connection that is to end',
    );
  }
  if (isHttp(server) && release && !adopt) {
    throw new BatonError('ERR_BATON_ARGUMENT', 'release needs adopt beside it: a connection may come back');
  }
}

/**
 * Finds the socket among what was inherited, by name and then by address, or binds it; for datagrams where `udp` is
 * given.
 *
 * @throws BatonError `ERR_BATON_ADDRESS_IN_USE`, `ERR_BATON_BIND`.
 */
export async function findSocket(
  options: ServeOptions,
  inheritance: Pick<Inheritance, 'sockets'>,
  environment: Pick<Environment, 'resolve'>,
  udp?: { family: 4 | 6 },
): Promise<Socket> {
  const host = options.path === undefined ? await hostOf(options, environment, udp) : '';
  const wanted = options.path ?? `${host}:${options.port ?? 0}`;
  const name = options.name ?? (udp ? `udp:${wanted}` : wanted);
  const alike = ({ kind }: SocketDescription): boolean => (kind === 'udp') === (udp !== undefined);
  const fits = (address: string): boolean => (options.port === 0 ? address.startsWith(`${host}:`) : address === wanted);
  const heir =
    inheritance.sockets.get(name) ??
    [...inheritance.sockets.values()].find(({ description }) => description.address === wanted && alike(description));
  if (heir && alike(heir.description) && fits(heir.description.address)) {
    inheritance.sockets.delete(heir.description.name);
    return { ...heir, inherited: true };
  }
  const backlog = udp ? 0 : (options.backlog ?? BACKLOG);
  const descriptor = bind(options, host, udp ? undefined : backlog);
  return { description: { ...addressOf(descriptor, wanted), name, backlog }, descriptor, inherited: false };
}

async function hostOf(
  { host }: ServeOptions,
  environment: Pick<Environment, 'resolve'>,
  udp: { family: 4 | 6 } | undefined,
): Promise<string> {
  if (host !== undefined) {
    if (isIP(host) === 6) return new SocketAddress({ address: host, family: 'ipv6' }).address;
    if (isIP(host) === 4) return host;
    return environment.resolve(host, udp?.family).catch((cause: unknown) => {
      throw new BatonError('ERR_BATON_BIND', `${host} has no address: ${codeOf(cause) ?? 'unknown error'}`, {
        facts: { address: host, code: codeOf(cause) },
        cause,
      });
    });
  }
  if (udp) return udp.family === 6 ? '::' : '0.0.0.0';
  return fs.existsSync('/proc/net/if_inet6') ? '::' : '0.0.0.0';
}

/** Without a backlog it is a socket for datagrams. */
function bind(options: ServeOptions, host: string, backlog: number | undefined): number {
  const where = options.path ?? `${host}:${options.port ?? 0}`;
  try {
    const { port = 0, reusePort = false, ipv6Only = false, transparent = false } = options;
    if (backlog === undefined) return native.bindUdp({ host, port, reusePort, ipv6Only, transparent });
    if (options.path !== undefined) return bindPath(options.path, backlog);
    return native.listenTcp({ host, port, backlog, reusePort, ipv6Only, transparent });
  } catch (cause) {
    if (codeOf(cause) === 'EADDRINUSE') {
      throw new BatonError(
        'ERR_BATON_ADDRESS_IN_USE',
        `${where} is in use by another process. Stop that one; if it is this sidecar's older version, start this one ` +
          'with its version in SIDECARSET_VERSION_ALT and the same BATON_DIR.',
        { facts: { address: where }, cause },
      );
    }
    throw new BatonError('ERR_BATON_BIND', `${where} cannot be listened on: ${codeOf(cause) ?? 'unknown error'}`, {
      facts: { address: where, code: codeOf(cause) },
      cause,
    });
  }
}

/** A path left by a dead process is removed first; one that answers is in use. */
function bindPath(path: string, backlog: number): number {
  try {
    return native.listenUnix(path, backlog);
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error;
    if (!fs.lstatSync(path).isSocket()) throw error;
    try {
      native.close(native.connectUnix(path));
    } catch (refusal) {
      if (codeOf(refusal) !== 'ECONNREFUSED') throw error;
      fs.rmSync(path);
      return native.listenUnix(path, backlog);
    }
    throw error;
  }
}

function addressOf(descriptor: number, path: string): Pick<SocketDescription, 'kind' | 'address'> {
  const { family, type, address } = native.facts(descriptor);
  if (family === 'unix' || !address || !('port' in address)) return { kind: 'unix', address: path };
  return { kind: type === 'datagram' ? 'udp' : 'tcp', address: `${address.host}:${address.port}` };
}
