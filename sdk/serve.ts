import { Server as HttpsServer } from 'node:https';
import { isIP, Server, SocketAddress } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import * as fs from 'node:fs';
import * as native from '../native/index.ts';
import type { Consent } from './consent.ts';
import type { Environment } from './environment.ts';
import { BatonError, codeOf } from './errors.ts';
import type { Inheritance } from './inheritance.ts';
import type { SocketDescription } from './messages.ts';
import { isHttp } from './served.ts';

/** Node's own default; the kernel caps it at `net.core.somaxconn` (listen(2)). */
const BACKLOG = 511;

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
 * @throws BatonError `ERR_BATON_KIND` (no plain http or net server), `ERR_BATON_LISTENING` (it listens already),
 *   `ERR_BATON_ARGUMENT`.
 */
export function checkServe(server: Server, options: ServeOptions): void {
  const plain = server instanceof Server && !(server instanceof TlsServer);
  if (!(plain || server instanceof HttpsServer) || 'updateSettings' in server) {
    throw new BatonError('ERR_BATON_KIND', 'serve takes servers of node:http, node:https and node:net');
  }
  if (server.listening) {
    throw new BatonError('ERR_BATON_LISTENING', 'the server listens already: leave listen() to serve');
  }
  if ((options.port === undefined) === (options.path === undefined)) {
    throw new BatonError('ERR_BATON_ARGUMENT', 'serve needs either a port or a path');
  }
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
  checkConsent(server, options);
}

function checkConsent(server: Server, { release, adopt }: Consent): void {
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
 * Finds the socket among what was inherited, by name and then by address, or binds it.
 *
 * @throws BatonError `ERR_BATON_ADDRESS_IN_USE`, `ERR_BATON_BIND`.
 */
export async function findSocket(
  options: ServeOptions,
  inheritance: Inheritance,
  environment: Pick<Environment, 'resolve'>,
): Promise<Socket> {
  const host = options.path === undefined ? await hostOf(options, environment) : '';
  const wanted = options.path ?? `${host}:${options.port ?? 0}`;
  const name = options.name ?? wanted;
  const fits = (address: string): boolean => (options.port === 0 ? address.startsWith(`${host}:`) : address === wanted);
  const heir =
    inheritance.sockets.get(name) ??
    [...inheritance.sockets.values()].find(({ description }) => description.address === wanted);
  if (heir && fits(heir.description.address)) {
    inheritance.sockets.delete(heir.description.name);
    return { ...heir, inherited: true };
  }
  const backlog = options.backlog ?? BACKLOG;
  const descriptor = bind(options, host, backlog);
  return { description: { ...addressOf(descriptor, wanted), name, backlog }, descriptor, inherited: false };
}

async function hostOf({ host }: ServeOptions, environment: Pick<Environment, 'resolve'>): Promise<string> {
  if (host !== undefined) {
    if (isIP(host) === 6) return new SocketAddress({ address: host, family: 'ipv6' }).address;
    if (isIP(host) === 4) return host;
    return environment.resolve(host).catch((cause: unknown) => {
      throw new BatonError('ERR_BATON_BIND', `${host} has no address: ${codeOf(cause) ?? 'unknown error'}`, {
        facts: { address: host, code: codeOf(cause) },
        cause,
      });
    });
  }
  return fs.existsSync('/proc/net/if_inet6') ? '::' : '0.0.0.0';
}

function bind(options: ServeOptions, host: string, backlog: number): number {
  const where = options.path ?? `${host}:${options.port ?? 0}`;
  try {
    if (options.path !== undefined) return bindPath(options.path, backlog);
    const { port = 0, reusePort = false, ipv6Only = false, transparent = false } = options;
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

function addressOf(descriptor: number, path: string): { kind: 'tcp' | 'unix'; address: string } {
  const { family, address } = native.facts(descriptor);
  if (family === 'unix' || !address || !('port' in address)) return { kind: 'unix', address: path };
  return { kind: 'tcp', address: `${address.host}:${address.port}` };
}
