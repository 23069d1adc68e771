import { readFile } from 'node:fs/promises';
import * as http from 'node:http';
import * as https from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import type { KubeConfig } from '@kubernetes/client-node';
import { ApiError } from '../../api/error.ts';
import type { Clock } from './clock.ts';
import { errorOf, unavailable } from './status.ts';

export interface Request {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  contentType?: string;
  body?: string;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

export interface TransportOptions {
  /** Where the API server is and who asks. */
  config: KubeConfig;
  userAgent: string;
  /** Milliseconds for a request and its answer, waiting for a connection included. */
  timeout: number;
  /** Connections at most, but for streams, which have one each. */
  connections: number;
  /** Asked when a request other than GET has its connection, just before its first byte: `false` fails it. */
  mayWrite?: () => boolean;
  clock: Clock;
}

/** HTTP to the API server; errors are `ApiError`s. */
export interface Transport {
  /** Resolves with any answer, whatever its status. */
  send(request: Request): Promise<Answer>;
  /** The lines of an answer that has no end; ends without an error when the signal aborts or the server ends it. */
  lines(request: Request, signal: AbortSignal): AsyncGenerator<string>;
}

type Tls = Pick<https.AgentOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;

interface Access {
  headers: Record<string, string>;
  /** For requests, which are short, and for streams. */
  agents: { short: http.Agent; long: http.Agent };
  tls: Tls;
  readAt: number;
}

/** How often files of tokens and certificates are read again, in milliseconds; a token is replaced minutes before it expires. */
const READ_AGAIN = 30_000;
/** An idle connection is closed before the API server, or something in between, closes it under a request. */
const IDLE = 30_000;
/** TCP asks a silent peer after so long, then every second, 10 times: so a dead one is known in 25 s. */
const KEEP_ALIVE = 15_000;

export function createTransport({
  config,
  userAgent,
  timeout,
  connections,
  mayWrite,
  clock,
}: TransportOptions): Transport {
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    throw new ApiError('ERR_BATON_ARGUMENT', 'the kubeconfig has no current context: choose one', {
      facts: { context: config.currentContext },
    });
  }
  const server = new URL(cluster.server);
  const { request: open, Agent } = server.protocol === 'http:' ? http : https;
  let access: Access | undefined;

  const readAccess = async (): Promise<Access> => {
    if (access && clock.now() - access.readAt < READ_AGAIN) return access;
    const options: https.RequestOptions = {};
    await config.applyToHTTPSOptions(options);
    const { ca, cert, key, servername, rejectUnauthorized, auth } = options;
    const headers = { ...(options.headers as Record<string, string>) };
    // The library looks at this file once a minute; a token that was refused is read again at once.
    const tokenFile = tokenFileOf(config);
    if (tokenFile !== undefined) headers['Authorization'] = `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}`;
    if (auth) headers['Authorization'] = `Basic ${Buffer.from(auth).toString('base64')}`;
    const tls: Tls = Object.fromEntries(
      Object.entries({ ca, cert, key, servername, rejectUnauthorized }).filter(([, value]) => value !== undefined),
    );
    const agents = access && isDeepStrictEqual(access.tls, tls) ? access.agents : agentsFor(tls, options.agent);
    access = { headers, tls, agents, readAt: clock.now() };
    return access;
  };

  const agentsFor = (tls: Tls, theirs: https.RequestOptions['agent']): Access['agents'] => {
    // Theirs knows proxies, but keeps no connection.
    if (cluster.proxyUrl && theirs instanceof http.Agent) return { short: theirs, long: theirs };
    return {
      short: new Agent({ ...tls, keepAlive: true, maxSockets: connections, timeout: IDLE }),
      long: new Agent(tls),
    };
  };

  /** Resolves with the answer's head; `signal` ends all of it. */
  const head = async (asked: Request, which: 'short' | 'long', signal: AbortSignal): Promise<http.IncomingMessage> => {
    const { method, path, contentType, body } = asked;
    const { headers, agents } = await readAccess();
    return new Promise((resolve, reject) => {
      const request = open({
        method,
        host: server.hostname.replace(/^\[|\]$/g, ''),
        port: server.port,
        path: server.pathname.replace(/\/$/, '') + path,
        agent: agents[which],
        signal,
        headers: {
          ...headers,
          'User-Agent': userAgent,
          Accept: 'application/json',
          ...(body !== undefined && {
            'Content-Type': contentType ?? 'application/json',
            'Content-Length': Buffer.byteLength(body),
          }),
        },
      });
      const begin = (): void => {
        if (method === 'GET' || mayWrite?.() !== false) request.end(body);
        else request.destroy(new Error('this process may write no more'));
      };
      request.on('socket', (socket) => {
        socket.setKeepAlive(true, KEEP_ALIVE);
        if (socket.connecting) socket.once(server.protocol === 'http:' ? 'connect' : 'secureConnect', begin);
        else begin();
      });
      request.on('response', resolve).on('error', reject);
    });
  };

  return {
    async send(asked) {
      const abort = new AbortController();
      const cancel = clock.after(timeout, () => abort.abort(new Error(`no answer in ${timeout} ms`)));
      try {
        const response = await head(asked, 'short', abort.signal);
        const body = await textOf(response);
        const status = response.statusCode ?? 0;
        // What these files hold may have been replaced: read them for the next request.
        if (status === 401 && access) access.readAt = -Infinity;
        return { status, headers: response.headers, body };
      } catch (cause) {
        throw unavailable(nameOf(asked), abort.signal.aborted ? abort.signal.reason : cause);
      } finally {
        cancel();
      }
    },

    async *lines(asked, signal) {
      // One for its beginning, which must not take for ever.
      const abort = new AbortController();
      const stop = (): void => abort.abort();
      signal.addEventListener('abort', stop);
      const cancel = clock.after(timeout, () => abort.abort(new Error(`no answer in ${timeout} ms`)));
      try {
        if (signal.aborted) return;
        const response = await head(asked, 'long', abort.signal);
        cancel();
        if (response.statusCode !== 200) {
          throw errorOf(response.statusCode ?? 0, await textOf(response), nameOf(asked));
        }
        yield* linesOf(response);
      } catch (cause) {
        if (signal.aborted) return;
        if (cause instanceof ApiError) {
          if (cause.facts['status'] === 401 && access) access.readAt = -Infinity;
          throw cause;
        }
        throw unavailable(nameOf(asked), abort.signal.aborted ? abort.signal.reason : cause);
      } finally {
        cancel();
        signal.removeEventListener('abort', stop);
        abort.abort();
      }
    },
  };
}

/** In a pod: the service account's. */
function tokenFileOf(config: KubeConfig): string | undefined {
  const provider = config.getCurrentUser()?.authProvider as { config?: { tokenFile?: string } } | undefined;
  return provider?.config?.tokenFile;
}

const nameOf = ({ method, path }: Request): string => `${method} ${path}`;

async function textOf(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function* linesOf(response: http.IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let parts: string[] = [];
  for await (const chunk of response as AsyncIterable<string>) {
    const [first = '', ...more] = chunk.split('\n');
    parts.push(first);
    for (const line of more) {
      yield parts.join('');
      parts = [line];
    }
  }
}
