import type { Counts } from './counts.ts';
import type { Debt } from './debt.ts';
import type { Directory } from './directory.ts';
import type { Environment } from './environment.ts';
import type { Moving } from './moving.ts';
import type { Negotiated } from './negotiation.ts';
import type { Progress } from './progress.ts';
import type { Served } from './served.ts';
import type { StateKeeper } from './state-file.ts';

/** What the parts of one sidecar process share. */
export interface Core {
  readonly identity: Negotiated;
  readonly directory: Directory;
  readonly environment: Environment;
  readonly keeper: StateKeeper;
  readonly progress: Progress;
  /** The servers in the SDK's care, by the name of their socket. */
  readonly servers: Map<string, Served>;
  /** What a successor is told, by key. */
  readonly states: Map<string, Buffer>;
  readonly counts: Counts;
  /** What was borrowed from processes that live. */
  readonly debts: Set<Debt>;
  readonly drainTimeoutMs: number;
  /** The right to bind, from the moment that this process has it; it is never released before the process ends. */
  lock: number | undefined;
  /** The version that this process took over from, while it lives. */
  predecessor: string | undefined;
  /** The process is on its way out and takes no successor any more. */
  leaving: boolean;
}

/** Starts the servers of these names; rejects with the first error of `listen`. */
export const startServers = async (core: Core, names: Iterable<string> = core.servers.keys()): Promise<void> => {
  await Promise.all([...names].flatMap((name) => core.servers.get(name)?.start() ?? []));
};

/** Connections in hand. */
export const connectionsOf = (core: Core): number =>
  [...core.servers.values()].reduce((sum, server) => sum + server.count(), 0);

/** A connection has left for the other process. */
export const countMoved = ({ keeper, progress }: Core, { name, remote }: Moving): void => {
  keeper.count({ moved: keeper.state.counters.moved + 1 });
  progress({ type: 'moved', name, remote });
};
