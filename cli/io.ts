/** What a command talks to. */
export interface Io {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream;
  /** Aborted when the user wants it to end (SIGINT). */
  signal?: AbortSignal;
}
