import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { ClientHttp2Session } from 'node:http2';
import type { SecureVersion, TLSSocket } from 'node:tls';
import test from 'ava';
import { certificate } from '../../helpers/certificate.ts';
import { connectClient, get } from '../../helpers/client.ts';
import { until, untilPhase } from '../../helpers/processes.ts';
import { createScene } from '../../helpers/scene.ts';
import { startLine } from '../upgrades.ts';
import { ask, openSession, startStreams } from './clients.ts';

const script = 'test/fixtures/http2-server.js';
const example = 'examples/http2-echo/sidecar.js';

/** How a session ended, when it did. */
const watch = (session: ClientHttp2Session): { goaways: number[]; closed: boolean; error?: string } => {
  const seen: { goaways: number[]; closed: boolean; error?: string } = { goaways: [], closed: false };
  session.on('goaway', (code: number) => seen.goaways.push(code));
  session.on('error', (error: NodeJS.ErrnoException) => (seen.error = String(error.code)));
  session.on('close', () => (seen.closed = true));
  return seen;
};

for (const secure of [false, true]) {
  const kind = secure ? 'secure' : 'clear';

  for (const server of [script, example]) {
    test.serial(
      `${kind}: a stream that goes on for long ends where it is, and the drain waits (${server})`,
      async (t) => {
        const line = await startLine(t, { script: server, ...(secure && { env: certificate(t) }) });
        const session = await openSession(t, line.port, { secure });
        const seen = watch(session);
        const long = ask(session, '/?lines=30');
        const old = await line.upgrade();
        await until('GOAWAY', () => seen.goaways.length > 0);
        t.is(old.state()?.phase, 'draining');
        const outcome = await long;
        t.like(outcome, { kind: 'answered', version: '100' });
        t.is(outcome.kind === 'answered' && outcome.body.split('\n').length, 32);
        t.like((await line.retire(old)).counters, { finished: 1, cut: 0, moved: 0 });
        await until('the end', () => seen.closed);
        t.deepEqual([...new Set(seen.goaways)], [0]);
        t.is(seen.error, undefined);
        t.like(await ask(await openSession(t, line.port, { secure })), { kind: 'answered', version: '101' });
      },
    );
  }

  test.serial(`${kind}: CONNECT goes on until its client ends it`, async (t) => {
    const line = await startLine(t, { script, ...(secure && { env: certificate(t) }) });
    const session = await openSession(t, line.port, { secure });
    const seen = watch(session);
    const tunnel = session.request({ ':method': 'CONNECT', ':authority': 'there:1' }).setEncoding('utf8');
    let heard = '';
    tunnel.on('data', (chunk: string) => (heard += chunk));
    tunnel.write('before');
    await until('an echo', () => heard === '100:before');
    const old = await line.upgrade();
    await until('GOAWAY', () => seen.goaways.length > 0);
    tunnel.write('after');
    await until('an echo', () => heard === '100:before100:after');
    t.is(old.state()?.phase, 'draining');
    tunnel.end();
    await until('the end', () => seen.closed);
    t.like((await line.retire(old)).counters, { finished: 1, cut: 0 });
  });

  test.serial(`${kind}: what is left when the drain may take no longer is cut`, async (t) => {
    const env = { SIDECAR_OPTIONS: '{"drainTimeoutMs":1000}', ...(secure && certificate(t)) };
    const line = await startLine(t, { script, env });
    const [one, two] = [await openSession(t, line.port, { secure }), await openSession(t, line.port, { secure })];
    const seen = [watch(one), watch(two)];
    const [endless, brief] = [ask(one, '/?lines=100000'), ask(two)];
    t.like(await brief, { kind: 'answered' });
    const old = await line.upgrade();
    t.like((await line.retire(old)).counters, { finished: 1, cut: 1 });
    t.is((await endless).kind, 'failed');
    await until('both are closed', () => seen.every(({ closed }) => closed));
  });

  test.serial(
    `${kind}: SIGTERM to the successor: sessions go back to the old version, and no stream fails`,
    async (t) => {
      const line = await startLine(t, { script, ...(secure && { env: certificate(t) }) });
      const load = startStreams(t, line.port, { secure, clients: 5 });
      const old = await line.upgrade();
      await untilPhase(old, 'drained');
      await load.goOn(5, 101);
      const successor = line.current();
      successor.kill('SIGTERM');
      t.like(await successor.exited, { code: 0 });
      await untilPhase(old, 'serving');
      await load.goOn(5, 100);
      await load.stop();
      t.deepEqual(load.failures(), []);
    },
  );

  test.serial(`${kind}: SIGTERM to the only one: its clients are told before the end, and finish`, async (t) => {
    const env = { SIDECAR_OPTIONS: '{"gracePeriodMs":3000}', ...(secure && certificate(t)) };
    const line = await startLine(t, { script, env });
    const session = await openSession(t, line.port, { secure });
    const seen = watch(session);
    const process = line.current();
    process.kill('SIGTERM');
    await untilPhase(process, 'stopping');
    // A proxy outlives its application: it goes on while there is time.
    t.like(await ask(session), { kind: 'answered' });
    t.deepEqual(seen.goaways, []);
    const kinds: string[] = [];
    while (seen.goaways.length === 0) kinds.push((await ask(session, '/?lines=4')).kind);
    // The one that was open at GOAWAY is among them; one more may have come too late to be sent.
    t.deepEqual([...new Set(kinds.slice(0, -1))], ['answered']);
    t.true(['answered', 'unsent'].includes(kinds.at(-1) ?? ''));
    t.like(await process.exited, { code: 0 });
    await until('closed', () => seen.closed);
    t.is(seen.error, undefined);
  });
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const satisfies SecureVersion[]) {
  test.serial(`${maxVersion}: a client resumes its session at the next version`, async (t) => {
    const line = await startLine(t, { script, env: certificate(t) });
    const first = await openSession(t, line.port, { secure: true, maxVersion });
    let ticket: Buffer | undefined;
    (first.socket as TLSSocket).on('session', (given: Buffer) => (ticket = given));
    t.like(await ask(first), { kind: 'answered', version: '100' });
    t.false((first.socket as TLSSocket).isSessionReused());
    const given = await until('a ticket', () => ticket ?? (first.socket as TLSSocket).getSession());
    await line.replace();
    const second = await openSession(t, line.port, { secure: true, maxVersion, session: given });
    t.true((second.socket as TLSSocket).isSessionReused());
    t.like(await ask(second), { kind: 'answered', version: '101' });
  });
}

test.serial('allowHTTP1: a client of HTTP/1.1 is told with its next answer, as one of https is', async (t) => {
  const line = await startLine(t, { script: example, env: certificate(t) });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const fetch = async (path = '/'): Promise<{ version: unknown; connection: unknown }> => {
    const message = request({ port: line.port, host: '127.0.0.1', path, agent, rejectUnauthorized: false }).end();
    const [response] = (await once(message, 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return { version: response.headers['x-sidecar-version'], connection: response.headers.connection };
  };
  t.deepEqual(await fetch(), { version: '100', connection: 'keep-alive' });
  const old = await line.upgrade();
  t.deepEqual(await fetch(), { version: '100', connection: 'close' });
  t.deepEqual(await fetch(), { version: '101', connection: 'keep-alive' });
  t.like((await line.retire(old)).counters, { finished: 1, cut: 0 });
  // One whose answer is under way when the upgrade comes, before its head is sent.
  const slow = fetch('/?delay=1500');
  const next = await line.upgrade();
  t.deepEqual(await slow, { version: '101', connection: 'close' });
  await line.retire(next);
});

test.serial(
  'the version before spoke HTTP/1.1: its connections stay there, and end with their next answer',
  async (t) => {
    const { start, port } = await createScene(t);
    const env = { SERVE_OPTIONS: '{"name":"http2"}' };
    const predecessor = start({ version: 100, script: 'test/fixtures/http-server.js', env });
    await untilPhase(predecessor, 'serving');
    const client = await connectClient(port);
    client.send(get());
    t.is((await client.response()).version, '100');
    const successor = start({ version: 200, alternative: 100, script });
    await untilPhase(successor, 'serving');
    await until('it is refused', () => successor.frames('sent nack') === 1);
    client.send(get());
    const { head, version } = await client.response();
    t.is(version, '100');
    t.regex(head, /^connection: close/im);
    t.like((await untilPhase(predecessor, 'drained')).counters, { moved: 0, finished: 1, cut: 0 });
    t.like(await ask(await openSession(t, port)), { kind: 'answered', version: '200' });
  },
);
