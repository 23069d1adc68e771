// Node loads it at the first `listen`; that would be the very moment in which nobody accepts.
import 'node:cluster';
import { Server } from 'node:net';
import * as native from '../native/index.ts';
import type { SocketDescription } from './messages.ts';

/** Whether a server accepts; see {@link createListening}. */
export interface Listening {
  /** Accepts from now on. Rejects with the error of `listen`. */
  start(): Promise<void>;
  /** Accepts no more; the socket stays open. */
  stop(): void;
  /** Accepts no more, and forgets the server. */
  close(): void;
}

/**
 * Lets a server accept from copies of a listening descriptor, which stays the caller's. `closed` is called when the
 * application closed the server itself.
 */
export function createListening(
  server: Server,
  descriptor: number,
  { backlog }: Pick<SocketDescription, 'backlog'>,
  closed: () => void,
): Listening {
  let accepting = false;

  const closedByApplication = (): void => {
    // The SDK's own stop is no close; and the event comes late, when it may listen again.
    if (!accepting || server.listening) return;
    accepting = false;
    closed();
  };
  server.on('close', closedByApplication);

  const listening: Listening = {
    start() {
      accepting = true;
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.once('listening', () => {
          server.off('error', reject);
          resolve();
        });
        // Not `{fd, backlog}`: Node ignores that backlog and sets the shared socket to 511.
        server.listen({ fd: native.duplicate(descriptor), exclusive: true }, backlog);
      });
    },
    stop() {
      if (!accepting) return;
      accepting = false;
      // Not the close() of http and http2: those end connections, the very ones that are to move or to be told first.
      Server.prototype.close.call(server);
    },
    close() {
      listening.stop();
      server.off('close', closedByApplication);
    },
  };
  return listening;
}
