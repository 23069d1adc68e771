import { BatonError } from './errors.ts';

/** The protocol's version that this SDK speaks, and the oldest that it still understands. Version 2 added `udp` sockets. */
export const PROTOCOL = 2;
export const OLDEST_PROTOCOL = 1;

/** One inheritable socket in an `offer`. */
export interface SocketDescription {
  name: string;
  kind: 'tcp' | 'unix' | 'udp';
  /** `host:port` or the path, for people and for matching. */
  address: string;
  /** The backlog to listen with again: `listen({fd})` would otherwise reset it. 0 for UDP. */
  backlog: number;
}

/** The frames of the handover, as plain data; `bytes`, `head` and `state` are base64. */
export type Message =
  | { type: 'hello'; protocol: number; version: string; nofile: number; openFds: number; serving?: string[] }
  | { type: 'offer'; protocol: number; version: string; sockets: SocketDescription[]; total: number; states: number }
  | { type: 'state'; key: string; bytes: string }
  | { type: 'ready'; sockets: string[]; counts?: string[] }
  | { type: 'stopped'; finals?: number }
  | { type: 'final'; key: string; bytes: string; id?: number }
  | ({ type: 'connection' } & ConnectionFrame)
  | { type: 'ack'; id: number }
  | { type: 'nack'; id: number; code?: string }
  | { type: 'drained'; moved: number; finished: number; cut: number }
  | { type: 'back' }
  | { type: 'resumed'; counts?: string[] }
  | { type: 'ping' }
  | { type: 'refuse'; code: string; message: string };

/** A connection on its way; its descriptor rides on the frame. */
export interface ConnectionFrame {
  id: number;
  name: string;
  local: string;
  remote: string;
  /** Bytes that the sender's runtime had read and its application had not. */
  head: string;
  /** What the application wants its successor to know. */
  state?: string;
  /** Of an http server, and it speaks another protocol by now. */
  upgraded?: boolean;
  /** Milliseconds that the connection may stay idle; absent = for ever. */
  idleMs?: number;
}

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === 'string';
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const flag: Check = (value) => typeof value === 'boolean';
const version: Check = (value) => typeof value === 'string' && /^[1-9]\d{0,31}$/.test(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
const socket: Check = (value) =>
  isRecord(value) &&
  text(value['name']) &&
  ['tcp', 'unix', 'udp'].includes(value['kind'] as string) &&
  text(value['address']) &&
  count(value['backlog']);

const FIELDS: Record<Message['type'], Record<string, Check>> = {
  hello: {
    protocol: count,
    version,
    nofile: count,
    openFds: count,
    serving: optional(listOf(text)),
  },
  offer: { protocol: count, version, sockets: listOf(socket), total: count, states: count },
  state: { key: text, bytes: text },
  ready: { sockets: listOf(text), counts: optional(listOf(text)) },
  stopped: { finals: optional(count) },
  final: { key: text, bytes: text, id: optional(count) },
  connection: {
    id: count,
    name: text,
    local: text,
    remote: text,
    head: text,
    state: optional(text),
    upgraded: optional(flag),
    idleMs: optional(count),
  },
  ack: { id: count },
  nack: { id: count, code: optional(text) },
  drained: { moved: count, finished: count, cut: count },
  back: {},
  resumed: { counts: optional(listOf(text)) },
  ping: {},
  refuse: { code: text, message: text },
};

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Checks one decoded frame. Unknown fields are kept and ignored, so that a newer peer may say more.
 *
 * @throws BatonError `ERR_BATON_MESSAGE` for an unknown type or a field of the wrong shape.
 */
export function parseMessage(value: unknown): Message {
  const type = isRecord(value) ? value['type'] : undefined;
  if (!isRecord(value) || typeof type !== 'string' || !Object.hasOwn(FIELDS, type)) {
    // It may be as long, or nested as deep, as a frame allows.
    const shown = typeof type === 'string' ? JSON.stringify(type.slice(0, 40)) : typeof type;
    throw new BatonError('ERR_BATON_MESSAGE', `unknown message type ${shown}`, { facts: { type: shown } });
  }
  for (const [field, check] of Object.entries(FIELDS[type as Message['type']])) {
    if (!check(value[field])) {
      throw new BatonError('ERR_BATON_MESSAGE', `message ${type}: field ${field} is malformed`, {
        facts: { type, field },
      });
    }
  }
  return value as Message;
}
