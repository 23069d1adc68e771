import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { freePort, temporaryDirectory } from '../helpers/processes.ts';
import { blocksOf, pages, root } from './blocks.ts';

/*
 * Every piece of JavaScript in the documentation runs, with what its page takes for granted written before it. The README's and that of
 * docs/websocket.md have tests of their own.
 */

const handler = `const handler = (request, response) => response.end('hello');`;
const migrated = `
  import { createServer as listen } from 'node:http';
  import { serve as begin } from 'baton-sidecar';
  await begin(listen(), { host: '127.0.0.1', port: 0 });`;

/** By page, for each of its pieces in turn; `null` for one that another test runs. */
const before: Record<string, readonly (string | null)[]> = {
  'README.md': [null],
  'docs/bare.md': [handler],
  'docs/migrate.md': [migrated],
  'docs/quick-start.md': [null],
  'docs/udp.md': [`const handle = () => undefined;`, ''],
  'docs/websocket.md': [null],
  'docs/writing-a-sidecar.md': [
    handler,
    `import { createServer } from 'node:net';
     import { serve } from 'baton-sidecar';
     const [sessions, session] = [new WeakMap(), () => undefined];`,
    `import { createServer } from 'node:http';
     const [proxy, admin, warmUp] = [createServer(), createServer(), async () => undefined];`,
    `const startMySidecar = async (sidecar) => sidecar.state.put('settings', Buffer.from('kept'));`,
  ],
};

const blocks = pages.flatMap((page) => blocksOf(page, 'js').map((block, index) => ({ ...block, index })));

test('each page with JavaScript says what is taken for granted', (t) => {
  const counts = new Map<string, number>();
  for (const { page } of blocks) counts.set(page, (counts.get(page) ?? 0) + 1);
  t.deepEqual(
    Object.fromEntries(counts),
    Object.fromEntries(Object.entries(before).map(([page, texts]) => [page, texts.length])),
  );
});

for (const { page, line, index, text } of blocks) {
  const prelude = before[page]?.[index];
  if (prelude === null || prelude === undefined) continue;
  test(`${page}:${line} runs`, async (t) => {
    const folder = temporaryDirectory(t);
    // Where the demo's processes of the whole machine meet is none of this test's.
    let code = text
      .replaceAll('/run/admin.sock', `${folder}/admin.sock`)
      .replaceAll("protocol: 'bare'", `protocol: 'bare', bareSocket: '${folder}/migrate.sock'`);
    for (const [port] of text.matchAll(/(?<=port: )\d+/g)) code = code.replace(port, String(await freePort()));
    const program = `${prelude}\n${code}\nconsole.log('it ran');process.exit();`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], BATON_DIR: folder, SIDECARSET_VERSION: '1' },
    });
    t.teardown(() => child.kill('SIGKILL'));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
    const [status] = (await once(child, 'close')) as [number];
    t.is(status, 0, output);
    t.true(output.endsWith('it ran\n'), output);
  });
}
