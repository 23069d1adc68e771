import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { root } from './blocks.ts';

test('the quick start: as written, one upgrade is done, one is rolled back, and no client notices', async (t) => {
  const page = readFileSync(`${root}docs/quick-start.md`, 'utf8');
  const files = [...page.matchAll(/<!-- mine\/(\S+) -->\n\n```\w+\n([\s\S]*?)```/g)];
  t.is(files.length, 2);
  // In the repository, whose package the sidecar imports.
  const folder = join(root, 'build', `quick-start-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const [, name = '', text = ''] of files) writeFileSync(join(folder, name), text);
  const program = spawn(
    process.execPath,
    ['dist/baton.js', 'rehearse', join(folder, 'rehearse.yaml'), '--report', join(folder, 'report')],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [status] = (await once(program, 'close')) as [number];
  t.is(status, 0, output);
  const report = JSON.parse(readFileSync(join(folder, 'report/report.json'), 'utf8')) as {
    upgrades: { result: string }[];
  };
  t.deepEqual(
    report.upgrades.map(({ result }) => result),
    ['done', 'rolled-back'],
  );
});
