import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import { until } from '../../helpers/processes.ts';

/** One frame of HTTP/2, as it was on the wire. */
export interface WireFrame {
  type: string;
  flags: number;
  stream: number;
  payload: Buffer;
}

const TYPES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
];
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
export const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;

/** The last stream id that a GOAWAY names. */
export const lastStream = ({ payload }: WireFrame): number => payload.readUInt32BE(0);

/** A client that does nothing by itself: no acknowledgement, no window, no end. */
export interface WireClient {
  readonly socket: Socket;
  /** The frames received so far; fails where the bytes are none. */
  frames(): WireFrame[];
  next(type: string, count?: number): Promise<WireFrame>;
  send(type: string, stream: number, flags?: number, payload?: Uint8Array): void;
  /** The client's preface and empty settings. */
  greet(): void;
  get(stream: number, path?: string): void;
  closed(): boolean;
}

export async function wireClient(t: ExecutionContext, port: number): Promise<WireClient> {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  let buffer = Buffer.alloc(0);
  let closed = false;
  const frames: WireFrame[] = [];
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 9 && buffer.length >= 9 + buffer.readUIntBE(0, 3)) {
      const length = buffer.readUIntBE(0, 3);
      const type = TYPES[buffer[3] ?? 255] ?? `unknown ${buffer[3]}`;
      const payload = buffer.subarray(9, 9 + length);
      frames.push({ type, flags: buffer[4] ?? 0, stream: buffer.readUInt32BE(5), payload });
      buffer = buffer.subarray(9 + length);
    }
  });
  socket.on('close', () => (closed = true));
  const send = (type: string, stream: number, flags = 0, payload: Uint8Array = Buffer.alloc(0)): void => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = TYPES.indexOf(type);
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    socket.write(Buffer.concat([head, payload]));
  };
  return {
    socket,
    frames: () => frames,
    next: (type, count = 1) =>
      until(`${type} number ${count}`, () => frames.filter((frame) => frame.type === type)[count - 1]),
    send,
    greet() {
      socket.write(PREFACE);
      send('SETTINGS', 0);
    },
    get(stream, path = '/') {
      // HPACK without a table: GET, http, the path as a literal, and the authority.
      const literal = (index: number, text: string): number[] => [index, text.length, ...Buffer.from(text)];
      const block = Buffer.from([0x82, 0x86, ...literal(0x04, path), ...literal(0x01, 'test')]);
      send('HEADERS', stream, END_STREAM | END_HEADERS, block);
    },
    closed: () => closed,
  };
}
