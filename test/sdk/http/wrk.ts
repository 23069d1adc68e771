import { spawn, spawnSync } from 'node:child_process';
import type { ExecutionContext } from 'ava';

/** Whether the test may go on; without wrk it passes with the reason, or fails where `BATON_WRK=required`. */
export function wrkIsThere(t: ExecutionContext): boolean {
  if (!spawnSync('wrk', ['--version']).error) return true;
  if (process.env['BATON_WRK'] === 'required') t.fail('wrk is missing: install the Debian package wrk');
  t.log('skipped: wrk is missing (Debian package wrk)');
  t.pass();
  return false;
}

/** A load on keep-alive connections at full speed; see {@link startWrk}. */
export interface Wrk {
  /** Whether it still runs. */
  running(): boolean;
  /** Ends it (SIGINT) and returns its own summary. */
  stop(): Promise<string>;
}

export function startWrk(t: ExecutionContext, port: number, connections = 100): Wrk {
  // It is stopped when the last upgrade is done; the duration is only an upper bound.
  const child = spawn('wrk', ['-t1', `-c${connections}`, '-d600s', '--timeout', '10s', `http://127.0.0.1:${port}/`]);
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    running: () => child.exitCode === null,
    async stop() {
      child.kill('SIGINT');
      await exited;
      return output;
    },
  };
}

/** Fails unless wrk saw no error of any kind; returns the number of requests. */
export function assertClean(t: ExecutionContext, summary: string): number {
  t.notRegex(summary, /Socket errors/, summary);
  t.notRegex(summary, /Non-2xx/, summary);
  const requests = Number(/(\d+) requests in/.exec(summary)?.[1] ?? 0);
  t.true(requests > 0, summary);
  return requests;
}
