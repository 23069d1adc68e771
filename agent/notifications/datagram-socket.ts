/** A bound Unix datagram socket. */
export interface DatagramSocket {
  /** Stops listening. The file stays: removing it is the caller's. */
  close(): void;
}

/**
 * Binds a socket; datagrams are at most 64 KiB, longer ones arrive cut.
 *
 * @param path - at most 107 bytes
 * @throws an error with errno's name as its `code`, `EADDRINUSE` when the path is taken
 */
export type BindDatagrams = (path: string, onDatagram: (bytes: Buffer) => void) => DatagramSocket;
