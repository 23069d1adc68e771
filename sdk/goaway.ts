import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { writeFrame } from './internals-http2.ts';

/** GOAWAY with the highest stream id there is, and no error (RFC 9113, 6.8): open nothing new, all that is open is served. */
const NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
/** From the proof that the client has read the notice to the last GOAWAY: for requests that its threads had begun. */
const PAUSE_MS = 100;
/** A client that proves nothing for so long gets its last GOAWAY. */
const LIMIT_MS = 5_000;
/** A frame that does not fit now is tried again after so many milliseconds. */
const RETRY_MS = 10;

/**
 * Asks the client of a session to leave: it may finish what it has open, and opens new streams on another connection. The
 * session ends when its last stream does. Nothing of it can be taken back; call it once.
 *
 * RFC 9113 wants two GOAWAY frames, because streams that the client opens before it has read the first are on their way:
 * the first one names the highest stream id there is, and only the second the last stream that is served. Node can send
 * just one that counts: after any `goaway()` or `close()` it ignores new streams. So the first one is written beside it,
 * a PING behind it proves that the client has read it, and then comes `close()`.
 */
export function sayGoaway(session: ServerHttp2Session): void {
  const limit = setTimeout(() => session.close(), LIMIT_MS).unref();
  session.once('close', () => clearTimeout(limit));
  // The first frame of a server must be its SETTINGS: the client's answer tells that they are out.
  if (session.pendingSettingsAck) session.once('localSettings', () => notify(session));
  else notify(session);
}

function notify(session: ServerHttp2Session): void {
  if (session.closed) return;
  const outcome = writeFrame(session, NOTICE);
  if (outcome === 'never') {
    closeAtBestMoment(session);
  } else if (outcome === 'later') {
    setTimeout(() => notify(session), RETRY_MS).unref();
  } else {
    session.ping((error) => {
      if (!error) setTimeout(() => session.close(), PAUSE_MS).unref();
    });
  }
}

/** How long to look on for the best moment, in milliseconds. */
const LOOK_MS = 100;

/**
 * Where only one GOAWAY is possible, it refuses what is on its way. A client that keeps so many requests open has none on
 * its way when that many have arrived: looks on for a while how many that are, and closes when they are there again.
 */
function closeAtBestMoment(session: ServerHttp2Session): void {
  const start = performance.now();
  let open = 0;
  let most = 0;
  const close = (): void => {
    clearTimeout(end);
    session.off('stream', count);
    session.close();
  };
  const count = (stream: ServerHttp2Stream): void => {
    open += 1;
    stream.once('close', () => (open -= 1));
    if (performance.now() - start > LOOK_MS / 2 && open >= most) close();
    most = Math.max(most, open);
  };
  const end = setTimeout(close, LOOK_MS).unref();
  session.prependListener('stream', count);
}
