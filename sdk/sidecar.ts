import type { Server } from 'node:net';
import type { Counter } from './counts.ts';
import type { DatagramOptions, MakeSocket } from './datagrams.ts';
import type { Role } from './negotiation.ts';
import type { Progress } from './progress.ts';
import type { ServeOptions } from './serve.ts';

/** Options of {@link createSidecar}; all times are milliseconds. */
export interface SidecarOptions {
  /** Names the folder in `/dev/shm` where `BATON_DIR` is unset; the default is `sidecar`. */
  name?: string;
  /** The longest that connections may take to leave after a handover; the default is 10 minutes. */
  drainTimeoutMs?: number;
  /** The pod's `terminationGracePeriodSeconds`; the default is Kubernetes' own, 30 seconds. */
  gracePeriodMs?: number;
  /** The longest wait for another process that owns the sidecar and does not answer; the default is 60 seconds. */
  timeoutMs?: number;
  /** Gives the wait up: for the predecessor, or of a stale process for its successor's death. */
  signal?: AbortSignal;
  onProgress?: Progress;
  /**
   * `bare` speaks the two-line protocol of OpenKruise's hot-upgrade demo instead of Baton's, with one http server, by
   * {@link serve} only: for the upgrade from a sidecar that was written after that demo, and back to it.
   */
  protocol?: 'baton' | 'bare';
  /** Where the bare protocol's processes meet; the default is the demo's `/dev/shm/migrate.sock`. */
  bareSocket?: string;
}

/** A process that hands over and takes over. */
export interface Sidecar {
  readonly role: Role;
  readonly version: string;
  /** What survives an upgrade beside sockets and connections. */
  readonly state: {
    /**
     * Keeps bytes for the successor. It gets what was put when it connects, and once it is ready also what was put until
     * this process stopped, but for keys that it has put itself. At most 8 MiB a key, and 256
     * characters in it. Throws `ERR_BATON_STATE_TOO_LARGE`, `ERR_BATON_ARGUMENT`.
     */
    put(key: string, bytes: Uint8Array): void;
    /** What was put here, or came from the predecessor. */
    get(key: string): Uint8Array | undefined;
  };
  /** What is counted over all versions, neither lost nor doubled when one of two dies: see `docs/udp.md`. */
  readonly counts: {
    /**
     * Lets a counter change hands. `take` is called when this process has stopped, and again when it is drained; `merge`
     * before {@link Sidecar.ready} resolves, later for what a drain still counted, and when a successor ended: then with
     * what it had been given. It must be called before `ready`, with the same keys in both versions. Throws
     * `ERR_BATON_ARGUMENT`; what `take` throws, and `merge` after `ready`, is raised as an uncaught exception.
     */
    share(key: string, counter: Counter): void;
    /**
     * What was merged under this key has left this process, in a flush perhaps: if this process dies, its predecessor does
     * not count it again. Call it together with the flush.
     */
    settle(key: string): void;
  };
  /**
   * Binds the server's socket, or takes the predecessor's; the server accepts once {@link Sidecar.ready} is called.
   * Throws `ERR_BATON_KIND`, `ERR_BATON_LISTENING`, `ERR_BATON_ARGUMENT`, `ERR_BATON_ADDRESS_IN_USE`, `ERR_BATON_BIND`,
   * `ERR_BATON_NAME_IN_USE`, `ERR_BATON_CLOSED`.
   */
  serve(server: Server, options: ServeOptions): Promise<void>;
  /** The same for the datagrams that the sockets made by this function are to read. */
  serve(make: MakeSocket, options: DatagramOptions): Promise<void>;
  /**
   * The commit point: the predecessor stops accepting, this process starts. Resolves when all servers accept. Until it is
   * called, the predecessor goes on as if nothing happened.
   */
  ready(): Promise<void>;
  /**
   * Ends everything this process does as a sidecar: connections are cut, the predecessor (if any) takes back, also the
   * counts that it gave and that are not settled.
   */
  close(): Promise<void>;
}
