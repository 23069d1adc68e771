import { once } from 'node:events';
import * as fs from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { connectClient, get } from '../helpers/client.ts';
import { freePort, temporaryDirectory, until } from '../helpers/processes.ts';
import { run } from './run.ts';

/** The old version and the new, as in two terminals; the second call ends the old one once it may. */
async function twoTerminals(t: ExecutionContext, file: string, env: Record<string, string>) {
  const BATON_DIR = temporaryDirectory(t);
  const start = async (version: string, alternative?: string) => {
    const versions = { SIDECARSET_VERSION: version, ...(alternative && { SIDECARSET_VERSION_ALT: alternative }) };
    const running = run(t, file, { ...env, ...versions, BATON_DIR });
    await until(`version ${version} serves`, () => {
      if (running.child.exitCode !== null) throw new Error(running.output());
      return running.output().includes(`version ${version} `);
    });
    return running;
  };
  const old = await start('1');
  return {
    upgrade: () => start('2', '1'),
    async endOld() {
      old.kill('SIGTERM');
      t.is((await old.exited).code, 0, old.output());
    },
  };
}

for (const name of ['smallest', 'http-echo']) {
  test.serial(`examples/${name}: a keep-alive client sees the version change, and no close`, async (t) => {
    const port = await freePort();
    const sidecar = await twoTerminals(t, `examples/${name}/sidecar.js`, { PORT: String(port) });
    const client = await connectClient(port);
    client.send(get());
    t.regex((await client.response()).body, /^hello from version 1\b/);
    await sidecar.upgrade();
    await sidecar.endOld();
    client.send(get());
    t.regex((await client.response()).body, /^hello from version 2\b/);
    t.is(client.closed(), undefined);
  });
}

test.serial(
  'examples/http2-echo: a client is asked to leave, finishes, and is answered by the new version',
  async (t) => {
    const port = await freePort();
    const sidecar = await twoTerminals(t, 'examples/http2-echo/sidecar.js', { PORT: String(port) });
    const open = () => {
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      t.teardown(() => session.destroy());
      return session;
    };
    const ask = async (session: ReturnType<typeof open>, path: string): Promise<string> => {
      let body = '';
      for await (const chunk of session.request({ ':path': path }).setEncoding('utf8')) body += String(chunk);
      return body;
    };
    const session = open();
    const goaway = once(session, 'goaway');
    const slow = ask(session, '/?lines=20');
    await sidecar.upgrade();
    t.is((await goaway)[0], 0);
    t.is(await ask(open(), '/'), 'hello from version 2\n');
    t.regex(await slow, /^line 20\n[^]*line 1\nhello from version 1\n$/);
    await sidecar.endOld();
  },
);

test.serial('examples/smallest has at most 20 lines', (t) => {
  t.true(fs.readFileSync('examples/smallest/sidecar.js', 'utf8').trimEnd().split('\n').length <= 20);
});

async function listen(t: ExecutionContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

const proxyEnv = (port: number, upstream: number) => ({ LISTEN: String(port), UPSTREAM: `127.0.0.1:${upstream}` });

test.serial('examples/tcp-proxy: what is connected stays, what comes goes to the new version', async (t) => {
  const upstream = await listen(
    t,
    createHttp((request, response) => response.end(request.url)),
  );
  const port = await freePort();
  const sidecar = await twoTerminals(t, 'examples/tcp-proxy/sidecar.js', proxyEnv(port, upstream));
  const connected = await connectClient(port);
  connected.send(get('/a'));
  t.is((await connected.response()).body, '/a');
  await sidecar.upgrade();
  connected.send(get('/b'));
  t.is((await connected.response()).body, '/b');
  const ended = sidecar.endOld();
  await delay(200);
  const fresh = await connectClient(port);
  fresh.send(get('/c'));
  t.is((await fresh.response()).body, '/c');
  // The old version waits for its last client.
  connected.send(get('/d'));
  t.is((await connected.response()).body, '/d');
  connected.socket.end();
  await ended;
  fresh.send(get('/e'));
  t.is((await fresh.response()).body, '/e');
});

test.serial('examples/tcp-proxy: half-closed connections, large answers and broken sides', async (t) => {
  const large = 'x'.repeat(5_000_000);
  // Answers when its client has ended.
  const upstream = createServer({ allowHalfOpen: true }, (socket) => {
    let request = '';
    socket.on('data', (chunk) => (request += String(chunk)));
    socket.on('end', () => (request === 'large' ? socket.end(large) : socket.destroy()));
    socket.on('error', () => socket.destroy());
  });
  const port = await freePort();
  const env = proxyEnv(port, await listen(t, upstream));
  const proxy = await twoTerminals(t, 'examples/tcp-proxy/sidecar.js', env);
  const slow = await connectClient(port);
  slow.send('large');
  slow.socket.end();
  slow.socket.pause();
  await delay(300);
  slow.socket.resume();
  await until('all of the answer', () => slow.received().length === large.length);
  await until('closed', () => slow.closed() === 'end');

  const broken = await connectClient(port);
  broken.send('break');
  broken.socket.end();
  await until('closed', () => broken.closed());

  // A client that resets leaves nothing at the upstream.
  const gone = await connectClient(port);
  gone.send('x');
  const count = (): Promise<number> => new Promise((resolve) => upstream.getConnections((_error, n) => resolve(n)));
  await until('one at the upstream', async () => (await count()) === 1);
  gone.socket.resetAndDestroy();
  await until('none at the upstream', async () => (await count()) === 0);
  await proxy.upgrade();
  await proxy.endOld();
});

test.serial('examples/tcp-proxy: an upstream that is not there ends the connection, and the proxy lives', async (t) => {
  const port = await freePort();
  await twoTerminals(t, 'examples/tcp-proxy/sidecar.js', proxyEnv(port, await freePort()));
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const client = await connectClient(port);
    await until('closed', () => client.closed());
  }
  t.pass();
});
