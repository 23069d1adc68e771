import * as native from '../native/index.ts';
import type { Core } from './core.ts';
import { listenForSuccessors } from './directory.ts';
import { summary } from './errors.ts';
import { encodeFrame } from './frames.ts';

/** A process without a descriptor left hears nobody for so long, in milliseconds. */
const PAUSE_MS = 1000;

/**
 * Listens at `<version>.sock`. Each process that connects is met: the socket is the callee's. While `crowded`, it is turned
 * away with `ERR_BATON_CROWDED`. Returns how to end it.
 */
export function openReception(
  { directory, identity, environment, progress }: Core,
  { meet, crowded }: { meet: (socket: number) => void; crowded: () => boolean },
): () => void {
  const listener = listenForSuccessors(directory, identity.version, environment.pid);
  let pause: NodeJS.Timeout | undefined;

  const turnAway = (socket: number): void => {
    const message = 'too many processes have connected and not said hello: try again';
    try {
      native.send(socket, encodeFrame({ type: 'refuse', code: 'ERR_BATON_CROWDED', message }));
    } catch (error) {
      progress({ type: 'refused', ...summary(error) });
    } finally {
      native.close(socket);
    }
  };

  const next = (): number | undefined => {
    try {
      return native.accept(listener);
    } catch (error) {
      // Watched on, a socket that cannot be accepted from would be reported without end.
      progress({ type: 'refused', ...summary(error) });
      watcher.update({});
      pause = setTimeout(() => watcher.update({ readable: true }), PAUSE_MS);
      return undefined;
    }
  };

  const watcher = native.watch(listener, { readable: true }, () => {
    for (let socket = next(); socket !== undefined; socket = next()) (crowded() ? turnAway : meet)(socket);
  });

  return () => {
    clearTimeout(pause);
    watcher.close();
    native.close(listener);
  };
}
