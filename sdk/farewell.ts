import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';

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
  server: HttpServer | HttpsServer,
  { due, remembers }: { due: (socket: Socket) => boolean; remembers: () => boolean },
): Farewell {
  const underWay = new Set<ServerResponse>();
  const tell = (request: IncomingMessage, response: ServerResponse): void => {
    if (due(request.socket)) response.setHeader('Connection', 'close');
    else if (remembers()) {
      underWay.add(response);
      response.once('close', () => underWay.delete(response));
    }
  };
  server.prependListener('request', tell);
  return {
    tellAll() {
      for (const response of underWay) if (!response.headersSent) response.setHeader('Connection', 'close');
    },
    close: () => server.off('request', tell),
  };
}
