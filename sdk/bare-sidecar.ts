import { once } from 'node:events';
import { type IncomingMessage, type RequestListener, Server as HttpServer, type ServerResponse } from 'node:http';
import { Server as NetServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import * as native from '../native/index.ts';
import { giveListener, MIGRATE_PATH, MIGRATE_SOCKET, takeListener } from './bare.ts';
import { openDirectory } from './directory.ts';
import type { Environment } from './environment.ts';
import { BatonError, messageOf, summary } from './errors.ts';
import { createFarewell } from './farewell.ts';
import { negotiate } from './negotiation.ts';
import { BACKLOG, findSocket, type ServeOptions } from './serve.ts';
import type { Sidecar, SidecarOptions } from './sidecar.ts';
import { checkState } from './state.ts';
import { keepStateFile, stateAtStart } from './state-file.ts';
import { forever, GRACE_MS, MARGIN_MS } from './termination.ts';

const LOOK_MS = 50;

/**
 * One http server in the two-line protocol of OpenKruise's hot-upgrade demo, in whichever role the versions tell. A
 * successor takes the listener of the process that answers `GET /migrate` at its address, or binds where nobody answers. It
 * then hands over in its turn to whoever asks; only callers of the same host may. What the protocol has no word for is not
 * there: connections do not move, they finish with `Connection: close`; state stays; after the hand-over nothing goes back.
 *
 * @throws BatonError `ERR_BATON_KIND` (no http server), `ERR_BATON_BARE` (the old process answers and hands nothing over),
 *   `ERR_BATON_ARGUMENT`, `ERR_BATON_ADDRESS_IN_USE`, `ERR_BATON_BIND`
 */
export async function bareSidecar(
  server: Server,
  options: ServeOptions,
  sidecarOptions: SidecarOptions,
  environment: Environment,
): Promise<Sidecar> {
  const { port } = options;
  if (!(server instanceof HttpServer)) {
    throw new BatonError('ERR_BATON_KIND', 'the bare protocol is for servers of node:http: it asks over HTTP');
  }
  if (!port) {
    throw new BatonError('ERR_BATON_ARGUMENT', 'the bare protocol needs a fixed port, where the old process is asked');
  }
  const identity = negotiate(environment.env);
  const { role, version } = identity;
  const path = sidecarOptions.bareSocket ?? MIGRATE_SOCKET;
  const directory = openDirectory(environment.env, { ...environment, name: sidecarOptions.name ?? 'sidecar', version });
  const states = new Map<string, Buffer>();
  const sockets = new Set<Socket>();
  let descriptor: number | undefined;
  let leaving = false;
  let closed = false;

  const offTerminate = environment.onTerminate(() => {
    if (leaving) return;
    leaving = true;
    void leave().then(() => {
      close();
      environment.exit(0);
    });
  });
  const keeper = keepStateFile(directory.stateOf(version), stateAtStart(identity, environment), {
    agentSocket: directory.agentSocket,
    environment,
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const farewell = createFarewell(server, { due: () => descriptor === undefined, remembers: () => true });

  /** Accepts no more; the listener lives on where it was given to. */
  const stop = (): void => {
    if (descriptor === undefined) return;
    native.close(descriptor);
    descriptor = undefined;
    // Not http's own close(): that one ends idle connections, which may have a request under way.
    NetServer.prototype.close.call(server as NetServer);
    farewell.tellAll();
  };

  const isClosed = (): boolean => closed;
  const empty = async (until: () => boolean): Promise<void> => {
    while (sockets.size > 0 && !until()) await delay(LOOK_MS);
  };

  /** Between SIGTERM and exit: until the clients are gone, or the grace period nearly over. */
  const leave = async (): Promise<void> => {
    const grace = sidecarOptions.gracePeriodMs ?? GRACE_MS;
    const start = performance.now();
    const after =
      (ms: number): (() => boolean) =>
      () =>
        performance.now() - start > ms;
    await empty(after(grace - Math.min(MARGIN_MS, grace / 2)));
    stop();
    await empty(after(grace - Math.min(MARGIN_MS, grace / 2) / 2));
  };

  const close = (): void => {
    if (closed) return;
    closed = true;
    offTerminate();
    stop();
    farewell.close();
    for (const socket of sockets) socket.destroy();
    keeper.update({ phase: 'stopped', holdsListeners: false });
    keeper.close();
  };
  const fail = (error: unknown): never => {
    keeper.update({ phase: 'failed', error: summary(error) });
    close();
    throw error;
  };

  // The demo's stale process stays, and listens no more.
  if (role === 'idle' || role === 'stale') await forever(sidecarOptions.signal).catch(fail);
  try {
    descriptor = role === 'successor' ? await takeListener(path, placeOf(options.host, port)) : undefined;
    keeper.count(descriptor === undefined ? { bound: 1 } : { inherited: 1 });
    descriptor ??= (await findSocket(options, { sockets: new Map() }, environment)).descriptor;
    answerMigrations();
    server.listen({ fd: native.duplicate(descriptor), exclusive: true }, options.backlog ?? BACKLOG);
    await once(server, 'listening');
  } catch (error) {
    fail(error);
  }
  keeper.update({ phase: 'serving', servingAt: environment.now(), holdsListeners: true });

  function answerMigrations(): void {
    const listeners = server.listeners('request') as RequestListener[];
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (request.url === MIGRATE_PATH) migrate(request, response);
      else for (const listener of listeners) Reflect.apply(listener, server, [request, response]);
    });
  }

  function migrate(request: IncomingMessage, response: ServerResponse): void {
    const say = (status: number, text: string): void => {
      response.writeHead(status, { connection: 'close' }).end(`${text}\n`);
    };
    if (!isLocal(request)) {
      say(403, 'only a process of this host may ask for the listener');
    } else if (descriptor === undefined || leaving) {
      say(409, 'the listener is not here any more');
    } else {
      giveListener(path, descriptor, { uid: environment.uid, sent: () => say(200, 'success') }).then(
        (outcome) => {
          if (outcome === 'taken') void drain();
        },
        (error: unknown) => {
          if (response.headersSent) environment.warn(messageOf(error), 'ERR_BATON_BARE');
          else say(500, messageOf(error));
        },
      );
    }
  }

  async function drain(): Promise<void> {
    if (descriptor === undefined) return;
    stop();
    keeper.update({ phase: 'draining', holdsListeners: false });
    await empty(isClosed);
    if (!isClosed()) keeper.update({ phase: 'drained', drainedAt: environment.now() });
  }

  const handsOverOne = (): Promise<never> =>
    Promise.reject(new BatonError('ERR_BATON_ARGUMENT', 'the bare protocol hands one server over, and serve() did it'));
  return {
    role,
    version,
    state: {
      put(key, bytes) {
        checkState(key, bytes);
        states.set(key, Buffer.from(bytes));
      },
      get: (key) => states.get(key),
    },
    counts: {
      share() {
        throw new BatonError('ERR_BATON_ARGUMENT', 'the bare protocol hands no counts over');
      },
      settle: () => undefined,
    },
    serve: handsOverOne,
    ready: handsOverOne,
    close() {
      close();
      return Promise.resolve();
    },
  };
}

/** Where the old process is asked. */
const placeOf = (host: string | undefined, port: number): { host: string; port: number } => ({
  host: host === undefined || host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host,
  port,
});

/** The caller is a process of this host (the containers of a pod share its addresses). */
const isLocal = ({ socket: { remoteAddress = '', localAddress } }: IncomingMessage): boolean =>
  remoteAddress === localAddress || /^(::ffff:)?127\./.test(remoteAddress) || remoteAddress === '::1';
