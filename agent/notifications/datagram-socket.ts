import { createRequire } from 'node:module';
import { getSystemErrorName } from 'node:util';

/** A bound Unix datagram socket. */
export interface DatagramSocket {
  /** Stops listening. The file stays: removing it is the caller's. */
  close(): void;
}

/**
 * Binds a socket; datagrams are at most 64 KiB, longer ones arrive cut.
 *
 * @param path - at most 107 bytes: a longer one would be cut in silence
 * @throws an error with errno's name as its `code`, `EADDRINUSE` when the path is taken
 */
export type BindDatagrams = (path: string, onDatagram: (bytes: Buffer) => void) => DatagramSocket;

/** What is used of the package `unix-dgram`, which has no types. */
interface UnixDatagram {
  createSocket(type: 'unix_dgram', onMessage: (bytes: Buffer) => void): UnixDatagramSocket;
}
interface UnixDatagramSocket {
  on(event: 'error', listener: (error: { errno: number }) => void): void;
  bind(path: string): void;
  close(): void;
}

/**
 * Loads the package `unix-dgram`, a compiled one: the agent's image has it, an installed `baton-sidecar` does not.
 *
 * @returns undefined where it is missing or does not load: then nobody is notified, and the state files are polled
 */
export function loadDatagrams(
  require: (name: string) => unknown = createRequire(import.meta.url),
): BindDatagrams | undefined {
  let loaded: UnixDatagram;
  try {
    loaded = require('unix-dgram') as UnixDatagram;
  } catch {
    return undefined;
  }
  return (path, onDatagram) => {
    let failure: Error | undefined;
    const socket = loaded.createSocket('unix_dgram', onDatagram);
    // Its `bind` tells its errors at once, by an event, as negative numbers.
    socket.on('error', ({ errno }) => {
      const code = getSystemErrorName(errno);
      failure = Object.assign(new Error(`${path} cannot be bound (${code})`), { code });
    });
    socket.bind(path);
    if (failure) {
      socket.close();
      throw failure;
    }
    return socket;
  };
}
