import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { readStateFile, writeStateFile } from '../../sdk/state-file.ts';
import { freePort, startSidecar, temporaryDirectory, until, untilPhase } from '../helpers/processes.ts';

const program = fileURLToPath(new URL('../../cli/baton.ts', import.meta.url));

async function health(directory: string, version: number): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ['--import=tsx', program, 'health'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { BATON_DIR: directory, SIDECARSET_VERSION: String(version), SIDECARSET_VERSION_ALT: '0' },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

test('a copy that serves is well, one that hangs or is gone is not', async (t) => {
  const directory = temporaryDirectory(t);
  t.regex((await health(directory, 1)).output, /^baton: version 1: there is no state file .*1\.json\n$/);
  const sidecar = startSidecar(t, { version: 1, directory, port: await freePort() });
  await untilPhase(sidecar, 'serving');
  t.deepEqual(await health(directory, 1), { code: 0, output: 'baton: version 1 is serving\n' });

  sidecar.kill('SIGSTOP');
  const hung = await until('it hangs for long enough', async () => {
    const found = await health(directory, 1);
    return found.code === 1 ? found : undefined;
  });
  t.regex(hung.output, /^baton: version 1: its last heartbeat is \d{4,} ms old\n$/);
  sidecar.kill('SIGKILL');
  await sidecar.exited;
  t.regex(
    (await health(directory, 1)).output,
    /^baton: version 1: process \d+, which wrote the state file, is gone\n$/,
  );
});

test('the idle copy is well although it serves nothing', async (t) => {
  const directory = temporaryDirectory(t);
  const sidecar = startSidecar(t, { version: 0, alternative: 1, directory, port: await freePort() });
  await untilPhase(sidecar, 'idle');
  t.deepEqual(await health(directory, 0), { code: 0, output: 'baton: version 0 is idle\n' });
});

test('what the process reports is passed on', async (t) => {
  const directory = temporaryDirectory(t);
  const sidecar = startSidecar(t, { version: 1, directory, port: await freePort() });
  await untilPhase(sidecar, 'serving');
  sidecar.kill('SIGSTOP');
  const path = join(directory, '1.json');
  const state = readStateFile(path);
  if (!state) throw new Error('no state file');
  writeStateFile(path, { ...state, error: { code: 'ERR_X', message: 'no port' } });
  t.deepEqual(await health(directory, 1), { code: 1, output: 'baton: version 1: it reports ERR_X: no port\n' });
});
