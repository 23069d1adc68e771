import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { freePort, temporaryDirectory, until } from '../helpers/processes.ts';
import { openRaw } from '../helpers/websocket.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('the code of docs/websocket.md: its client moves with its name', async (t) => {
  const code = /```js\n([\s\S]*?)```/.exec(readFileSync(`${root}docs/websocket.md`, 'utf8'))?.[1] ?? '';
  const port = await freePort();
  const BATON_DIR = temporaryDirectory(t);
  const start = async (version: number): Promise<void> => {
    const ask = `sockets.on('connection', (client) => client.on('message', () => client.send(process.env.SIDECARSET_VERSION + names.get(client))));`;
    const served = code.replace('9094', String(port)).replace('const consent', `${ask}\nconst consent`);
    const program = `${served}\nconsole.log('serves');`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { BATON_DIR, SIDECARSET_VERSION: String(version), SIDECARSET_VERSION_ALT: String(version - 1) },
    });
    t.teardown(() => child.kill('SIGKILL'));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    await until(`version ${version} serves`, () => {
      if (child.exitCode !== null) throw new Error(output);
      return output.includes('serves');
    });
  };
  await start(1);
  const client = await openRaw(port, '/ann');
  await start(2);
  await until('the second version answers', () => {
    client.send('who am I');
    return client.messages.at(-1) === '2/ann';
  });
  t.is(client.closed(), undefined);
});
