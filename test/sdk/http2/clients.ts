import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session, type SecureClientSessionOptions } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { ExecutionContext } from 'ava';
import { until } from '../../helpers/processes.ts';

/** What became of one stream. */
export type Outcome =
  | { kind: 'answered'; version: string; body: string }
  /** The server said that it did not look at it: it may be asked again. */
  | { kind: 'refused' }
  /** The client knew before that the session is over. */
  | { kind: 'unsent' }
  | { kind: 'failed'; why: string };

/** One request on a session of the caller's. */
export function ask(session: ClientHttp2Session, path = '/'): Promise<Outcome> {
  return new Promise((resolve) => {
    if (session.closed || session.destroyed) {
      resolve({ kind: 'unsent' });
      return;
    }
    const stream = session.request({ ':path': path });
    let body = '';
    let version = '';
    let ended = false;
    let why = '';
    stream.setEncoding('utf8');
    stream.on('response', (headers) => (version = String(headers['x-sidecar-version'])));
    stream.on('data', (chunk: string) => (body += chunk));
    stream.on('end', () => (ended = true));
    stream.on('error', (error: NodeJS.ErrnoException) => (why = `${error.code}: ${error.message}`));
    stream.on('close', () => {
      if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM || /^ERR_HTTP2_GOAWAY_SESSION/.test(why)) {
        resolve({ kind: 'refused' });
      } else if (ended && why === '' && body.endsWith(`hello from version ${version}\n`)) {
        resolve({ kind: 'answered', version, body });
      } else {
        resolve({ kind: 'failed', why: why || `closed with ${stream.rstCode} after ${body.length} bytes` });
      }
    });
  });
}

/** A session of the test's own; it is destroyed when the test ends. */
export async function openSession(
  t: ExecutionContext,
  port: number,
  { secure = false, ...options }: SecureClientSessionOptions & { secure?: boolean } = {},
): Promise<ClientHttp2Session> {
  const session = connect(`${secure ? 'https' : 'http'}://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    ...options,
  });
  t.teardown(() => session.destroy());
  await once(session, 'connect');
  return session;
}

/** Clients that honour GOAWAY; see {@link startStreams}. */
export interface Streams {
  answered(): number;
  /** Streams that were refused, and then answered on another session. */
  refused(): number;
  failures(): string[];
  /** Sessions opened so far, and how many of them resumed an earlier TLS session. */
  sessions(): { opened: number; resumed: number };
  /** Waits until so many more streams of each client were answered, the last of them by that version if given. */
  goOn(more?: number, version?: string | number): Promise<void>;
  stop(): Promise<void>;
}

/**
 * So many clients without a pause, each on one session with so many streams at a time. A client that reads GOAWAY opens its
 * next streams on a new session, and asks again what was refused.
 */
export function startStreams(
  t: ExecutionContext,
  port: number,
  { secure = false, clients: clientCount = 10, streams = 5 } = {},
): Streams {
  let running = true;
  let refused = 0;
  let opened = 0;
  let resumed = 0;
  const failures: string[] = [];
  const clients = Array.from({ length: clientCount }, () => {
    let current: Promise<ClientHttp2Session> | undefined;
    let ticket: Buffer | undefined;
    const open = async (): Promise<ClientHttp2Session> => {
      const session = await openSession(t, port, { secure, ...(ticket && { session: ticket }) });
      opened += 1;
      session.on('error', (error: NodeJS.ErrnoException) => failures.push(`session: ${error.code}`));
      if (secure) {
        const socket = session.socket as TLSSocket;
        if (socket.isSessionReused()) resumed += 1;
        socket.on('session', (given: Buffer) => (ticket = given));
      }
      return session;
    };
    const client = { answered: 0, version: '', loops: [] as Promise<void>[] };
    const loop = async (): Promise<void> => {
      while (running) {
        try {
          const session = (current ??= open());
          const outcome = await ask(await session);
          if (outcome.kind === 'unsent' && current === session) current = undefined;
          if (outcome.kind === 'answered') {
            client.answered += 1;
            client.version = outcome.version;
          } else if (outcome.kind === 'refused') refused += 1;
          else if (outcome.kind === 'failed') failures.push(outcome.why);
        } catch (error) {
          failures.push(`connect: ${(error as NodeJS.ErrnoException).code}`);
          current = undefined;
        }
      }
    };
    client.loops = Array.from({ length: streams }, loop);
    return client;
  });

  return {
    answered: () => clients.reduce((sum, { answered }) => sum + answered, 0),
    refused: () => refused,
    failures: () => failures,
    sessions: () => ({ opened, resumed }),
    async goOn(more = 5, version) {
      const before = clients.map(({ answered }) => answered);
      await until(`every client goes on${version === undefined ? '' : ` with version ${version}`}`, () =>
        clients.every(
          (client, index) =>
            client.answered >= (before[index] ?? 0) + more &&
            (version === undefined || client.version === String(version)),
        ),
      );
    },
    async stop() {
      running = false;
      await Promise.all(clients.flatMap(({ loops }) => loops));
    },
  };
}
