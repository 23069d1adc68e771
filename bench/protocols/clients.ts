import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import * as tls from 'node:tls';
import { WebSocket } from 'ws';

/** A connection on which one question at a time is asked. */
export interface Connection {
  /** Asks with a number. `refused`: the server did not look at it, so it may be asked again. Rejects without an answer. */
  ask(number: number): Promise<'answered' | 'refused'>;
  /** False once the server has ended it, or has said that it will. */
  isOpen(): boolean;
  close(): void;
}

/** What one client opens its connections with, one after the other; it remembers its TLS session. */
export type Open = (port: number) => Promise<Connection>;

const host = '127.0.0.1';

/** The one question that is under way. */
function makeQuestion(): {
  ask: (number: number, send: () => void) => Promise<'answered'>;
  number: () => number;
  answered: () => void;
  failed: (error: Error) => void;
} {
  let asked = -1;
  let settle: { resolve: (value: 'answered') => void; reject: (error: Error) => void } | undefined;
  return {
    ask: (number, send) =>
      new Promise((resolve, reject) => {
        asked = number;
        settle = { resolve, reject };
        send();
      }),
    number: () => asked,
    answered: () => settle?.resolve('answered'),
    failed: (error) => settle?.reject(error),
  };
}

/** What goes to and fro in bytes: HTTP/1.1 and lines. */
interface Words {
  question: (number: number) => string;
  /** The end of the whole answer. */
  end: (number: number) => string;
}

const lines: Words = { question: (number) => `${number}\n`, end: (number) => `${number}\n` };
const requests: Words = {
  question: (number) => `GET /${number} HTTP/1.1\r\nHost: bench\r\n\r\n`,
  end: (number) => `\r\n\r\n/${number}\n`,
};

async function openStream(socket: Socket, ready: string, { question, end }: Words): Promise<Connection> {
  const asked = makeQuestion();
  let text = '';
  let open = true;
  socket.setNoDelay(true).setEncoding('latin1');
  await once(socket, ready);
  socket.on('data', (chunk: string) => {
    text += chunk;
    if (!text.endsWith(end(asked.number()))) return;
    if (/^connection: close\r$/im.test(text)) open = false;
    text = '';
    asked.answered();
  });
  socket.on('end', () => (open = false));
  socket.on('error', asked.failed);
  socket.on('close', () => {
    open = false;
    asked.failed(new Error('the connection ended'));
  });
  return {
    ask: (number) => asked.ask(number, () => socket.write(question(number))),
    isOpen: () => open,
    close: () => socket.destroy(),
  };
}

const clear =
  (words: Words): (() => Open) =>
  () =>
  (port) =>
    openStream(connect(port, host), 'connect', words);

const secure = (): Open => {
  let session: Buffer | undefined;
  return (port) => {
    const socket = tls.connect({ host, port, rejectUnauthorized: false, ...(session && { session }) });
    socket.on('session', (given) => (session = given));
    return openStream(socket, 'secureConnect', requests);
  };
};

const streams =
  (scheme: 'http' | 'https'): (() => Open) =>
  () => {
    let ticket: Buffer | undefined;
    return async (port) => {
      const session = http2.connect(`${scheme}://${host}:${port}`, {
        rejectUnauthorized: false,
        ...(ticket && { session: ticket }),
      });
      await once(session, 'connect');
      // Its streams fail then, and say so.
      session.on('error', () => undefined);
      session.socket.on('session', (given: Buffer) => (ticket = given));
      return {
        ask: (number) => askStream(session, `/${number}`),
        isOpen: () => !session.closed && !session.destroyed,
        close: () => session.destroy(),
      };
    };
  };

function askStream(session: http2.ClientHttp2Session, path: string): Promise<'answered' | 'refused'> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path });
    stream.setEncoding('latin1');
    let text = '';
    let failure: NodeJS.ErrnoException | undefined;
    stream.on('data', (chunk: string) => (text += chunk));
    stream.on('error', (error: NodeJS.ErrnoException) => (failure = error));
    stream.on('close', () => {
      if (text === `${path}\n` && !failure) resolve('answered');
      else if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) resolve('refused');
      else if (failure?.code === 'ERR_HTTP2_GOAWAY_SESSION') resolve('refused');
      else reject(failure ?? new Error(`the stream was closed with ${stream.rstCode}`));
    });
  });
}

const webSocket = (): Open => async (port) => {
  const asked = makeQuestion();
  const socket = new WebSocket(`ws://${host}:${port}`, { perMessageDeflate: false });
  await once(socket, 'open');
  socket.on('message', (data: Buffer) => {
    if (String(data) === String(asked.number())) asked.answered();
  });
  socket.on('error', asked.failed);
  socket.on('close', () => asked.failed(new Error('the connection ended')));
  return {
    ask: (number) => asked.ask(number, () => socket.send(String(number))),
    isOpen: () => socket.readyState === WebSocket.OPEN,
    close: () => socket.terminate(),
  };
};

const datagrams = (): Open => async (port) => {
  const asked = makeQuestion();
  const socket = createSocket('udp4');
  socket.connect(port, host);
  await once(socket, 'connect');
  socket.on('message', (bytes) => {
    if (String(bytes) === String(asked.number())) asked.answered();
  });
  socket.on('error', asked.failed);
  return {
    ask: (number) => asked.ask(number, () => socket.send(String(number))),
    isOpen: () => true,
    close: () => socket.close(),
  };
};

/** Makes a client for each protocol. */
export const clients = {
  http: clear(requests),
  https: secure,
  http2: streams('http'),
  'http2-tls': streams('https'),
  tcp: clear(lines),
  websocket: webSocket,
  udp: datagrams,
  bare: clear(requests),
} satisfies Record<string, () => Open>;

export type Protocol = keyof typeof clients;
export const protocols = Object.keys(clients) as Protocol[];
