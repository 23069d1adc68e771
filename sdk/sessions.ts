import type { Server } from 'node:net';
import { createServer as createTlsServer, Server as TlsServer } from 'node:tls';
import { setSessionContext } from './internals.ts';

/** Keys of state that are the SDK's own. */
export const RESERVED = 'baton:';
/** Where the ticket keys of a TLS server travel. They are secrets: never to be logged. */
export const ticketsOf = (name: string): string => `${RESERVED}tickets:${name}`;

/**
 * Makes the TLS sessions of a server resumable at its successor: both need the same ticket keys, and the same session
 * context. Node derives the latter from the command line, which differs between versions; one that the application chose
 * is left alone. Returns false where that is not possible; a server without TLS needs nothing.
 */
export function shareSessions(server: Server, name: string, tickets: Buffer | undefined): boolean {
  if (!(server instanceof TlsServer)) return true;
  const shared = setSessionContext(server, createTlsServer(), `baton:${name}`.slice(0, 32));
  if (tickets?.length === 48) server.setTicketKeys(tickets);
  return shared;
}
