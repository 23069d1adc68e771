/** What the load generator is asked to do. Durations in milliseconds. */
export type Load = NoLoad | HttpLoad | TcpLoad;

export interface NoLoad {
  kind: 'none';
}

interface Clients {
  /** To each target. */
  connections: number;
  /** Requests per second over all connections and targets; without it each connection asks again as soon as it is answered. */
  rate?: number;
  /** A request without an answer for this long has failed. */
  timeout: number;
}

/** HTTP/1.1 over keep-alive connections. */
export interface HttpLoad extends Clients {
  kind: 'http';
  method: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** Response header that names the version that answered. */
  versionHeader: string;
}

/** Lines over long connections; each must come back as it was sent. */
export interface TcpLoad extends Clients {
  kind: 'tcp';
}

export type Window = 'before' | 'during' | 'after';

/** Milliseconds; null when nothing was measured. */
export interface Latency {
  p50: number | null;
  p99: number | null;
}

/** What happened in one slice of time; `t` is milliseconds since the load began. */
export interface Bucket extends Latency {
  t: number;
  requests: number;
  failed: number;
  /** Answers by the version that gave them. */
  byVersion: Record<string, number>;
}

/** What the clients saw from the first request to the last. */
export interface LoadSummary {
  /** When the load began, in milliseconds since the epoch. */
  startedAt: number;
  requests: { total: number; failed: number; failures: Record<string, number> };
  connections: { opened: number; refused: number; closed: number; moved: number; movedBack: number };
  latency: Record<Window, Latency>;
}

/** Where requests go; each target has its own connections. */
export interface Target {
  host: string;
  port: number;
}

/** Runner -> load generator. */
export type LoadOrder =
  | { type: 'start'; load: HttpLoad | TcpLoad; targets: Target[] }
  | { type: 'window'; window: Window }
  | { type: 'stop' };

/** Load generator -> runner. `window` answers an order with the figures of the window that it ended. */
export type LoadNews =
  | { type: 'ready' }
  | { type: 'bucket'; bucket: Bucket }
  | { type: 'window'; latency: Latency }
  | { type: 'summary'; summary: LoadSummary };
