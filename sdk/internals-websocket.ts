import type { Socket } from 'node:net';

/*
 * What the SDK needs of the inside of the npm package `ws`, which documents none of it. Each probe answers `undefined` or
 * `false` where the shape is another; the client is then told to leave instead of moved. Seen the same in 8.5 to 8.23.
 */

/** `readyState` of a client that may send and receive. */
export const OPEN = 1;
/** The receiver stands before the first byte of a frame. */
const GET_INFO = 0;

/** The documented part of a `ws` client that is used here. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly protocol: string;
  readonly extensions: string;
  readonly bufferedAmount: number;
  readonly isPaused: boolean;
  pause(): void;
  resume(): void;
  close(code?: number, reason?: string): void;
  on(event: string, listener: (...values: never[]) => void): unknown;
  off(event: string, listener: (...values: never[]) => void): unknown;
  emit(event: string, ...values: unknown[]): boolean;
}

/** The documented part of a `ws` server that is used here. */
export interface WebSocketServerLike<Client> {
  /** Absent where the server does not track its clients. */
  readonly clients?: Set<Client>;
  readonly options: object;
  on(event: string, listener: (...values: never[]) => void): unknown;
  emit(event: string, ...values: unknown[]): boolean;
}

/** The undocumented part of a client. */
export interface Inside {
  readonly client: WebSocketLike & { _closeCode: number; _closeMessage: Buffer; _readyState: number };
  readonly socket: Socket;
  readonly receiver: NodeJS.WritableStream & {
    readonly writableLength: number;
    readonly _state: number;
    readonly _fragmented: number;
    readonly _buffers: Buffer[];
    _bufferedBytes: number;
    _write?: (chunk: Buffer, encoding: string, done: () => void) => void;
  };
  readonly sender: { readonly _firstFragment: boolean };
}

type Shape = Readonly<Record<string, 'number' | 'boolean' | 'function' | 'object' | 'string'>>;

const has = (value: unknown, shape: Shape): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  Object.entries(shape).every(([key, type]) => typeof (value as Record<string, unknown>)[key] === type);

const CLIENT: Shape = { _closeCode: 'number', _closeMessage: 'object', _readyState: 'number', _protocol: 'string' };
const METHODS: Shape = { pause: 'function', resume: 'function', setSocket: 'function', isPaused: 'boolean' };
const RECEIVER: Shape = {
  _state: 'number',
  _fragmented: 'number',
  _buffers: 'object',
  _bufferedBytes: 'number',
  _write: 'function',
  writableLength: 'number',
};

/** The inside of a client that can move; `undefined` also for one with compression, whose state cannot. */
export function insideOf(client: WebSocketLike, socket: Socket): Inside | undefined {
  if (!has(client, { ...CLIENT, ...METHODS, _receiver: 'object', _sender: 'object' })) return undefined;
  const { _receiver: receiver, _sender: sender, _socket: own } = client as Record<string, unknown>;
  if (own !== socket || !has(receiver, RECEIVER) || !has(sender, { _firstFragment: 'boolean' })) return undefined;
  if (!Array.isArray(receiver['_buffers']) || (client as WebSocketLike).extensions !== '') return undefined;
  return { client, socket, receiver, sender } as unknown as Inside;
}

/** Whether nothing of an incoming message, or of a frame within it, was read yet. */
export const isBetween = ({ receiver }: Inside): boolean =>
  receiver._state === GET_INFO && receiver._fragmented === 0 && receiver.writableLength === 0;

/** Whether the frame that its client was just told of was the end of its message, or stands between two. */
export const endsMessage = ({ receiver }: Inside): boolean => receiver._fragmented === 0;

/** Whether all messages that were sent are whole and with the kernel. */
export const isSent = ({ client, sender }: Inside): boolean => client.bufferedAmount === 0 && sender._firstFragment;

/** A client that is told of no further message; see {@link cut}. */
export interface Cut {
  /** Puts what was read and not told of back into the socket, in front. */
  putBack(): void;
  /** The same, and reads on. */
  undo(): void;
}

/**
 * Stops a client between two messages, which may be in the middle of the bytes that its receiver works on: what follows
 * is kept. To be called where {@link isBetween}, or within the event of a frame that {@link endsMessage}.
 */
export function cut({ client, socket, receiver }: Inside): Cut {
  const { isPaused } = client;
  const kept = receiver._buffers.splice(0);
  receiver._bufferedBytes = 0;
  // Its stream may have chunks in its queue yet.
  receiver._write = (chunk, _encoding, done) => {
    kept.push(chunk);
    done();
  };
  client.pause();
  const putBack = (): void => {
    delete receiver._write;
    const bytes = Buffer.concat(kept.splice(0));
    if (bytes.length > 0 && !socket.destroyed) socket.unshift(bytes);
  };
  return {
    putBack,
    undo() {
      putBack();
      if (!isPaused) client.resume();
    },
  };
}

/** Makes a client whose socket has moved tell so with its `close` event, which is due, and take no further message. */
export function setMoved({ client }: Inside, code: number, reason: string): void {
  client._closeCode = code;
  client._closeMessage = Buffer.from(reason);
  client._readyState = OPEN + 1;
}

type ClientClass<Client> = new (address: null, protocols: undefined, options: object) => Client;

const classOf = <Client>({ options }: WebSocketServerLike<Client>): ClientClass<Client> | undefined => {
  const { WebSocket } = options as { WebSocket?: unknown };
  return typeof WebSocket === 'function' ? (WebSocket as ClientClass<Client>) : undefined;
};

/** Whether {@link makeClient} can be relied on. */
export function canMakeClients(server: WebSocketServerLike<WebSocketLike>): boolean {
  const Client = classOf(server);
  return Client !== undefined && has(new Client(null, undefined, server.options), { ...CLIENT, ...METHODS });
}

/** A client as the server makes it after a handshake. Its socket is read from the next turn on. */
export function makeClient<Client extends WebSocketLike>(
  server: WebSocketServerLike<Client>,
  socket: Socket,
  protocol: string,
): Client {
  const Client = classOf(server) as ClientClass<Client>;
  const client = new Client(null, undefined, server.options);
  const inside = client as unknown as { _protocol: string; setSocket(...values: unknown[]): void };
  inside._protocol = protocol;
  inside.setSocket(socket, Buffer.alloc(0), server.options);
  const { clients } = server;
  clients?.add(client);
  client.on('close', () => {
    clients?.delete(client);
    // close() was called and waits for its clients.
    const closing = server as { _shouldEmitClose?: boolean; _state?: number };
    if (!closing._shouldEmitClose || clients?.size !== 0) return;
    process.nextTick(() => {
      closing._state = 2;
      server.emit('close');
    });
  });
  return client;
}
