import type { Server } from 'node:net';
import * as native from '../native/index.ts';
import { bareSidecar } from './bare-sidecar.ts';
import { commit, type Committed } from './commitment.ts';
import { startServers, type Core } from './core.ts';
import { createCounts } from './counts.ts';
import type { DatagramOptions, MakeSocket } from './datagrams.ts';
import { openDirectory, removeLeftovers } from './directory.ts';
import { processEnvironment, type Environment } from './environment.ts';
import { BatonError, summary } from './errors.ts';
import { findPlace, requireFreeVersion, type Inheritance, type Place, type Seeker } from './inheritance.ts';
import { negotiate } from './negotiation.ts';
import { plainSidecar } from './plain.ts';
import { awaitSuccessors, type Predecessor } from './predecessor.ts';
import type { Progress } from './progress.ts';
import { checkServe, type ServeOptions } from './serve.ts';
import { createServing } from './serving.ts';
import { RESERVED } from './sessions.ts';
import type { Sidecar, SidecarOptions } from './sidecar.ts';
import { checkState } from './state.ts';
import { keepStateFile, stateAtStart, type StateFile } from './state-file.ts';
import { keepPredecessor, type Succession } from './succession.ts';
import { forever, GRACE_MS, leave } from './termination.ts';

const DRAIN_MS = 600_000;
const OWNER_MS = 60_000;

/**
 * Makes this process one of the two copies of a sidecar, in the role that its versions tell ({@link negotiate}). It
 * resolves when the process has something to serve: in the idle copy never, in a stale one when its successor is dead, in
 * a successor when the predecessor has offered its sockets and state.
 *
 * It answers SIGTERM: an idle, stale or drained process exits at once, one that took over gives back first, one that
 * serves goes on until its clients are gone or the grace period is nearly over.
 *
 * @throws BatonError `ERR_BATON_VERSION`, `ERR_BATON_PATH_TOO_LONG`, `ERR_BATON_DIRECTORY`, `ERR_BATON_UNREACHABLE`,
 *   `ERR_BATON_VERSION_IN_USE`, `ERR_BATON_OWNER`, `ERR_BATON_TIMEOUT` (the predecessor hangs), or the code that the
 *   predecessor refused with. In each case the old process serves on.
 */
export async function createSidecar(
  options: SidecarOptions = {},
  environment: Environment = processEnvironment(),
): Promise<Sidecar> {
  if (options.protocol === 'bare') {
    throw new BatonError('ERR_BATON_ARGUMENT', 'the bare protocol hands one server over: call serve() with it');
  }
  const identity = negotiate(environment.env);
  const { version, role } = identity;
  if (process.platform !== 'linux' && !native.available()) {
    return role === 'idle' ? forever(options.signal) : plainSidecar(identity);
  }
  const directory = openDirectory(environment.env, { ...environment, name: options.name ?? 'sidecar', version });
  requireFreeVersion({ identity, directory });
  // Before the state file tells anybody that this process is there.
  const offTerminate = environment.onTerminate(() => {
    if (core.leaving) return;
    core.leaving = true;
    void leave(
      core,
      { successors: () => successors, succession: () => succession },
      options.gracePeriodMs ?? GRACE_MS,
    ).then(() => {
      release({});
      environment.exit(0);
    });
  });

  const keeper = keepStateFile(directory.stateOf(version), stateAtStart(identity, environment), {
    agentSocket: directory.agentSocket,
    environment,
  });
  const core: Core = {
    identity,
    directory,
    environment,
    keeper,
    progress: guarded(options.onProgress),
    servers: new Map(),
    states: new Map(),
    counts: createCounts(),
    debts: new Set(),
    drainTimeoutMs: options.drainTimeoutMs ?? DRAIN_MS,
    lock: undefined,
    predecessor: undefined,
    leaving: false,
  };
  const inheritance: Inheritance = { sockets: new Map(), states: core.states, own: new Set(), parcels: [] };
  let place: (Place & Pick<Committed, 'debt'>) | undefined;
  let successors: Predecessor | undefined;
  let succession: Succession | undefined;
  let released = false;
  let committed = false;

  const seeker: Seeker = {
    identity,
    directory,
    environment,
    progress: core.progress,
    counts: core.counts,
    debts: core.debts,
    signal: options.signal,
    timeoutMs: role === 'stale' ? Infinity : (options.timeoutMs ?? OWNER_MS),
  };

  /** Ends everything once; a second call does nothing. */
  const release = (last: Partial<StateFile>): void => {
    if (released) return;
    released = true;
    offTerminate();
    // Before the line ends: the other copy then removes this one's files, and none must come after that.
    keeper.update({ phase: 'stopped', holdsListeners: false, ...last });
    keeper.close();
    succession?.close();
    successors?.close();
    if (place?.kind === 'successor') place.conversation.close();
    for (const server of core.servers.values()) server.close();
    // A process that exits may settle with its last words; the kernel closes them then.
    if (!core.leaving) for (const debt of [...core.debts]) debt.close();
    for (const { descriptor } of inheritance.sockets.values()) native.close(descriptor);
    inheritance.sockets.clear();
    core.servers.clear();
    if (core.lock !== undefined) native.close(core.lock);
    core.lock = undefined;
  };

  /** What failed is seen in the state file; the predecessor sees the line break and serves on. */
  const fail = (error: unknown): never => {
    release({ phase: 'failed', error: summary(error) });
    throw error;
  };

  const serving = createServing(core, inheritance, fail);

  const requireOpen = (): void => {
    if (released) throw new BatonError('ERR_BATON_CLOSED', 'this sidecar has failed or was closed: create another');
  };

  const requireNotReady = (call: string): void => {
    requireOpen();
    if (committed) throw new BatonError('ERR_BATON_ARGUMENT', `${call} must be called before ready`);
  };

  const ready = async (): Promise<void> => {
    requireOpen();
    if (committed) throw new BatonError('ERR_BATON_ARGUMENT', 'ready was called already');
    committed = true;
    let handoverMs: number | undefined;
    try {
      const reached = await commit(seeker, inheritance, place, [...serving.inherited]);
      core.lock = reached.lock;
      place = reached;
      await startServers(core);
      if (place.kind === 'successor') handoverMs = performance.now() - place.connectedAt;
      for (const { descriptor } of inheritance.sockets.values()) native.close(descriptor);
      inheritance.sockets.clear();
      successors = awaitSuccessors(core);
      for (const parcel of inheritance.parcels.splice(0)) {
        core.counts.merge(parcel.key, parcel.bytes);
        place.debt?.took(parcel);
      }
    } catch (error) {
      return fail(error);
    }
    if (place.kind === 'successor') {
      const { conversation, predecessor, debt } = place;
      succession = keepPredecessor(core, conversation, {
        version: predecessor,
        names: [...serving.inherited],
        debt,
        onGone: () => (succession = undefined),
      });
    } else {
      removeLeftovers(directory, version);
    }
    place = undefined;
    if (handoverMs !== undefined) keeper.count({ handoverMs });
    keeper.update({ phase: 'serving', servingAt: environment.now(), holdsListeners: true });
    core.progress({ type: 'serving', ...(handoverMs !== undefined && { handoverMs }) });
  };

  if (role === 'idle') await forever(options.signal).catch(fail);
  try {
    place = await findPlace(seeker, inheritance);
  } catch (error) {
    return fail(error);
  }
  if (place.kind === 'owner') core.lock = place.lock;
  else core.progress({ type: 'offered', version: place.predecessor, sockets: [...inheritance.sockets.keys()] });

  return {
    role,
    version,
    state: {
      put(key, bytes) {
        checkState(key, bytes);
        core.states.set(key, Buffer.from(bytes));
        inheritance.own.add(key);
      },
      get: (key) => (key.startsWith(RESERVED) ? undefined : core.states.get(key)),
    },
    counts: {
      share(key, counter) {
        requireNotReady('share');
        core.counts.share(key, counter);
      },
      settle(key) {
        for (const debt of core.debts) debt.settle(key);
      },
    },
    async serve(server: Server | MakeSocket, serveOptions: ServeOptions) {
      checkServe(server, serveOptions);
      requireNotReady('serve');
      if (typeof server === 'function') await serving.serveDatagrams(server, serveOptions);
      else await serving.serveServer(server, serveOptions);
    },
    ready,
    close() {
      release({});
      return Promise.resolve();
    },
  };
}

/** A listener that throws must not leave a handover half done: the error is raised in a turn of its own. */
const guarded =
  (listener: Progress | undefined): Progress =>
  (event) => {
    try {
      listener?.(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };

/**
 * One server in one call: {@link createSidecar}, {@link Sidecar.serve} and {@link Sidecar.ready}. Resolves when the server
 * accepts; in the idle copy it never does.
 */
export function serve(
  server: Server,
  options: ServeOptions,
  sidecarOptions?: SidecarOptions,
  environment?: Environment,
): Promise<Sidecar>;
export function serve(
  make: MakeSocket,
  options: DatagramOptions,
  sidecarOptions?: SidecarOptions,
  environment?: Environment,
): Promise<Sidecar>;
export async function serve(
  server: Server | MakeSocket,
  options: ServeOptions,
  sidecarOptions: SidecarOptions = {},
  environment: Environment = processEnvironment(),
): Promise<Sidecar> {
  checkServe(server, options);
  // Whoever gets it tells a server and a function apart.
  const either = server as Server;
  if (sidecarOptions.protocol === 'bare') return bareSidecar(either, options, sidecarOptions, environment);
  const sidecar = await createSidecar(sidecarOptions, environment);
  await sidecar.serve(either, options);
  await sidecar.ready();
  return sidecar;
}
