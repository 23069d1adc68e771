import { Agent, request } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpLoad } from './load-types.ts';
import { makePace, pause, untilDue } from './pace.ts';
import type { Recorder } from './recorder.ts';

/** What a client knows of its present connection. */
interface Seen {
  opened: boolean;
  /** The server ended it: FIN or a reset. */
  ended: boolean;
  /** This client ended it. */
  given: boolean;
  version?: string;
}

type Answer = { version: string | undefined; failure?: undefined } | { failure: string };

// A refused client would otherwise ask again thousands of times per second.
const afterFailure = 50;

/** One keep-alive client: asks, waits for the whole answer, asks again, until `signal` aborts; ends with its last answer. */
export async function httpClient(
  load: HttpLoad,
  target: { host: string; port: number },
  index: number,
  recorder: Recorder,
  signal: AbortSignal,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const sockets = new WeakMap<Socket, Seen>();
  const pace = makePace(load.rate, index, load.connections, performance.now());
  while (!signal.aborted) {
    const due = await untilDue(pace, signal);
    if (due === undefined) break;
    const answer = await ask(load, target, agent, sockets, recorder, signal);
    if (answer.failure === undefined) {
      recorder.answered(performance.now() - due, answer.version);
    } else {
      recorder.failed(answer.failure);
      await pause(afterFailure, signal);
    }
  }
  agent.destroy();
}

function ask(
  load: HttpLoad,
  target: { host: string; port: number },
  agent: Agent,
  sockets: WeakMap<Socket, Seen>,
  recorder: Recorder,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve) => {
    let seen: Seen | undefined;
    const { method, path, headers, timeout } = load;
    const asked = request({ ...target, method, path, headers, agent });
    const timer = setTimeout(() => {
      if (seen) seen.given = true;
      resolve({ failure: 'timeout' });
      asked.destroy();
    }, timeout);
    const settle = (answer: Answer) => {
      clearTimeout(timer);
      resolve(answer);
    };
    asked.once('socket', (socket) => (seen = watch(socket, sockets, recorder, signal)));
    asked.on('error', (error) => settle({ failure: reasonOf(error) }));
    asked.once('response', (response) => {
      const version = header(response.headers[load.versionHeader]);
      response.once('end', () => {
        if (seen) {
          noteVersion(seen, version, recorder);
          // Told beforehand is closed all the same; this client's end answers the server's.
          if (response.headers.connection === 'close') seen.ended = true;
        }
        const status = response.statusCode ?? 0;
        settle(status < 400 ? { version } : { failure: `status ${status}` });
      });
      response.on('error', (error) => settle({ failure: reasonOf(error) }));
      response.resume();
    });
    asked.end(load.body);
  });
}

function watch(socket: Socket, sockets: WeakMap<Socket, Seen>, recorder: Recorder, signal: AbortSignal): Seen {
  const known = sockets.get(socket);
  if (known) return known;
  const seen: Seen = { opened: false, ended: false, given: false };
  sockets.set(socket, seen);
  socket.once('connect', () => {
    seen.opened = true;
    recorder.connection('opened');
  });
  socket.once('end', () => (seen.ended = true));
  socket.on('error', (error) => {
    if (seen.opened) seen.ended = true;
    else if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') recorder.connection('refused');
  });
  socket.once('close', () => {
    if (seen.opened && seen.ended && !seen.given && !signal.aborted) recorder.connection('closed');
  });
  return seen;
}

function noteVersion(seen: Seen, version: string | undefined, recorder: Recorder): void {
  if (version === undefined) return;
  if (seen.version !== undefined && seen.version !== version) {
    recorder.connection(isOlder(version, seen.version) ? 'movedBack' : 'moved');
  }
  seen.version = version;
}

function isOlder(version: string, other: string): boolean {
  const decimal = /^\d+$/;
  return decimal.test(version) && decimal.test(other) && BigInt(version) < BigInt(other);
}

/** A failure's name in the report. */
export function reasonOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'reset';
  return code ?? error.message;
}

function header(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
