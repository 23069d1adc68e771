import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { eventually, isAlive } from './helpers.ts';

const script = fileURLToPath(new URL('orphans.ts', import.meta.url));

for (const end of ['kill -9', 'throw', 'exit']) {
  test(`a runner that ends by ${end} leaves no process and no directory`, async (t) => {
    const runner = spawn(process.execPath, ['--import', 'tsx', script, end], { stdio: ['ignore', 'pipe', 'ignore'] });
    t.teardown(() => runner.kill('SIGKILL'));
    const [line] = (await once(createInterface(runner.stdout), 'line')) as [string];
    const { pids, root } = JSON.parse(line) as { pids: number[]; root: string };
    t.is(pids.length, 2);
    if (end === 'kill -9') {
      t.true(pids.every(isAlive));
      runner.kill('SIGKILL');
    }
    await eventually('all gone', () => !pids.some(isAlive) && !existsSync(root));
  });
}
