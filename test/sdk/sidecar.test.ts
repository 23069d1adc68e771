import { statSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, createServer as createNetServer, type AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { createSidecar } from '../../sdk/create.ts';
import type { Sidecar } from '../../sdk/sidecar.ts';
import { processEnvironment, type Environment } from '../../sdk/environment.ts';
import { readStateFile, stateAtStart, writeStateFile } from '../../sdk/state-file.ts';
import { createTestSidecar } from '../../sdk/testing.ts';
import { temporaryDirectory, until } from '../helpers/processes.ts';

/** The surroundings of one of several sidecars in this process. */
const environmentOf = (directory: string, version: number, alternative = 0): Environment => ({
  ...processEnvironment(),
  env: {
    BATON_DIR: directory,
    SIDECARSET_VERSION: String(version),
    SIDECARSET_VERSION_ALT: String(alternative),
  },
  onTerminate: () => () => undefined,
  exit: (code) => {
    throw new Error(`exit ${code}`);
  },
});

async function realSidecar(t: ExecutionContext): Promise<Sidecar> {
  const sidecar = await createSidecar({}, environmentOf(temporaryDirectory(t), 1));
  t.teardown(() => sidecar.close());
  return sidecar;
}

function double(t: ExecutionContext): Promise<Sidecar> {
  const sidecar = createTestSidecar();
  t.teardown(() => sidecar.close());
  return Promise.resolve(sidecar);
}

const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;

// The double is only worth something while it behaves like the real thing.
for (const [kind, make] of [
  ['the real sidecar', realSidecar],
  ['the test double', double],
] as const) {
  test(`${kind}: is the first of its version`, async (t) => {
    const sidecar = await make(t);
    t.is(sidecar.role, 'first');
    t.is(sidecar.version, '1');
  });

  test(`${kind}: serves after ready, not before`, async (t) => {
    const sidecar = await make(t);
    const server = createServer((_, response) => response.end('hello'));
    await sidecar.serve(server, { name: 'http', host: '127.0.0.1', port: 0 });
    t.false(server.listening);
    await sidecar.ready();
    const response = await fetch(`http://127.0.0.1:${portOf(server)}/`);
    t.is(await response.text(), 'hello');
  });

  test(`${kind}: keeps state as it was when it was put`, async (t) => {
    const sidecar = await make(t);
    const bytes = Buffer.from('kept');
    sidecar.state.put('key', bytes);
    bytes.write('gone');
    t.is(String(sidecar.state.get('key')), 'kept');
    t.is(sidecar.state.get('other'), undefined);
  });

  test(`${kind}: refuses state that no frame could carry`, async (t) => {
    const { state } = await make(t);
    const mebibyte = 1024 * 1024;
    t.throws(() => state.put('key', Buffer.alloc(8 * mebibyte + 1)), { code: 'ERR_BATON_STATE_TOO_LARGE' });
    t.throws(() => state.put('x'.repeat(257), Buffer.alloc(1)), { code: 'ERR_BATON_ARGUMENT' });
    t.throws(() => state.put(undefined as never, Buffer.alloc(1)), { code: 'ERR_BATON_ARGUMENT' });
    t.throws(() => state.put('key', 'text' as never), { code: 'ERR_BATON_ARGUMENT' });
    t.is(state.get('key'), undefined);
  });

  test(`${kind}: refuses what cannot be served`, async (t) => {
    const sidecar = await make(t);
    const listening = createNetServer().listen(0, '127.0.0.1');
    await once(listening, 'listening');
    t.teardown(() => listening.close());
    await t.throwsAsync(sidecar.serve(listening, { port: 0 }), { code: 'ERR_BATON_LISTENING' });
    await t.throwsAsync(sidecar.serve(createNetServer(), {}), { code: 'ERR_BATON_ARGUMENT' });
    await t.throwsAsync(sidecar.serve(createNetServer(), { port: 1, path: '/x' }), { code: 'ERR_BATON_ARGUMENT' });
    await t.throwsAsync(sidecar.serve({} as never, { port: 0 }), { code: 'ERR_BATON_KIND' });
    await sidecar.serve(createNetServer(), { name: 'a', host: '127.0.0.1', port: 0 });
    await t.throwsAsync(sidecar.serve(createNetServer(), { name: 'a', host: '127.0.0.1', port: 0 }), {
      code: 'ERR_BATON_NAME_IN_USE',
    });
    await sidecar.ready();
    await t.throwsAsync(sidecar.ready(), { code: 'ERR_BATON_ARGUMENT' });
    await t.throwsAsync(sidecar.serve(createNetServer(), { name: 'b', port: 0 }), { code: 'ERR_BATON_ARGUMENT' });
  });

  test(`${kind}: close ends its servers`, async (t) => {
    const sidecar = await make(t);
    const server = createNetServer();
    await sidecar.serve(server, { name: 'net', host: '127.0.0.1', port: 0 });
    await sidecar.ready();
    const port = portOf(server);
    await sidecar.close();
    const client = connect(port, '127.0.0.1');
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    t.is(error.code, 'ECONNREFUSED');
  });
}

test('the successor of a test double has the state that was kept, and the next version', (t) => {
  const old = createTestSidecar({ state: { settings: Buffer.from('1') } });
  old.state.put('counts', Buffer.from('2'));
  const next = old.succeed();
  t.is(next.role, 'successor');
  t.is(next.version, '2');
  t.deepEqual(
    [...next.kept()].map(([key, bytes]) => [key, String(bytes)]),
    [
      ['settings', '1'],
      ['counts', '2'],
    ],
  );
  next.state.put('counts', Buffer.from('3'));
  t.is(String(old.state.get('counts')), '2');
});

test('a real successor gets the socket and the state, and reports its progress', async (t) => {
  const directory = temporaryDirectory(t);
  const seen: string[] = [];
  const old = await createSidecar({ onProgress: ({ type }) => seen.push(`old ${type}`) }, environmentOf(directory, 1));
  t.teardown(() => old.close());
  const server = createServer((_, response) => response.end('old'));
  await old.serve(server, { name: 'http', host: '127.0.0.1', port: 0 });
  await old.ready();
  const port = portOf(server);
  old.state.put('settings', Buffer.from('blue'));

  const next = await createSidecar(
    { onProgress: ({ type }) => seen.push(`new ${type}`) },
    environmentOf(directory, 2, 1),
  );
  t.teardown(() => next.close());
  t.is(next.role, 'successor');
  t.is(String(next.state.get('settings')), 'blue');
  const nextServer = createServer((_, response) => response.end('new'));
  await next.serve(nextServer, { name: 'http', host: '127.0.0.1', port: 0 });
  t.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'old');
  await next.ready();
  t.is(portOf(nextServer), port);
  t.is(await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text(), 'new');

  await next.close();
  const again = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  t.is(await again.text(), 'old');
  for (const step of ['old offered', 'new offered', 'old ready', 'new serving', 'old takenBack']) {
    t.true(seen.includes(step), `${step} in ${seen.join(', ')}`);
  }
});

test('the largest state there may be, under the longest key, goes over', async (t) => {
  const directory = temporaryDirectory(t);
  const old = await createSidecar({}, environmentOf(directory, 1));
  t.teardown(() => old.close());
  await old.ready();
  // A control character takes six bytes of JSON.
  const key = '\u0001'.repeat(256);
  old.state.put(key, Buffer.alloc(8 * 1024 * 1024, 1));
  const next = await createSidecar({}, environmentOf(directory, 2, 1));
  t.teardown(() => next.close());
  t.is(next.state.get(key)?.length, 8 * 1024 * 1024);
});

test('everybody may read the state file, whatever the umask is', (t) => {
  const path = join(temporaryDirectory(t), '1.json');
  const umask = process.umask(0o077);
  try {
    writeStateFile(path, stateAtStart({ version: '1', role: 'first' }, processEnvironment()));
  } finally {
    process.umask(umask);
  }
  t.is(statSync(path).mode & 0o777, 0o644);
});

test('a second process of one version is refused, and leaves the state file of the first alone', async (t) => {
  const directory = temporaryDirectory(t);
  const first = await createSidecar({}, environmentOf(directory, 2));
  t.teardown(() => first.close());
  await first.ready();
  for (const alternative of [0, 1]) {
    await t.throwsAsync(createSidecar({}, environmentOf(directory, 2, alternative)), {
      code: 'ERR_BATON_VERSION_IN_USE',
    });
    const state = readStateFile(`${directory}/2.json`);
    t.is(state?.phase, 'serving');
    t.is(state?.error, undefined);
  }
});

test('an idle copy ends its wait too, also where the signal was given before', async (t) => {
  const reason = new Error('enough');
  const environment = environmentOf(temporaryDirectory(t), 0);
  const error = await t.throwsAsync(createSidecar({ signal: AbortSignal.abort(reason) }, environment));
  t.is(error, reason);
});

test('waiting for a predecessor can be given up', async (t) => {
  const directory = temporaryDirectory(t);
  const owner = await createSidecar({}, environmentOf(directory, 5));
  t.teardown(() => owner.close());
  const reason = new Error('enough');
  const abort = new AbortController();
  const stale = createSidecar({ signal: abort.signal }, environmentOf(directory, 3, 5));
  setTimeout(() => abort.abort(reason), 100);
  const error = await t.throwsAsync(stale);
  t.is(error, reason);
});

test('an owner that does not answer is reported after the time-out', async (t) => {
  const directory = temporaryDirectory(t);
  const owner = await createSidecar({}, environmentOf(directory, 5));
  t.teardown(() => owner.close());
  await t.throwsAsync(createSidecar({ timeoutMs: 200 }, environmentOf(directory, 6, 4)), { code: 'ERR_BATON_OWNER' });
});

test('what was put between the offer and the commit point arrives too, but for what the successor put itself', async (t) => {
  const directory = temporaryDirectory(t);
  const old = await createSidecar({}, environmentOf(directory, 1));
  t.teardown(() => old.close());
  await old.serve(createServer(), { name: 'http', host: '127.0.0.1', port: 0 });
  await old.ready();
  old.state.put('early', Buffer.from('1'));
  old.state.put('both', Buffer.from('old'));
  const next = await createSidecar({}, environmentOf(directory, 2, 1));
  t.teardown(() => next.close());
  await next.serve(createServer(), { name: 'http', host: '127.0.0.1', port: 0 });
  old.state.put('early', Buffer.from('2'));
  old.state.put('late', Buffer.alloc(3_000_000, 'x'));
  next.state.put('both', Buffer.from('new'));
  old.state.put('both', Buffer.from('older'));
  t.is(String(next.state.get('early')), '1');
  await next.ready();
  t.is(String(next.state.get('early')), '2');
  t.is(next.state.get('late')?.length, 3_000_000);
  t.is(String(next.state.get('both')), 'new');
});

test.serial('a progress listener that throws does not leave a handover half done', async (t) => {
  const directory = temporaryDirectory(t);
  const thrown: unknown[] = [];
  const note = (error: unknown): void => void thrown.push(error);
  process.setUncaughtExceptionCaptureCallback(note);
  t.teardown(() => process.setUncaughtExceptionCaptureCallback(null));
  const onProgress = (): never => {
    throw new Error('listener');
  };
  const old = await createSidecar({ onProgress }, environmentOf(directory, 1));
  t.teardown(() => old.close());
  const server = createServer((_, response) => response.end('old'));
  await old.serve(server, { name: 'http', host: '127.0.0.1', port: 0 });
  await old.ready();
  const client = connect(portOf(server), '127.0.0.1');
  await once(client, 'connect');
  const next = await createSidecar({}, environmentOf(directory, 2, 1));
  t.teardown(() => next.close());
  const nextServer = createServer((_, response) => response.end('new'));
  await next.serve(nextServer, { name: 'http', host: '127.0.0.1', port: 0 });
  await next.ready();
  await until('the old one drained', () => readStateFile(join(directory, '1.json'))?.phase === 'drained');
  client.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
  let body = '';
  for await (const chunk of client) body += String(chunk);
  t.regex(body, /new$/);
  t.true(thrown.length > 0);
});
