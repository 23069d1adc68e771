import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { freePort, temporaryDirectory, until } from '../helpers/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** A block of shell code as a user pastes it, but for the port and the shared folder. */
function paste(t: ExecutionContext, code: string, env: Record<string, string>): () => string {
  const child = spawn('sh', ['-c', code], {
    cwd: root,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  t.teardown(() => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  });
  return () => output;
}

test('the two terminals of the README: the second takes over from the first', async (t) => {
  const [first, second] = [...readme.matchAll(/```sh\n(# (?:first|second) terminal[\s\S]*?)```/g)].map(
    ([, code = '']) => code,
  );
  const port = String(await freePort());
  const env = { BATON_DIR: temporaryDirectory(t) };
  const ask = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text();

  const old = paste(t, (first ?? '').replaceAll('9091', port), env);
  await until('version 1 serves', () => old().includes('version 1 serves'));
  t.is(await ask(), 'hello from version 1\n');
  const next = paste(t, (second ?? '').replaceAll('9091', port), env);
  await until('version 2 serves', () => next().includes('version 2 serves'));
  t.is(await ask(), 'hello from version 2\n');
});

test('the README names only npm scripts that exist', (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const named = [...readme.matchAll(/npm run (\S+)/g)].map(([, script = '']) => script.replace(/[^\w:]/g, ''));
  t.true(named.length > 0);
  for (const script of named) t.true(script in scripts, script);
});
