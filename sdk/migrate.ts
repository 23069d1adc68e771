import { setTimeout as delay } from 'node:timers/promises';
import * as native from '../native/index.ts';
import { openDirectory, type Directory } from './directory.ts';
import { processEnvironment, processStartOf, type Environment } from './environment.ts';
import { BatonError, summary } from './errors.ts';
import { negotiate, type Negotiated } from './negotiation.ts';
import { readStateFile, writeStateFile, type StateFile } from './state-file.ts';

/** Options of {@link migrate}. */
export interface MigrateOptions {
  /** The same name that the sidecar was created with; only matters where `BATON_DIR` is unset. */
  name?: string;
  /** Milliseconds; the default is 60 seconds. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** How the wait ended; `state` is absent where there is nothing to wait for (idle, stale). */
export interface Migrated extends Negotiated {
  state?: StateFile;
}

const LOOK_MS = 25;
const TIMEOUT_MS = 60_000;

/**
 * Waits until the sidecar process of this container serves: what a `postStart` hook is for. An idle copy and a stale one
 * (it waits for its successor's death) have nothing to wait for. It reads the state file, and believes only a process
 * that lives.
 *
 * @throws BatonError the code that the process failed with, `ERR_BATON_ENDED` when it died, `ERR_BATON_TIMEOUT`, and the
 *   codes of {@link negotiate} and of the folder; the signal's reason.
 */
export async function migrate(
  options: MigrateOptions = {},
  environment: Environment = processEnvironment(),
): Promise<Migrated> {
  const { identity, directory } = locate(options, environment);
  if (identity.role === 'idle' || identity.role === 'stale') return identity;
  const path = directory.stateOf(identity.version);
  const { timeoutMs = TIMEOUT_MS, signal } = options;
  const deadline = performance.now() + timeoutMs;
  let alive: StateFile | undefined;
  for (;;) {
    const state = readStateFile(path);
    if (state && processStartOf(state.pid) === state.processStart) alive = state;
    else if (alive) throw ended(state?.processStart === alive.processStart ? state : alive);
    // It lived when this process did, so it is no earlier life's: it failed before it was looked at.
    else if (state && state.heartbeatAt >= performance.timeOrigin) throw ended(state);
    if (alive?.error) throw failed(alive);
    if (alive?.servingAt !== undefined) return { ...identity, state: alive };
    if (performance.now() >= deadline) throw late(path, alive, timeoutMs);
    await delay(LOOK_MS, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
}

/** Who the process of this container is, and the folder where it keeps its state file. */
export const locate = (
  options: Pick<MigrateOptions, 'name'>,
  environment: Environment,
): { identity: Negotiated; directory: Directory } => {
  const identity = negotiate(environment.env);
  const { version } = identity;
  const { uid, pid } = environment;
  return {
    identity,
    directory: openDirectory(environment.env, { name: options.name ?? 'sidecar', version, uid, pid }),
  };
};

const failed = (state: StateFile): BatonError =>
  new BatonError(
    (state.error?.code ?? 'ERR_BATON_UNEXPECTED') as `ERR_BATON_${string}`,
    `version ${state.version} failed: ${state.error?.message ?? 'no reason given'}`,
    { facts: { state } },
  );

const ended = (state: StateFile): BatonError =>
  state.error
    ? failed(state)
    : new BatonError(
        'ERR_BATON_ENDED',
        `version ${state.version} (process ${state.pid}) ended before it served. Look at the container's log.`,
        { facts: { state } },
      );

const late = (path: string, state: StateFile | undefined, timeoutMs: number): BatonError =>
  new BatonError(
    'ERR_BATON_TIMEOUT',
    state
      ? `version ${state.version} does not serve after ${timeoutMs / 1000} s; it is ${state.phase}. Look at the ` +
          "container's log: the sidecar serves once it has called serve, or ready."
      : `no living process wrote ${path} in ${timeoutMs / 1000} s. Does the sidecar use the SDK, with the same ` +
          'SIDECARSET_VERSION, BATON_DIR and name as this hook?',
    { facts: { path, phase: state?.phase, timeoutMs } },
  );

/**
 * Tells the node's agent of a failed migration by the state file, if an agent is there. Resolves whether it is: the hook
 * may then exit 0, and the rollback leaves the pod ready; a failed hook would make the kubelet call it not ready.
 */
export async function reportFailure(
  error: unknown,
  options: MigrateOptions = {},
  environment: Environment = processEnvironment(),
): Promise<boolean> {
  const { identity, directory } = locate(options, environment);
  const { version, role } = identity;
  const notice = Buffer.from(JSON.stringify({ version, phase: 'failed' }));
  if (!native.notify(directory.agentSocket, notice)) return false;
  const path = directory.stateOf(version);
  const at = environment.now();
  const nobody: StateFile = {
    version,
    role,
    phase: 'failed',
    pid: 0,
    processStart: 0,
    startedAt: at,
    heartbeatAt: at,
    holdsListeners: false,
    counters: { inherited: 0, bound: 0, moved: 0, received: 0, finished: 0, cut: 0, takenBack: 0 },
  };
  // The process renews the same file: write again until the error has stayed.
  for (let tries = 0; tries < 5 && !readStateFile(path)?.error; tries += 1) {
    writeStateFile(path, { ...(readStateFile(path) ?? nobody), error: summary(error) });
    await delay(LOOK_MS);
  }
  native.notify(directory.agentSocket, notice);
  return true;
}
