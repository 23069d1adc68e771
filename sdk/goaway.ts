import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { writeFrame } from './internals-http2.ts';

/** GOAWAY with the highest stream id there is, and no error (RFC 9113, 6.8): open nothing new, all that is open is served. */
const NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
/** A client that opens nothing for so long, in milliseconds, is idle. */
const QUIET_MS = 250;
/** A good moment is known after so many milliseconds at the earliest, and looked for this long at most. */
const LEARN_MS = 100;
const LOOK_MS = 500;
/** So often the most streams at a time must have been open to be a habit of the client. */
const HABIT = 5;
/** From the proof that the client has read the notice to the last GOAWAY: for requests that its threads had begun. */
const PAUSE_MS = 100;
/** A client that proves nothing for so long gets its last GOAWAY. */
const LIMIT_MS = 5_000;
/** A frame that does not fit now is tried again after so many milliseconds. */
const RETRY_MS = 10;

/**
 * Asks the client of a session to leave: what it has open is finished, and what it wants next it asks on another
 * connection. The session ends when its last stream does. It cannot be taken back, and is called once.
 *
 * RFC 9113 wants two GOAWAY frames: the first names the highest stream id there is, because streams that the client opens
 * before it has read it are on their way; only the second names the last stream that is served. Node can send just one
 * that counts: after any `goaway()` or `close()` it ignores new streams. So the first one is written beside it, a PING
 * behind it proves that the client has read it, and then comes `close()`. Where that is not possible (TLS) there is only
 * `close()`, which refuses what is on its way.
 */
export function sayGoaway(session: ServerHttp2Session): void {
  const limit = setTimeout(() => session.close(), LIMIT_MS).unref();
  session.once('close', () => clearTimeout(limit));
  const begin = (): void => atGoodMoment(session, () => notify(session));
  // The first frame of a server must be its SETTINGS: the client's answer tells that they are out.
  if (session.pendingSettingsAck) session.once('localSettings', begin);
  else begin();
}

/**
 * A client that keeps so many streams open at a time has none on its way when that many are open. Looks on how many that
 * are, and acts when they are there again, or when the client turns out to be idle.
 */
function atGoodMoment(session: ServerHttp2Session, act: () => void): void {
  const start = performance.now();
  const elapsed = (): number => performance.now() - start;
  let seen = 0;
  let open = 0;
  let most = 0;
  let times = 0;
  const end = (): void => {
    clearTimeout(quiet);
    session.off('stream', count);
    act();
  };
  const count = (stream: ServerHttp2Stream): void => {
    seen += 1;
    open += 1;
    stream.once('close', () => (open -= 1));
    quiet.refresh();
    if (open > most) [most, times] = [open, 0];
    if (open === most) times += 1;
    if ((open === most && times >= HABIT && elapsed() > LEARN_MS) || elapsed() > LOOK_MS) end();
  };
  const look = (before: number): void => {
    if (seen === before && (seen === 0 || elapsed() > LOOK_MS)) end();
    else quiet.refresh();
  };
  // A process that was busy finds the timer due before it has looked at its sockets.
  const quiet = setTimeout(() => setImmediate(look, seen), QUIET_MS).unref();
  // Before the application answers the stream.
  session.prependListener('stream', count);
}

function notify(session: ServerHttp2Session): void {
  if (session.closed) return;
  const outcome = writeFrame(session, NOTICE);
  if (outcome === 'never') {
    session.close();
  } else if (outcome === 'later') {
    setTimeout(() => notify(session), RETRY_MS).unref();
  } else {
    session.ping((error) => {
      if (!error) setTimeout(() => session.close(), PAUSE_MS).unref();
    });
  }
}
