import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { Running } from '../helpers/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A process as a user starts it in a terminal: `node FILE` with environment variables, and nothing else. */
export function run(t: ExecutionContext, file: string, env: Record<string, string>): Omit<Running, 'state'> {
  const child = spawn(process.execPath, [file], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  t.teardown(() => child.kill('SIGKILL'));
  return { child, exited, output: () => output, kill: (signal) => child.kill(signal) };
}
