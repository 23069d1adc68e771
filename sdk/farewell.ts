import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';

/** Tells clients, with an answer, that their connection ends after it; see {@link createFarewell}. */
export interface Farewell {
  /** Tells those whose answers are under way, too, as far as their heads are not sent. */
  tellAll(): void;
  close(): void;
}

/**
 * `Connection: close` on the answer is the only way to end a keep-alive connection without a race: a bare close may meet
 * the next request. `due` says for each request whether its connection is to end. Answers under way are remembered only
 * where `remembers` says so.
 */
export function createFarewell(
  server: Server,
  { due, remembers }: { due: (socket: Socket) => boolean; remembers: () => boolean },
): Farewell {
  const underWay = new Set<ServerResponse>();
  const tell = (message: unknown): void => {
    const {
      request,
      response,
      server: own,
    } = message as {
      request: IncomingMessage;
      response: ServerResponse;
      server: Server;
    };
    if (own !== server) return;
    if (due(request.socket)) response.setHeader('Connection', 'close');
    else if (remembers()) {
      underWay.add(response);
      response.once('close', () => underWay.delete(response));
    }
  };
  // Not the `request` event: a listener would make an HTTP/2 server answer its streams twice, and miss `checkContinue`.
  subscribe('http.server.request.start', tell);
  return {
    tellAll() {
      for (const response of underWay) if (!response.headersSent) response.setHeader('Connection', 'close');
    },
    close: () => void unsubscribe('http.server.request.start', tell),
  };
}
