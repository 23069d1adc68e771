import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { certificate } from '../../helpers/certificate.ts';
import { freePort, startSidecar, temporaryDirectory, untilPhase, type Running } from '../../helpers/processes.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

interface Scene {
  port: number;
  old: Running;
  upgrade(): Promise<Running>;
}

/** The HTTPS example with a certificate of its own, and how to upgrade it. */
async function startScene(t: ExecutionContext): Promise<Scene> {
  const directory = temporaryDirectory(t);
  const env = certificate(t);
  const port = await freePort();
  let version = 0;
  const start = async (): Promise<Running> => {
    version += 1;
    // Another command line for each version: Node derives the session context from it.
    const script = join(directory, `v${version}.js`);
    symlinkSync(join(root, 'examples/https-echo/sidecar.js'), script);
    const running = startSidecar(t, {
      version,
      alternative: version - 1,
      directory,
      port,
      script: relative(root, script),
      env,
    });
    await untilPhase(running, 'serving');
    return running;
  };
  return { port, old: await start(), upgrade: start };
}

async function ask(port: number, agent: Agent, path = '/'): Promise<{ body: string; connection: string | undefined }> {
  const message = request({ port, host: '127.0.0.1', path, agent, rejectUnauthorized: false }).end();
  const [response] = (await once(message, 'response')) as [import('node:http').IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { body, connection: response.headers.connection };
}

/** One request on a connection of its own, with the session of an earlier one. */
async function visit(
  port: number,
  maxVersion: SecureVersion,
  session?: Buffer,
): Promise<{ session: Buffer; reused: boolean; body: string }> {
  const socket: TLSSocket = connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    maxVersion,
    ...(session && { session }),
  });
  let latest = session;
  socket.on('session', (given: Buffer) => (latest = given));
  await once(socket, 'secureConnect');
  const reused = socket.isSessionReused();
  socket.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
  let body = '';
  for await (const chunk of socket) body += String(chunk);
  if (!latest) throw new Error('the server gave no session');
  return { session: latest, reused, body };
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: a client resumes its session at the next version, and at the one after`, async (t) => {
    const scene = await startScene(t);
    const first = await visit(scene.port, maxVersion);
    t.false(first.reused);
    const next = await scene.upgrade();
    const second = await visit(scene.port, maxVersion, first.session);
    t.regex(second.body, /version 2/);
    t.true(second.reused);
    scene.old.kill('SIGTERM');
    await scene.old.exited;
    t.truthy(next.state());
    await scene.upgrade();
    const third = await visit(scene.port, maxVersion, second.session);
    t.regex(third.body, /version 3/);
    t.true(third.reused);
  });
}

test('an open TLS connection ends with its next answer, one in hand too, and no request fails', async (t) => {
  const scene = await startScene(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const slowAgent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => {
    agent.destroy();
    slowAgent.destroy();
  });
  t.like(await ask(scene.port, agent), { body: 'hello from version 1\n', connection: 'keep-alive' });
  const slow = ask(scene.port, slowAgent, '/?delay=4000');
  await ask(scene.port, new Agent({ keepAlive: false }));
  await scene.upgrade();
  t.like(await slow, { body: 'hello from version 1\n', connection: 'close' });
  t.like(await ask(scene.port, agent), { body: 'hello from version 1\n', connection: 'close' });
  t.like(await ask(scene.port, agent), { body: 'hello from version 2\n', connection: 'keep-alive' });
  await untilPhase(scene.old, 'drained');
});

test('under load, five upgrades: no TLS request fails', async (t) => {
  const scene = await startScene(t);
  let running = true;
  let count = 0;
  const clients = Array.from({ length: 20 }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (; running; count += 1) t.regex((await ask(scene.port, agent)).body, /^hello/);
    agent.destroy();
  });
  let { old } = scene;
  for (let upgrades = 0; upgrades < 5; upgrades += 1) {
    const next = await scene.upgrade();
    await untilPhase(old, 'drained');
    old.kill('SIGTERM');
    await old.exited;
    old = next;
  }
  running = false;
  await Promise.all(clients);
  t.true(count > 100, `${count} requests`);
});
