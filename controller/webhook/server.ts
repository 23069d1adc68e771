import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { SecureContextOptions } from 'node:tls';
import { ApiError } from '../../api/error.ts';
import { parseJson, printJson } from '../../api/json.ts';
import type { AdmissionSources } from '../admission.ts';
import {
  admissionReview,
  readAdmissionReview,
  type AdmissionRequest,
  type AdmissionResponse,
} from './admission-review.ts';
import { createBodyReader, MAX_ADMISSION, MAX_CONVERSION } from './body.ts';
import type { KeyPair } from './certificates/key-pair.ts';
import { answerConversionReview } from './conversion-review.ts';
import { requestError } from './error.ts';
import { mutatePod } from './pods.ts';
import { defaultSidecarSet, validateSidecarSet } from './sidecar-sets.ts';

export interface WebhookOptions {
  /** 0 takes any that is free. */
  port: number;
  /** Which address to listen on; every one if it is left out. */
  host?: string;
  keyPair: KeyPair;
  /** What admission looks up; undefined while that is not known yet. */
  sources: () => Omit<AdmissionSources, 'now' | 'draw'> | undefined;
  /** Wall-clock milliseconds. */
  now: () => number;
  /** A number from 0 to below 1 (`injectionStrategy.revision.policy: Partial`). */
  draw: () => number;
  /** Told of each answer, for metrics and logs; `path` is one of the four, or empty. */
  onAnswer?: (answer: { path: string; status: number; allowed?: boolean; milliseconds: number }) => void;
  /** Told of what should not happen: a mistake of Baton, answered with 500. */
  onError: (error: unknown) => void;
}

export interface WebhookServer {
  readonly port: number;
  /** Serves new connections with this certificate; those that there are stay as they are. */
  setKeyPair: (keyPair: KeyPair) => void;
  /**
   * Ends without losing a request: until the time is over, connections are still accepted, and each closes behind its next
   * answer; then what is idle is closed and what is under way is waited for.
   */
  close: (graceMs: number) => Promise<void>;
}

/**
 * How long an idle connection is kept, in milliseconds: longer than the 90 s after which the API server gives one up. A
 * connection that is closed on a request loses that request, as a POST is not sent twice.
 */
const KEEP_ALIVE = 120_000;
/** A client that is slower than this at its handshake, its head or its whole request is cut off; in milliseconds. */
const PATIENCE = 10_000;

const PATHS = ['/mutate-pods', '/mutate-sidecarsets', '/validate-sidecarsets', '/convert'] as const;

/**
 * Serves the webhooks over HTTPS. A request that is no review gets an HTTP error; a review gets an answer with the status 200,
 * also where it is a refusal. While the sources are not known the status is 503 with `Retry-After`: the API server
 * asks again, at another replica if there is one, until its time for webhooks is over; then its failure policy holds.
 *
 * @throws the system's error when the port cannot be listened on; what `node:tls` throws when the key pair is none
 */
export async function serveWebhooks(options: WebhookOptions): Promise<WebhookServer> {
  const { port, host, keyPair, onError, onAnswer } = options;
  const readBody = createBodyReader();
  let closing = false;

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const began = performance.now();
    const path = PATHS.find((known) => known === request.url?.split('?')[0]) ?? '';
    const answer = await answerTo(path, request, readBody, options).catch((error: unknown) => failure(error, onError));
    const isWhole = request.complete || (await discarded(request));
    if (response.destroyed) return;
    const { status, body, headers } = answer;
    // Behind a request that does not end there is no other; behind 503 the next one finds another replica.
    const isLast = closing || !isWhole || status === 503;
    const text = printJson(body);
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      ...(isLast && { connection: 'close' }),
      ...headers,
    });
    response.end(text);
    const milliseconds = performance.now() - began;
    onAnswer?.({ path, status, ...('allowed' in answer && { allowed: answer.allowed }), milliseconds });
  };

  const server = createServer(
    {
      ...contextOf(keyPair),
      handshakeTimeout: PATIENCE,
      keepAliveTimeout: KEEP_ALIVE,
      headersTimeout: PATIENCE,
      requestTimeout: PATIENCE,
      connectionsCheckingInterval: 1000,
    },
    (request, response) => {
      unasked.delete(request.socket);
      respond(request, response).catch(onError);
    },
  );
  const sockets = new Set<Socket>();
  /** Connections that no request came over yet: Node does not take them for idle. */
  const unasked = new Set<Socket>();
  const keep = (all: Set<Socket>, socket: Socket): void => {
    all.add(socket);
    socket.once('close', () => all.delete(socket));
  };
  server.on('connection', (socket: Socket) => keep(sockets, socket));
  let closed: Promise<unknown> | undefined;
  server.on('secureConnection', (socket) => {
    // Its handshake was under way when the end came.
    if (closed) socket.destroy();
    else keep(unasked, socket);
  });
  server.listen({ port, ...(host !== undefined && { host }) });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    setKeyPair: (next) => server.setSecureContext(contextOf(next)),
    close: async (graceMs) => {
      closing = true;
      await delay(graceMs);
      closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      unasked.forEach((socket) => socket.destroy());
      const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), PATIENCE);
      await closed;
      clearTimeout(timer);
    },
  };
}

const contextOf = ({ certificate, key }: KeyPair): SecureContextOptions => ({
  cert: certificate,
  key,
  minVersion: 'TLSv1.2',
});

interface Answer {
  status: number;
  body: unknown;
  headers?: Record<string, string>;
  allowed?: boolean;
}

async function answerTo(
  path: (typeof PATHS)[number] | '',
  request: IncomingMessage,
  readBody: ReturnType<typeof createBodyReader>,
  options: WebhookOptions,
): Promise<Answer> {
  if (path === '') throw requestError(404, `there is nothing here; there are ${PATHS.join(', ')}`);
  if (request.method !== 'POST') throw requestError(405, 'a review is sent with POST', { allow: 'POST' });
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (type !== 'application/json' || encoding !== 'identity') {
    throw requestError(415, 'a review is application/json, not compressed');
  }
  const review = parse(await readBody(request, path === '/convert' ? MAX_CONVERSION : MAX_ADMISSION));
  if (path === '/convert') return { status: 200, body: answerConversionReview(review) };
  const response = admit(path, readAdmissionReview(review), options);
  return { status: 200, body: admissionReview(response), allowed: response.allowed };
}

function admit(
  path: Exclude<(typeof PATHS)[number], '/convert'>,
  request: AdmissionRequest,
  { sources, now, draw }: WebhookOptions,
): AdmissionResponse {
  if (path === '/mutate-sidecarsets') return defaultSidecarSet(request);
  const known = sources();
  if (!known) throw requestError(503, 'the cluster is not known yet; ask again in a second');
  if (path === '/validate-sidecarsets') return validateSidecarSet(request, known);
  return mutatePod(request, { ...known, now: now(), draw });
}

function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw requestError(400, `the body is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
}

/** A request that cannot be answered with a review; the body is a Status, which the API server quotes. */
function failure(error: unknown, onError: (error: unknown) => void): Answer {
  const { status, allow } = factsOf(error);
  if (status === 500) onError(error);
  const message = status === 500 ? 'Baton made a mistake; its log has more' : (error as Error).message;
  return {
    status,
    body: { apiVersion: 'v1', kind: 'Status', status: 'Failure', code: status, message },
    headers: { ...(status === 503 && { 'retry-after': '1' }), ...(allow !== undefined && { allow }) },
  };
}

function factsOf(error: unknown): { status: number; allow?: string } {
  if (error instanceof ApiError && error.code === 'ERR_BATON_REQUEST') {
    return error.facts as { status: number; allow?: string };
  }
  // Only what is nested thousands of times is too deep for the stack.
  if (error instanceof RangeError) return { status: 400 };
  // The client went away, or was too slow: nobody reads this.
  if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return { status: 400 };
  return { status: 500 };
}

/** Reads the rest of a request that is refused already, for a second: a client that is still sending does not read. */
async function discarded(request: IncomingMessage): Promise<boolean> {
  request.resume();
  await Promise.race([finished(request).catch(() => undefined), delay(1000, undefined, { ref: false })]);
  return request.complete;
}
