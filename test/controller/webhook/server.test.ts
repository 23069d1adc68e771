import { once } from 'node:events';
import { Agent } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import test from 'ava';
import { issueServing } from '../../../controller/webhook/certificates/issue.ts';
import { MAX_ADMISSION } from '../../../controller/webhook/body.ts';
import { until, type Scope } from '../../helpers/processes.ts';
import { pod, podReview, serve, setOf, setReview, type Running } from './helpers.ts';

/** A connection on which a test says what it likes. */
async function dial(t: Scope, { port, authority }: Running): Promise<{ socket: TLSSocket; heard: () => string }> {
  const socket = connect({ host: '127.0.0.1', port, ca: authority.certificate });
  t.teardown(() => socket.destroy());
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return { socket, heard: () => heard };
}

test('what is no request for a review gets the HTTP error that says so', async (t) => {
  const { post, errors } = await serve(t);
  const review = podReview(pod);
  const is = async (status: number, ...request: Parameters<Running['post']>): Promise<Record<string, unknown>> => {
    const answer = await post(...request);
    t.is(answer.status, status, answer.text);
    const body = JSON.parse(answer.text) as { kind: string; code: number; message: string };
    t.like(body, { kind: 'Status', code: status });
    return { ...answer.headers, message: body.message };
  };
  await is(404, '/', review);
  await is(404, '/mutate-pods/', review);
  t.like(await is(405, '/mutate-pods', '', { method: 'GET' }), { allow: 'POST' });
  await is(405, '/convert', review, { method: 'PUT' });
  await is(415, '/mutate-pods', review, { headers: { 'content-type': 'text/plain' } });
  await is(415, '/mutate-pods', review, { headers: { 'content-encoding': 'gzip' } });
  await is(400, '/mutate-pods', '');
  await is(400, '/mutate-pods', '{"a":');
  await is(400, '/mutate-pods', Buffer.from([0x22, 0xff, 0x22]));
  await is(400, '/mutate-pods', '['.repeat(1_000_000) + ']'.repeat(1_000_000));
  await is(400, '/mutate-pods', `{"request":`.repeat(100_000) + '1' + '}'.repeat(100_000));
  t.is(
    (await post('/mutate-pods', review, { headers: { 'content-type': 'application/json; charset=utf-8' } })).status,
    200,
  );
  t.deepEqual(errors, []);
});

test('a malformed review is 400 and its field is named', async (t) => {
  const { post } = await serve(t);
  const review = podReview(pod) as { request: object };
  const wrong: [body: unknown, field: RegExp][] = [
    [null, /an object/],
    [{ ...review, apiVersion: 'admission.k8s.io/v1beta1' }, /apiVersion/],
    [{ ...review, kind: 'ConversionReview' }, /kind/],
    [{ ...review, request: [] }, /request:/],
    [{ ...review, request: { ...review.request, uid: '' } }, /request\.uid/],
    [{ ...review, request: { ...review.request, operation: 1 } }, /request\.operation/],
    [{ ...review, request: { ...review.request, resource: 'pods' } }, /request\.resource/],
    [{ ...review, request: { ...review.request, object: 'x' } }, /request\.object/],
    [{ ...review, request: { ...review.request, object: {} } }, /request\.object\.metadata/],
    [{ ...review, request: { ...review.request, oldObject: [] } }, /request\.oldObject/],
  ];
  for (const path of ['/mutate-pods', '/mutate-sidecarsets', '/validate-sidecarsets']) {
    for (const [body, field] of wrong) {
      const { status, text } = await post(path, body);
      t.is(status, 400);
      t.regex(text, field);
    }
  }
});

test('a body that is too long is 413, whether its length is said or not, and the client reads it', async (t) => {
  const { post } = await serve(t);
  const long = Buffer.alloc(MAX_ADMISSION + 1, 0x20);
  t.is((await post('/mutate-pods', long)).status, 413);
  t.is((await post('/mutate-pods', long, { headers: { 'transfer-encoding': 'chunked' } })).status, 413);
  const fits = JSON.stringify(podReview(pod)).padEnd(MAX_ADMISSION);
  t.is((await post('/mutate-pods', fits)).status, 200);
  // A list is converted as a whole.
  const list = { uid: 'u', desiredAPIVersion: 'apps.kruise.io/v1alpha1', objects: [setOf()] };
  const conversion = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'ConversionReview', request: list };
  t.is((await post('/convert', JSON.stringify(conversion).padEnd(MAX_ADMISSION * 2))).status, 200);
});

test('before the cluster is known, the API server is asked to ask again, and defaults are set all the same', async (t) => {
  let isKnown = false;
  const sources = { sidecarSets: [setOf()], namespaces: [], revisions: [] };
  const { post } = await serve(t, { sources: () => (isKnown ? sources : undefined) });
  for (const [path, review] of [
    ['/mutate-pods', podReview(pod)],
    ['/validate-sidecarsets', setReview(setOf())],
  ] as const) {
    const { status, headers } = await post(path, review);
    t.is(status, 503);
    t.like(headers, { 'retry-after': '1', connection: 'close' });
  }
  t.is((await post('/mutate-sidecarsets', setReview(setOf()))).status, 200);
  isKnown = true;
  t.is((await post('/mutate-pods', podReview(pod))).status, 200);
});

test('a mistake of Baton is 500, told, and says nothing to the client', async (t) => {
  const { post, errors } = await serve(t, {
    sources: () => {
      throw new Error('secret');
    },
  });
  const { status, text } = await post('/mutate-pods', podReview(pod));
  t.is(status, 500);
  t.false(text.includes('secret'));
  t.regex(String(errors), /secret/);
});

test.serial('1,000 requests at once are answered, each with its own', async (t) => {
  const answers: string[] = [];
  const server = await serve(t, {
    onAnswer: ({ path, status, allowed }) => answers.push(`${path} ${status} ${allowed}`),
  });
  const agent = new Agent({ ca: server.authority.certificate, keepAlive: true, maxSockets: 200 });
  t.teardown(() => agent.destroy());
  const got = await Promise.all(
    Array.from({ length: 1000 }, (_, index) =>
      server.post('/mutate-pods', podReview(pod, { uid: `u-${index}` }), { agent }),
    ),
  );
  for (const [index, { status, response }] of got.entries()) {
    t.is(status, 200);
    t.like(response, { uid: `u-${index}`, allowed: true, patchType: 'JSONPatch' });
  }
  t.deepEqual(new Set(answers), new Set(['/mutate-pods 200 true']));
  t.is(answers.length, 1000);
});

test('connections are kept', async (t) => {
  const server = await serve(t);
  const agent = new Agent({ ca: server.authority.certificate, keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  let connections = 0;
  agent.on('free', () => (connections = Object.values(agent.freeSockets).flat().length));
  for (let round = 0; round < 5; round++) {
    const { headers } = await server.post('/mutate-pods', podReview(pod), { agent });
    t.is(headers.connection, 'keep-alive');
  }
  t.is(connections, 1);
  // Longer than the 90 s after which an API server gives a connection up.
  t.regex(String((await server.post('/mutate-pods', podReview(pod), { agent })).headers['keep-alive']), /timeout=120/);
});

test('who is slow is cut off and holds nobody up', async (t) => {
  const server = await serve(t);
  const head = await dial(t, server);
  head.socket.write('POST /mutate-pods HTTP/1.1\r\nhost: x\r\n');
  const body = await dial(t, server);
  body.socket.write(
    'POST /mutate-pods HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
  );
  const drip = setInterval(() => body.socket.write(' '), 500);
  t.teardown(() => clearInterval(drip));
  const silent = connectPlain(server.port, '127.0.0.1');
  t.teardown(() => silent.destroy());
  const ends = [head.socket, body.socket, silent].map((socket) => once(socket.resume(), 'close'));
  t.is((await server.post('/mutate-pods', podReview(pod))).status, 200);
  await Promise.all(ends);
  t.regex(head.heard(), /^HTTP\/1\.1 408 /);
  t.regex(body.heard(), /^HTTP\/1\.1 408 /);
  t.deepEqual(server.errors, []);
});

test('a client that goes away in the middle is nobody’s mistake', async (t) => {
  const server = await serve(t);
  const { socket } = await dial(t, server);
  socket.write(
    'POST /mutate-pods HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a"',
  );
  socket.destroy();
  t.is((await server.post('/mutate-pods', podReview(pod))).status, 200);
  await server.close(0);
  t.deepEqual(server.errors, []);
});

// Alone: the others keep this process, in which the clients are too, from being in time.
test.serial('another certificate under load costs no request', async (t) => {
  const server = await serve(t);
  const serials = new Set<string>();
  let requests = 0;
  let stop = false;
  const load = Array.from({ length: 20 }, async (_, client) => {
    // Half of them connect anew for each request, as after each rotation some will.
    const agent = new Agent({ ca: server.authority.certificate, keepAlive: client % 2 === 0, maxSockets: 1 });
    t.teardown(() => agent.destroy());
    while (!stop) {
      const { status, serial } = await server.post('/mutate-pods', podReview(pod), { agent });
      t.is(status, 200);
      // A connection that resumes a TLS session is not shown the certificate again.
      if (serial !== '') serials.add(serial);
      requests++;
    }
  });
  for (let rotation = 1; rotation <= 5; rotation++) {
    server.setKeyPair(await issueServing(server.authority, ['127.0.0.1'], Date.now()));
    const before = requests;
    await until('the new certificate is served', () => serials.size > rotation && requests > before + 20);
  }
  stop = true;
  await Promise.all(load);
  t.is(serials.size, 6);
});

test('a connection that never asked for anything does not hold the end up', async (t) => {
  const server = await serve(t);
  const { socket } = await dial(t, server);
  const ended = once(socket, 'close');
  const since = performance.now();
  await server.close(0);
  await ended;
  t.true(performance.now() - since < 5_000);
});

test.serial('closing under load costs no request: connections close behind an answer', async (t) => {
  const server = await serve(t);
  const agent = new Agent({ ca: server.authority.certificate, keepAlive: true, maxSockets: 20 });
  t.teardown(() => agent.destroy());
  let closing = false;
  let lastConnection: string | undefined;
  const client = async (): Promise<void> => {
    while (!closing) {
      const { status, headers } = await server.post('/mutate-pods', podReview(pod), { agent });
      t.is(status, 200);
      lastConnection = headers.connection;
    }
  };
  const load = Array.from({ length: 20 }, client);
  const closed = server.close(1000);
  await until('connections close', () => lastConnection === 'close');
  closing = true;
  await Promise.all(load);
  await closed;
  await t.throwsAsync(server.post('/mutate-pods', podReview(pod)), { code: 'ECONNREFUSED' });
});
