import { spawn, spawnSync } from 'node:child_process';
import type { ExecutionContext } from 'ava';

/** Whether the test may go on; without nghttp2's tools it passes with the reason, or fails where `BATON_NGHTTP2=required`. */
export function nghttp2IsThere(t: ExecutionContext): boolean {
  if (!spawnSync('h2load', ['--version']).error) return true;
  if (process.env['BATON_NGHTTP2'] === 'required')
    t.fail('h2load is missing: install the Debian package nghttp2-client');
  t.log('skipped: h2load is missing (Debian package nghttp2-client)');
  t.pass();
  return false;
}

/** Runs `nghttp` or `h2load`, and resolves with what it printed. */
export function run(t: ExecutionContext, program: 'nghttp' | 'h2load', args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  return new Promise((resolve) => child.once('close', () => resolve(output)));
}
