import { isIP } from 'node:net';
import { binding } from './addon.ts';
import {
  checkArray,
  checkBytes,
  checkDescriptor,
  checkInteger,
  checkObject,
  checkPath,
  isDescriptor,
  refuse,
} from './arguments.ts';

/** An error of a system call: `code` is errno's name (`EPIPE`), `errno` its number, `syscall` the call that failed. */
export interface SystemError extends Error {
  code: string;
  errno: number;
  syscall: string;
}

/** One read of a Unix stream socket. */
export interface Received {
  /** Bytes written to the buffer; 0 is the end of the stream. */
  bytes: number;
  /** Descriptors that arrived with these bytes: close-on-exec, and the caller's to close. */
  descriptors: number[];
  /** More descriptors arrived than were asked for or than this process has room for; the surplus is closed already. */
  truncated: boolean;
}

/** What the kernel says of a socket. */
export interface SocketFacts {
  family: 'ipv4' | 'ipv6' | 'unix';
  type: 'stream' | 'datagram' | 'seqpacket';
  /** Absent for a Unix socket without a name. */
  address?: { host: string; port: number } | { path: string };
  listening: boolean;
  /** Connections waiting to be accepted and the backlog in force; only of a listening socket, where the kernel tells. */
  acceptQueue?: { length: number; limit: number };
}

/** Options of {@link listenTcp} and {@link bindUdp}. */
export interface BindOptions {
  /** A numeric IPv4 or IPv6 address; names are for the caller to resolve. */
  host: string;
  /** 0 asks the kernel for a free port. */
  port: number;
  /** SO_REUSEPORT. */
  reusePort?: boolean;
  /** IPV6_V6ONLY; off unless set, so that `::` takes IPv4 too. */
  ipv6Only?: boolean;
  /** IP_TRANSPARENT; needs CAP_NET_ADMIN. */
  transparent?: boolean;
}

/** What a {@link Watcher} waits for or reports. */
export interface WatchEvents {
  readable?: boolean;
  writable?: boolean;
}

/** A descriptor under the event loop's watch; see {@link watch}. */
export interface Watcher {
  /** Changes what is waited for. Throws `EBADF` after {@link Watcher.close}. */
  update(events: WatchEvents): void;
  /** Ends the watch at once: no callback comes any more and the descriptor may be closed or given away. Idempotent. */
  close(): void;
}

/** The most descriptors that one message carries: SCM_MAX_FD of the kernel. */
export const maxDescriptors = 253;

// Descriptors cross into and out of the addon here; every call is synchronous, so one array serves all.
const crossing = new Int32Array(maxDescriptors + 2);

/** Whether the addon loads here. Where it does not, every other function throws `ERR_BATON_ADDON`. */
export function available(): boolean {
  try {
    binding();
    return true;
  } catch {
    return false;
  }
}

/**
 * Writes to a stream socket without waiting. Descriptors go to a Unix one only, and ride on the first byte: whatever count
 * comes back, they are sent (as copies; the caller's stay open and the caller's to close). The rest of the bytes goes with
 * a later call, without descriptors.
 *
 * @param descriptors at most {@link maxDescriptors}; with any, at least one byte
 * @returns bytes written, fewer than given when the socket's buffer is nearly full; undefined when it is full
 * @throws SystemError `EPIPE` or `ECONNRESET` (the peer is gone), `EBADF` (a descriptor is not open),
 *   `ETOOMANYREFS` (too many descriptors under way, unread); `ERR_BATON_ARGUMENT`
 */
export function send(socket: number, bytes: Uint8Array, descriptors: readonly number[] = []): number | undefined {
  checkDescriptor('socket', socket);
  checkBytes('bytes', bytes);
  checkArray('descriptors', descriptors);
  const count = descriptors.length;
  if (count > maxDescriptors) refuse('descriptors', `at most ${maxDescriptors} (SCM_MAX_FD)`, count);
  if (count > 0 && bytes.length === 0) refuse('bytes', 'at least one byte when descriptors go along', 'empty');
  for (let index = 0; index < count; index++) {
    const descriptor = descriptors[index] as number;
    if (!isDescriptor(descriptor)) refuse(`descriptors[${index}]`, 'an open descriptor', descriptor);
    crossing[index] = descriptor;
  }
  const sent = binding().send(socket, bytes, crossing, count);
  return sent < 0 ? undefined : sent;
}

/**
 * Reads from a Unix socket without waiting. Descriptors come with the read that takes the byte they rode on,
 * which may begin with bytes of an earlier message; one read never returns the descriptors of two messages.
 *
 * @param into at least one byte long
 * @param limit the most descriptors to take, 0 to {@link maxDescriptors}; what comes beyond is closed
 * @returns undefined when there is nothing to read yet; `bytes` 0 at the end of a stream, or for an empty datagram
 * @throws SystemError `ECONNRESET` and others; `ERR_BATON_ARGUMENT`
 */
export function receive(socket: number, into: Uint8Array, limit: number = maxDescriptors): Received | undefined {
  checkDescriptor('socket', socket);
  checkBytes('into', into);
  if (into.length === 0) refuse('into', 'at least one byte long', 'empty');
  checkInteger('maxDescriptors', limit, 0, maxDescriptors);
  const bytes = binding().receive(socket, into, limit, crossing);
  if (bytes < 0) return undefined;
  const count = crossing[0] as number;
  const descriptors: number[] = [];
  for (let index = 0; index < count; index++) descriptors.push(crossing[index + 2] as number);
  return { bytes, descriptors, truncated: crossing[1] !== 0 };
}

/**
 * Who connected (or listens) at the other end of a Unix stream socket, as it was at `connect` and `listen`. The pid is
 * 0 where the peer is in another PID namespace, the user 65534 where it is in another user namespace.
 *
 * @throws SystemError `ENOTCONN` for a socket without a peer, `ENOTSOCK`
 */
export function credentials(socket: number): { pid: number; uid: number; gid: number } {
  checkDescriptor('socket', socket);
  return binding().credentials(socket);
}

/**
 * A second descriptor of the same open file or socket, close-on-exec and the caller's to close.
 *
 * @throws SystemError `EBADF`, `EMFILE`
 */
export function duplicate(descriptor: number): number {
  checkDescriptor('descriptor', descriptor);
  return binding().duplicate(descriptor);
}

/**
 * Closes a descriptor; the socket itself lives on while another descriptor of it is open, here or elsewhere. Never for
 * one that a {@link Watcher} or a Node object still holds: close that.
 *
 * @throws SystemError `EBADF`
 */
export function close(descriptor: number): void {
  checkDescriptor('descriptor', descriptor);
  binding().close(descriptor);
}

/**
 * Ends one direction of a connection, for every process that holds it. Never for a shared listener: it would end it
 * for all of them.
 *
 * @throws SystemError `ENOTCONN`, `ENOTSOCK`
 */
export function shutdown(socket: number, direction: 'read' | 'write'): void {
  checkDescriptor('socket', socket);
  // A caller without types may pass anything.
  if ((direction as string) !== 'read' && (direction as string) !== 'write')
    refuse('direction', '"read" or "write"', direction);
  binding().shutdown(socket, direction === 'write');
}

/**
 * Takes an exclusive `flock` on an open file without waiting. It lasts until the last descriptor of this open file is
 * closed, so also until the process dies; copies share it, a second `open` of the file does not.
 *
 * @returns false when somebody else has it
 * @throws SystemError `EBADF`, `ENOLCK`
 */
export function lock(descriptor: number): boolean {
  checkDescriptor('descriptor', descriptor);
  return binding().lock(descriptor);
}

/**
 * What the kernel says of a socket.
 *
 * @throws SystemError `ENOTSOCK`, `EBADF`; `EAFNOSUPPORT` and `ESOCKTNOSUPPORT` for kinds outside {@link SocketFacts}
 */
export function facts(socket: number): SocketFacts {
  checkDescriptor('socket', socket);
  return binding().facts(socket);
}

/**
 * A listening TCP socket, with SO_REUSEADDR as Node sets it; close-on-exec, non-blocking, the caller's to close.
 * `server.listen({fd})` takes it over and sets the backlog again (511 unless told).
 *
 * @param options `backlog` is cut to net.core.somaxconn by the kernel
 * @throws SystemError `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES`, `EPERM` (transparent); `ERR_BATON_ARGUMENT`
 */
export function listenTcp(options: BindOptions & { backlog: number }): number {
  const flags = bindFlags(options);
  checkInteger('backlog', options.backlog, 0, 0x7fffffff);
  return binding().listenTcp(options.host, options.port, flags, options.backlog);
}

/**
 * A bound UDP socket; close-on-exec, non-blocking, the caller's to close. `socket.bind({fd})` of node:dgram takes it over.
 *
 * @throws SystemError as {@link listenTcp}
 */
export function bindUdp(options: BindOptions): number {
  const flags = bindFlags(options);
  return binding().bindUdp(options.host, options.port, flags);
}

/**
 * A listening Unix stream socket; close-on-exec, non-blocking, the caller's to close. The file stays after the close:
 * removing it is the caller's. A path that starts with NUL is an abstract name.
 *
 * @throws SystemError `ENAMETOOLONG` for a path over 107 bytes (use `/proc/self/fd/N/name`), `EADDRINUSE` (it exists),
 *   `ENOENT`, `EACCES`; `ERR_BATON_ARGUMENT`
 */
export function listenUnix(path: string, backlog: number): number {
  checkPath(path);
  checkInteger('backlog', backlog, 0, 0x7fffffff);
  return binding().listenUnix(path, backlog);
}

/**
 * A bound Unix datagram socket; close-on-exec, non-blocking, the caller's to close. {@link receive} takes one datagram at a
 * time, cut to the buffer. The file stays after the close, as that of {@link listenUnix}.
 *
 * @throws SystemError as {@link listenUnix}
 */
export function bindUnix(path: string): number {
  checkPath(path);
  return binding().bindUnix(path);
}

/**
 * A connected Unix stream socket; close-on-exec, non-blocking, the caller's to close.
 *
 * @throws SystemError `ENOENT` or `ECONNREFUSED` (nobody listens), `EAGAIN` (the listener's queue is full: try later),
 *   `ENAMETOOLONG` for a path over 107 bytes, `EACCES`; `ERR_BATON_ARGUMENT`
 */
export function connectUnix(path: string): number {
  checkPath(path);
  return binding().connectUnix(path);
}

/**
 * Takes one connection from a listening socket; close-on-exec, non-blocking, the caller's to close. Connections that
 * were given up while they waited are passed over.
 *
 * @returns undefined when nobody waits
 * @throws SystemError `EMFILE`, `EINVAL` (the socket does not listen), `ENOTSOCK`
 */
export function accept(socket: number): number | undefined {
  checkDescriptor('socket', socket);
  return binding().accept(socket);
}

/** Two connected Unix stream sockets; close-on-exec, non-blocking, the caller's to close. */
export function socketPair(): [number, number] {
  return binding().socketPair();
}

/**
 * Sends one datagram to a bound Unix datagram socket without waiting.
 *
 * @returns false when nobody is there or its queue is full
 * @throws SystemError `ENAMETOOLONG` for a path over 107 bytes, `EMSGSIZE`, `EACCES`, `EPROTOTYPE` (a stream socket);
 *   `ERR_BATON_ARGUMENT`
 */
export function notify(path: string, bytes: Uint8Array): boolean {
  checkPath(path);
  checkBytes('bytes', bytes);
  return binding().notify(path, bytes);
}

/**
 * Calls back whenever a descriptor is readable or writable, as long as it is (level-triggered). A hangup or an error
 * counts as readable: the next read tells which. The watch keeps the process alive until closed, except while it waits
 * for nothing (`{}`): then it is paused and reports nothing, hangups neither. It does not own the descriptor: close the
 * watch first, then the descriptor. The descriptor becomes non-blocking. An exception of the callback is the process's
 * `uncaughtException`.
 *
 * @throws SystemError `EEXIST` (this descriptor is watched already, by a Node object perhaps), `EBADF`, `EPERM` (a
 *   regular file); `ERR_BATON_ARGUMENT`
 */
export function watch(
  descriptor: number,
  events: WatchEvents,
  callback: (events: { readable: boolean; writable: boolean }) => void,
): Watcher {
  checkDescriptor('descriptor', descriptor);
  if (typeof callback !== 'function') refuse('callback', 'a function', typeof callback);
  const watcher = binding().watch(descriptor, eventMask(events), (readable, writable) => {
    callback({ readable, writable });
  });
  return {
    update: (next) => watcher.update(eventMask(next)),
    close: () => watcher.close(),
  };
}

function bindFlags(options: BindOptions): number {
  checkObject('options', options);
  if (typeof options.host !== 'string' || isIP(options.host) === 0) {
    refuse('host', 'a numeric IPv4 or IPv6 address', options.host);
  }
  checkInteger('port', options.port, 0, 65535);
  return (options.reusePort ? 1 : 0) | (options.ipv6Only ? 2 : 0) | (options.transparent ? 4 : 0);
}

function eventMask(events: WatchEvents): number {
  checkObject('events', events);
  return (events.readable ? 1 : 0) | (events.writable ? 2 : 0);
}
