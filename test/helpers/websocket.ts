import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from './processes.ts';

/** A WebSocket client without a library, so that each byte and each frame is the test's own; RFC 6455. */
export interface RawWebSocket {
  readonly socket: Socket;
  /** The text of each whole message, and how many bytes a binary one had. */
  readonly messages: (string | number)[];
  readonly pongs: string[];
  readonly pings: string[];
  /** The answer to the handshake. */
  readonly head: string;
  /** The code of the close frame that came, or how the connection ended without one. */
  closed(): number | string | undefined;
  send(text: string): void;
  write(bytes: Buffer): void;
}

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** One masked frame. */
export function frameOf(opcode: keyof typeof OPCODES, payload: string | Buffer, fin = true): Buffer {
  const data = Buffer.from(payload);
  const short = data.length < 126 ? data.length : data.length < 65536 ? 126 : 127;
  const length = Buffer.alloc(short < 126 ? 0 : short === 126 ? 2 : 8);
  if (short === 126) length.writeUInt16BE(data.length);
  if (short === 127) length.writeBigUInt64BE(BigInt(data.length));
  const mask = randomBytes(4);
  for (let at = 0; at < data.length; at += 1) data[at] = (data[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | OPCODES[opcode], 0x80 | short]), length, mask, data]);
}

interface Frame {
  fin: boolean;
  opcode: number;
  payload: Buffer;
  size: number;
}

/** The first frame of a server's stream, once it is whole. */
function firstFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const size = start + length;
  if (bytes.length < size) return undefined;
  const first = bytes[0] ?? 0;
  return { fin: first >= 0x80, opcode: first & 0x0f, payload: bytes.subarray(start, size), size };
}

/** Connects and shakes hands. */
export async function openRaw(port: number, path = '/', headers: string[] = []): Promise<RawWebSocket> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  const messages: (string | number)[] = [];
  const pongs: string[] = [];
  const pings: string[] = [];
  let over: number | string | undefined;
  let head = '';
  let chunks: Buffer[] = [];
  let buffered = 0;
  let wanted = 0;
  let parts: Buffer[] = [];
  let kind = 0;

  const hear = ({ fin, opcode, payload }: Frame): void => {
    if (opcode === OPCODES.ping) {
      pings.push(String(payload));
      socket.write(frameOf('pong', payload));
    } else if (opcode === OPCODES.pong) pongs.push(String(payload));
    else if (opcode === OPCODES.close) {
      over = payload.length < 2 ? 1005 : payload.readUInt16BE();
      socket.write(frameOf('close', payload));
    } else {
      if (opcode !== OPCODES.continuation) kind = opcode;
      parts.push(payload);
      if (!fin) return;
      const whole = Buffer.concat(parts);
      messages.push(kind === OPCODES.text ? String(whole) : whole.length);
      parts = [];
    }
  };
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    buffered += chunk.length;
    if (buffered < wanted) return;
    let bytes = Buffer.concat(chunks);
    if (head === '') {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      head = String(bytes.subarray(0, end));
      bytes = bytes.subarray(end + 4);
    }
    for (let frame = firstFrame(bytes); frame; frame = firstFrame(bytes)) {
      hear(frame);
      bytes = bytes.subarray(frame.size);
    }
    chunks = [bytes];
    buffered = bytes.length;
    // Not to join a large message again for each of its chunks.
    wanted = buffered > 1 << 16 ? buffered + (1 << 16) : 0;
    if (bytes.length >= 10 && ((bytes[1] ?? 0) & 0x7f) === 127) wanted = 10 + Number(bytes.readBigUInt64BE(2));
  });
  socket.on('end', () => (over ??= 'end'));
  socket.on('error', (error: NodeJS.ErrnoException) => (over ??= error.code ?? error.message));
  socket.on('close', () => (over ??= 'close'));

  const asked = [
    `GET ${path} HTTP/1.1`,
    'Host: test',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...headers,
  ];
  socket.write(`${asked.join('\r\n')}\r\n\r\n`);
  await until('the handshake', () => head !== '' || over !== undefined);
  return {
    socket,
    messages,
    pongs,
    pings,
    head,
    closed: () => over,
    send: (text) => socket.write(frameOf('text', text)),
    write: (bytes) => socket.write(bytes),
  };
}

/** What one numbered conversation came to; see {@link talk}. */
export interface Talk {
  sent: number;
  answered: number;
  pushed: number;
  /** The versions that answered, and the one that did last. */
  versions: Set<string>;
  last: string | undefined;
  /** The first thing that was wrong: a gap, a double, an end. */
  wrong: string | undefined;
}

/** How a client is used by {@link talk}, whatever it is made of. */
export interface Line {
  send(text: string, sequence: number): Promise<void> | void;
  close(): void;
}

/**
 * Sends numbered messages, `size` characters of padding in each and its answer, about every `everyMs`, until told to stop.
 * `open` connects, with what it is to call at each message and at the end of the connection. `done` settles after the last
 * answer.
 */
export function talk(
  open: (hear: (text: string) => void, ended: (why: string) => void) => Promise<Line>,
  { going, size = 0, everyMs = 3 }: { going: () => boolean; size?: number; everyMs?: number },
): { result: Talk; done: Promise<void> } {
  const result: Talk = { sent: 0, answered: 0, pushed: 0, versions: new Set(), last: undefined, wrong: undefined };
  const fail = (why: string): void => void (result.wrong ??= why);
  let over = false;
  const hear = (text: string): void => {
    const [kind = '', first = '', version = '', padding = ''] = text.split(':');
    if (kind === 'a') {
      if (Number(first) !== result.answered + 1) fail(`answer ${first} after ${result.answered}`);
      if (padding.length !== size) fail(`answer ${first} has ${padding.length} characters of ${size}`);
      result.answered = Number(first);
      result.versions.add(version);
      result.last = version;
    } else if (kind === 'p') {
      if (Number(first) !== result.pushed + 1) fail(`push ${first} after ${result.pushed}`);
      result.pushed = Number(first);
    } else fail(text.slice(0, 100));
  };
  const run = async (): Promise<void> => {
    const line = await open(hear, (why) => over || fail(`closed: ${why}`));
    const padding = 'x'.repeat(size);
    while (going() && result.wrong === undefined) {
      result.sent += 1;
      await line.send(`n:${result.sent}:${size}:${padding}`, result.sent);
      await delay(everyMs);
    }
    await until('the last answer', () => result.wrong !== undefined || result.answered === result.sent).catch(() =>
      fail(`message ${result.sent} was never answered; the last answer is ${result.answered}`),
    );
    over = true;
    line.close();
  };
  return { result, done: run() };
}
