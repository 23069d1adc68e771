import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import * as native from '../../native/index.ts';
import { processEnvironment } from '../../sdk/environment.ts';
import { migrate as migrateHere } from '../../sdk/migrate.ts';
import { readStateFile, writeStateFile } from '../../sdk/state-file.ts';
import { freePort, startSidecar, temporaryDirectory, until, untilPhase } from '../helpers/processes.ts';

const program = fileURLToPath(new URL('../../dist/baton.js', import.meta.url));

async function migrate(
  directory: string,
  [version, alternative]: [string | number, string | number],
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [program, 'migrate', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      BATON_DIR: directory,
      SIDECARSET_VERSION: String(version),
      SIDECARSET_VERSION_ALT: String(alternative),
    },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** An agent's socket in the folder: only that it is there counts. */
function fakeAgent(t: { teardown(fn: () => void): void }, directory: string): { received(): string[] } {
  const child = spawn(
    'python3',
    [
      '-c',
      `import socket,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1])
while True: sys.stdout.write(s.recv(65536).decode()+"\\n"); sys.stdout.flush()`,
      join(directory, 'agent.sock'),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  return { received: () => output.split('\n').filter(Boolean) };
}

test('the idle copy has nothing to wait for', async (t) => {
  const result = await migrate(temporaryDirectory(t), [0, 7]);
  t.deepEqual(result, { code: 0, stdout: 'baton: idle copy, nothing to migrate\n', stderr: '' });
});

test('a stale copy does not wait', async (t) => {
  const result = await migrate(temporaryDirectory(t), [7, 8]);
  t.is(result.code, 0);
  t.regex(result.stdout, /version 7 was restarted during the upgrade to 8/);
});

test('waits until the process serves, first and successor', async (t) => {
  const directory = temporaryDirectory(t);
  const port = await freePort();
  const waiting = migrate(directory, [1, 0]);
  startSidecar(t, { version: 1, directory, port });
  const first = await waiting;
  t.is(first.code, 0, first.stderr);
  t.regex(first.stdout, /^baton: version 1 serves on its own: 0 sockets inherited, 1 bound.*\n$/);

  startSidecar(t, { version: 2, alternative: 1, directory, port });
  const second = await migrate(directory, [2, 1]);
  t.is(second.code, 0, second.stderr);
  t.regex(second.stdout, /^baton: version 2 serves after version 1 in [\d.]+ ms: 1 sockets inherited.*\n$/);
});

test('a state file that a dead process left is not believed', async (t) => {
  const directory = temporaryDirectory(t);
  const sidecar = startSidecar(t, { version: 1, directory, port: await freePort() });
  await untilPhase(sidecar, 'serving');
  sidecar.kill('SIGKILL');
  await sidecar.exited;
  t.is(readStateFile(join(directory, '1.json'))?.phase, 'serving');
  const result = await migrate(directory, [1, 0], '--timeout', '0.3');
  t.is(result.code, 1);
  t.regex(result.stderr, /ERR_BATON_TIMEOUT: no living process wrote .*1\.json in 0\.3 s/);
});

test('a process that fails is reported with its code, and exit 1 without an agent', async (t) => {
  const directory = temporaryDirectory(t);
  const port = await freePort();
  const listener = native.listenTcp({ host: '127.0.0.1', port, backlog: 1 });
  t.teardown(() => native.close(listener));
  const waiting = migrate(directory, [1, 0], '--timeout', '20');
  startSidecar(t, { version: 1, directory, port });
  const result = await waiting;
  t.is(result.code, 1);
  t.is(result.stdout, '');
  t.regex(result.stderr, /ERR_BATON_ADDRESS_IN_USE|ERR_BATON_ENDED/);
});

test('a process that failed and ended before it was first looked at is believed, an earlier life is not', async (t) => {
  const directory = temporaryDirectory(t);
  const environment = { ...processEnvironment(), env: { BATON_DIR: directory, SIDECARSET_VERSION: '1' } };
  const leave = (heartbeatAt: number): void =>
    writeStateFile(join(directory, '1.json'), {
      version: '1',
      role: 'first',
      phase: 'failed',
      pid: process.pid,
      processStart: 1,
      startedAt: heartbeatAt,
      heartbeatAt,
      error: { code: 'ERR_BATON_BIND', message: 'no such address' },
      holdsListeners: false,
      counters: { inherited: 0, bound: 0, moved: 0, received: 0, finished: 0, cut: 0, takenBack: 0 },
    });
  leave(Date.now());
  await t.throwsAsync(migrateHere({ timeoutMs: 5000 }, environment), { code: 'ERR_BATON_BIND' });
  leave(performance.timeOrigin - 1000);
  await t.throwsAsync(migrateHere({ timeoutMs: 100 }, environment), { code: 'ERR_BATON_TIMEOUT' });
});

test('with an agent a failure goes into the state file, and the hook succeeds', async (t) => {
  const directory = temporaryDirectory(t);
  const agent = fakeAgent(t, directory);
  await until('the agent listens', () => fs.existsSync(join(directory, 'agent.sock')));
  const result = await migrate(directory, [9, 0], '--timeout', '0.2');
  t.is(result.code, 0, result.stderr);
  t.regex(result.stderr, /ERR_BATON_TIMEOUT[\s\S]*agent was told/);
  t.is(readStateFile(join(directory, '9.json'))?.error?.code, 'ERR_BATON_TIMEOUT');
  await until('a datagram', () => agent.received().some((line) => line.includes('"failed"')));
});

test('an error that migrate wrote survives the heartbeat of a living process', async (t) => {
  const directory = temporaryDirectory(t);
  fakeAgent(t, directory);
  await until('the agent listens', () => fs.existsSync(join(directory, 'agent.sock')));
  const sidecar = startSidecar(t, {
    version: 1,
    directory,
    port: await freePort(),
    script: 'test/fixtures/never-ready.js',
  });
  await untilPhase(sidecar, 'starting');
  t.is((await migrate(directory, [1, 0], '--timeout', '0.2')).code, 0);
  const written = sidecar.state()?.heartbeatAt ?? 0;
  await until('two heartbeats', () => (sidecar.state()?.heartbeatAt ?? 0) > written + 1500);
  t.is(sidecar.state()?.error?.code, 'ERR_BATON_TIMEOUT');
});

test('wrong usage and malformed versions', async (t) => {
  const directory = temporaryDirectory(t);
  const usage = await migrate(directory, [1, 0], '--timeout', 'soon');
  t.is(usage.code, 2);
  t.regex(usage.stderr, /--timeout is "soon"; it must be a number above 0/);
  t.is((await migrate(directory, [1, 0], '--nonsense')).code, 2);
  const malformed = await migrate(directory, ['0x7', 0]);
  t.is(malformed.code, 1);
  t.regex(malformed.stderr, /^baton: ERR_BATON_VERSION: SIDECARSET_VERSION is "0x7".*\n$/);
});
