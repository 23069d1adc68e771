import * as fs from 'node:fs';
import * as native from '../native/index.ts';
import type { Environment } from './environment.ts';
import { codeOf, messageOf } from './errors.ts';
import type { Negotiated, Role } from './negotiation.ts';

/** Where a process is in its life, as the agent and `baton migrate` read it. */
export type LifePhase =
  'starting' | 'idle' | 'waiting' | 'serving' | 'draining' | 'drained' | 'stopping' | 'stopped' | 'failed';

/** What a process counted since it started. */
export interface Counters {
  /** Sockets that came from a predecessor, and sockets that were bound here. */
  inherited: number;
  bound: number;
  /** Connections that moved to a successor, and that came from another process. */
  moved: number;
  received: number;
  /** Connections that ended here while draining: by themselves, and at the end of the time for it. */
  finished: number;
  cut: number;
  /** How often a successor died or gave back. */
  takenBack: number;
  /** Milliseconds from connecting to the predecessor until accepting. */
  handoverMs?: number;
}

/** The file `<version>.json` in the sidecar's folder; times are milliseconds since the epoch. */
export interface StateFile {
  version: string;
  role: Role;
  phase: LifePhase;
  pid: number;
  /** With the pid, one life of one process (field 22 of proc(5)'s stat). */
  processStart: number;
  startedAt: number;
  heartbeatAt: number;
  servingAt?: number;
  drainedAt?: number;
  error?: { code: string; message: string };
  /** It could accept again: the listening sockets are still open here. */
  holdsListeners: boolean;
  counters: Counters;
}

/** How often a process renews its file, in milliseconds. */
export const HEARTBEAT_MS = 1000;
/** Counters change often, and are written so long after, in milliseconds. */
const COUNT_MS = 100;
const MAX_BYTES = 64 * 1024;

/** What a process says of itself first. */
export function stateAtStart(
  { version, role }: Negotiated,
  environment: Pick<Environment, 'pid' | 'processStart' | 'now'>,
): StateFile {
  const startedAt = environment.now();
  return {
    version,
    role,
    phase: role === 'idle' ? 'idle' : role === 'stale' ? 'waiting' : 'starting',
    pid: environment.pid,
    processStart: environment.processStart,
    startedAt,
    heartbeatAt: startedAt,
    holdsListeners: false,
    counters: { inherited: 0, bound: 0, moved: 0, received: 0, finished: 0, cut: 0, takenBack: 0 },
  };
}

/**
 * Replaces the file in one step, so that a reader never sees half of it. Everybody may read it whatever the umask is: the node's
 * agent is another user, and root only in name.
 */
export function writeStateFile(path: string, state: StateFile): void {
  const temporary = `${path}.${state.pid}`;
  const descriptor = fs.openSync(temporary, 'w');
  try {
    fs.writeFileSync(descriptor, JSON.stringify(state));
    fs.fchmodSync(descriptor, 0o644);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(temporary, path);
}

/** Reads a file that another process wrote; `undefined` when it is missing or is no state file. Follows no link. */
export function readStateFile(path: string): StateFile | undefined {
  let descriptor: number;
  try {
    descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ELOOP') return undefined;
    throw error;
  }
  try {
    const found = fs.fstatSync(descriptor);
    if (!found.isFile() || found.size > MAX_BYTES) return undefined;
    const value: unknown = JSON.parse(fs.readFileSync(descriptor, 'utf8'));
    return isStateFile(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    fs.closeSync(descriptor);
  }
}

function isStateFile(value: unknown): value is StateFile {
  const file = value as Partial<Record<keyof StateFile, unknown>> | null;
  return (
    typeof file === 'object' &&
    file !== null &&
    ['version', 'role', 'phase'].every((key) => typeof file[key as keyof StateFile] === 'string') &&
    ['pid', 'processStart', 'startedAt', 'heartbeatAt'].every((key) => Number.isFinite(file[key as keyof StateFile])) &&
    typeof file.counters === 'object' &&
    file.counters !== null
  );
}

/** Tells an agent that may listen to look, and never waits. One that cannot be told reads the file a little later. */
function wake(agentSocket: string, { version, phase }: StateFile): void {
  try {
    native.notify(agentSocket, Buffer.from(JSON.stringify({ version, phase })));
  } catch {
    // Whatever is in the socket's place: a sidecar serves as well without an agent, so nobody would act on a report.
  }
}

/** A process's own entry; see {@link keepStateFile}. */
export interface StateKeeper {
  readonly state: Readonly<StateFile>;
  /** Changes fields, writes, and tells the agent to look. */
  update(change: Partial<Omit<StateFile, 'counters'>>): void;
  count(change: Partial<Counters>): void;
  /** Writes a last time and renews no more. */
  close(): void;
}

/**
 * Keeps the state file: written at every change and every second, each time with a datagram to `agentSocket` for an agent
 * that may listen there. An `error` that `baton migrate` wrote into the file is kept. A folder that cannot be written is
 * reported once by a warning: the process serves on.
 */
export function keepStateFile(
  path: string,
  initial: StateFile,
  { agentSocket, environment }: { agentSocket: string; environment: Pick<Environment, 'now' | 'warn'> },
): StateKeeper {
  let state = initial;
  let warned = false;
  let counted: NodeJS.Timeout | undefined;

  const attempt = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      if (!warned)
        environment.warn(`the state file ${path} cannot be kept: ${messageOf(error)}`, 'ERR_BATON_STATE_FILE');
      warned = true;
    }
  };
  const write = (): void => {
    clearTimeout(counted);
    counted = undefined;
    state = { ...state, heartbeatAt: environment.now() };
    attempt(() => {
      const found = state.error ? undefined : readStateFile(path);
      if (found?.error && found.processStart === state.processStart) state = { ...state, error: found.error };
      writeStateFile(path, state);
      wake(agentSocket, state);
    });
  };

  const timer = setInterval(write, HEARTBEAT_MS);
  write();
  return {
    get state() {
      return state;
    },
    update(change) {
      state = { ...state, ...change };
      write();
    },
    count(change) {
      state = { ...state, counters: { ...state.counters, ...change } };
      counted ??= setTimeout(write, COUNT_MS);
    },
    close() {
      clearInterval(timer);
      write();
    },
  };
}
