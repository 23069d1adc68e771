import { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { BatonError } from './errors.ts';

/** What a WebSocket's handshake had agreed on and its application may want to know later. */
export interface Handshake {
  protocol: string;
  url: string;
  method: string;
  httpVersion: string;
  headers: NodeJS.Dict<string | string[]>;
  rawHeaders: string[];
}

const LENGTH = 4;

/** The state with which a WebSocket moves: the handshake's length (4 bytes, big endian), the handshake as JSON, `bytes`. */
export function encodeState(handshake: Handshake, bytes: Uint8Array): Buffer {
  const head = Buffer.from(JSON.stringify(handshake));
  const length = Buffer.alloc(LENGTH);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, bytes]);
}

/** The opposite of {@link encodeState}; for anything else `error` is `ERR_BATON_MESSAGE`, beside an empty handshake. */
export function decodeState(state: Uint8Array | undefined): {
  handshake: Handshake;
  bytes: Buffer;
  error?: BatonError;
} {
  const whole = Buffer.from(state ?? []);
  try {
    const end = LENGTH + whole.readUInt32BE();
    const handshake = JSON.parse(whole.toString('utf8', LENGTH, end)) as Handshake;
    if (typeof handshake.protocol !== 'string' || typeof handshake.url !== 'string')
      throw new TypeError('no handshake');
    return { handshake, bytes: whole.subarray(end) };
  } catch (cause) {
    const message =
      'a connection came whose state is not that of a WebSocket: do both versions give webSockets() to the same server?';
    return { handshake: NONE, bytes: whole, error: new BatonError('ERR_BATON_MESSAGE', message, { cause }) };
  }
}

const NONE: Handshake = { protocol: '', url: '/', method: 'GET', httpVersion: '1.1', headers: {}, rawHeaders: [] };

export const handshakeOf = (
  { url = '/', method = 'GET', httpVersion, headers, rawHeaders }: IncomingMessage,
  protocol: string,
): Handshake => ({ protocol, url, method, httpVersion, headers, rawHeaders });

/** The request of a handshake that another process has answered: what it asked for, on the socket as it is now. */
export function requestOf(handshake: Handshake, socket: Socket): IncomingMessage {
  const { url, method, httpVersion, headers, rawHeaders } = handshake;
  const asked = { url, method, httpVersion, headers, rawHeaders, complete: true };
  const request = Object.assign(new IncomingMessage(socket), asked);
  request.push(null);
  return request;
}
