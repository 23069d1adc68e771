import type { Socket } from 'node:net';

/** The terms on which connections leave. */
export interface Departure {
  /** Milliseconds until connections that are still here are cut. */
  readonly leftMs: number;
  /** Aborted when this process accepts again: who is still here stays, and `give` does nothing any more. */
  readonly signal: AbortSignal;
}

/**
 * How an application lets connections with a protocol of its own leave: those of a net server, and the upgraded ones
 * (WebSocket, CONNECT) of an http server, whose HTTP/1.1 connections move by themselves. All are optional; without them
 * such connections drain.
 */
export interface Consent {
  /**
   * Called for each such connection when this process stops accepting, and for each that is upgraded later. Call `give`,
   * now or later, at a boundary of your protocol: the connection, with what you had not read yet, then moves on and its
   * socket here is destroyed. Bytes that you read and did not use go back first: `socket.pause()`,
   * `socket.unshift(bytes)`, `give()`.
   * `give` throws `ERR_BATON_UNWRITTEN` while bytes that you wrote are unsent (wait for `drain`), and
   * `ERR_BATON_STATE_TOO_LARGE`. For an http server it needs `adopt` too: a connection may come back.
   */
  release?: (socket: Socket, give: (state?: Uint8Array) => void, departure: Departure) => void;
  /** Called for each connection that arrives; the default, for net servers only, is the server's `connection` event. */
  adopt?: (socket: Socket, state: Uint8Array | undefined) => void;
  /**
   * Called for each such connection that cannot move (there is no `release`, TLS, a successor without `adopt`) or must
   * end because the process does. End it as your protocol does, spread over the time that is left. It may be called
   * twice for one connection; the later time counts.
   */
  dismiss?: (socket: Socket, departure: Departure) => void;
}
