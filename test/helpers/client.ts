import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client on one connection that shows every byte and every end, which an HTTP library would hide. */
export interface RawClient {
  readonly socket: Socket;
  /** Everything received and not yet taken. */
  received(): string;
  /** Why the connection is over: `end` (FIN), an error code, or `undefined` while it is open. */
  closed(): string | undefined;
  send(text: string): void;
  /** The next HTTP response, whole; rejects when the connection ends first. */
  response(): Promise<{ head: string; body: string; version: string | undefined }>;
}

export async function connectClient(target: number | string): Promise<RawClient> {
  const socket = typeof target === 'string' ? connect(target) : connect(target, '127.0.0.1');
  await once(socket, 'connect');
  let buffer = '';
  let over: string | undefined;
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => (buffer += chunk));
  socket.on('end', () => (over ??= 'end'));
  socket.on('error', (error: NodeJS.ErrnoException) => (over ??= error.code ?? error.message));
  socket.on('close', () => (over ??= 'close'));

  /** A body without a length: chunks, or all that comes until the end. */
  const lengthOf = (head: string, rest: string): number | undefined => {
    if (/^transfer-encoding: chunked/im.test(head)) return chunkedSize(rest);
    return over === 'end' ? rest.length : undefined;
  };

  const cut = (): { head: string; body: string; version: string | undefined } | undefined => {
    const end = buffer.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const head = buffer.slice(0, end);
    const rest = buffer.slice(end + 4);
    const length = /^content-length: (\d+)/im.exec(head)?.[1];
    const size = /^HTTP\/1\.1 1/.test(head) ? 0 : length === undefined ? lengthOf(head, rest) : Number(length);
    if (size === undefined || rest.length < size) return undefined;
    buffer = rest.slice(size);
    return { head, body: rest.slice(0, size), version: /^x-sidecar-version: (\S+)/im.exec(head)?.[1] };
  };

  return {
    socket,
    received: () => buffer,
    closed: () => over,
    send: (text) => socket.write(text),
    async response() {
      for (;;) {
        const found = cut();
        if (found) return found;
        if (over !== undefined) throw new Error(`the connection ended (${over}) before the response; got ${buffer}`);
        const waiting = new AbortController();
        const news = ['data', 'end', 'close'].map((event) => once(socket, event, waiting));
        await Promise.race(news).catch(() => undefined);
        waiting.abort();
        await Promise.allSettled(news);
      }
    },
  };
}

const chunkedSize = (rest: string): number | undefined => {
  const end = rest.indexOf('0\r\n\r\n');
  return end < 0 ? undefined : end + 5;
};

/** A GET on a keep-alive connection. */
export const get = (path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`;
