import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeConfig, type User } from '@kubernetes/client-node';
import test, { type ExecutionContext } from 'ava';
import { ApiError } from '../../../api/error.ts';
import { printJson } from '../../../api/json.ts';
import { createKubernetesCluster, type KubernetesClusterOptions } from '../../../cluster/kubernetes/client.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { configMaps, leases, nodes, pods, sidecarSets } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { createFakeClock } from './fake-clock.ts';

interface Asked {
  line: string;
  headers: IncomingMessage['headers'];
  body: string;
}

interface Scene {
  cluster: Cluster;
  asked: Asked[];
  /** Connections that were opened. */
  connections: () => number;
  close: () => void;
}

/** A client of a server that answers as `answer` says; the default is an empty object. */
async function scene(
  t: ExecutionContext,
  answer: (response: ServerResponse, count: number) => void = (response) => response.end('{}'),
  {
    user = {},
    path = '',
    ...options
  }: Partial<KubernetesClusterOptions> & { user?: Partial<User>; path?: string } = {},
): Promise<Scene> {
  const asked: Asked[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString();
      asked.push({ line: `${request.method ?? ''} ${request.url ?? ''}`, headers: request.headers, body });
      answer(response, asked.length);
    });
  });
  server.on('connection', () => (connections += 1));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  t.teardown(close);
  const { port } = server.address() as AddressInfo;
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    { name: 'c', server: `http://127.0.0.1:${port}${path}`, skipTLSVerify: true },
    { name: 'u', ...user },
  );
  const cluster = createKubernetesCluster({
    config,
    userAgent: 'baton-test/1',
    limit: { qps: 1000, burst: 1000 },
    ...options,
  });
  return { cluster, asked, connections: () => connections, close };
}

const fail = (response: ServerResponse, code: number, reason: string, more: Record<string, unknown> = {}): void => {
  response.writeHead(code, { 'Content-Type': 'application/json' });
  response.end(
    JSON.stringify({ kind: 'Status', status: 'Failure', code, reason, message: `about ${reason}`, ...more }),
  );
};

const key = { namespace: 'n', name: 'a' };

test('every call asks as the API server wants to be asked', async (t) => {
  const list = { metadata: { resourceVersion: '7' }, items: null };
  const { cluster, asked } = await scene(t, (response) => response.end(JSON.stringify(list)), { path: '/k8s/one/' });
  await cluster.get(pods, key);
  await cluster.get(nodes, { name: 'node-1' });
  await cluster.get(sidecarSets, { namespace: 'ignored', name: 's' });
  await cluster.list(leases);
  await cluster.list(pods, {
    namespace: 'n',
    labels: {
      matchLabels: { a: 'b', 'x.dev/y': '' },
      matchExpressions: [
        { key: 'c', operator: 'In', values: ['1', '2'] },
        { key: 'd', operator: 'NotIn', values: ['3'] },
        { key: 'e', operator: 'Exists' },
        { key: 'f', operator: 'DoesNotExist' },
      ],
    },
    fields: { 'spec.nodeName': 'node,1', 'status.phase': 'Running' },
    limit: 5,
    next: 'a+/=',
  });
  await cluster.list(pods, { labels: {} });
  await cluster.create(configMaps, { metadata: { namespace: 'n', name: 'a' } });
  await cluster.patch(pods, key, [{ op: 'remove', path: '/x' }], { resourceVersion: '5' });
  await cluster.patch(
    pods,
    key,
    { metadata: { labels: { a: null } } },
    { resourceVersion: '5', subresource: 'status' },
  );
  await cluster.patch(pods, key, { x: 1 });
  await cluster.delete(pods, key, { gracePeriodSeconds: 0, uid: 'u' });
  t.deepEqual(
    asked.map(({ line }) => decodeURIComponent(line)),
    [
      'GET /k8s/one/api/v1/namespaces/n/pods/a',
      'GET /k8s/one/api/v1/nodes/node-1',
      'GET /k8s/one/apis/apps.kruise.io/v1beta1/sidecarsets/s',
      'GET /k8s/one/apis/coordination.k8s.io/v1/leases',
      'GET /k8s/one/api/v1/namespaces/n/pods?labelSelector=a=b,x.dev/y=,c in (1,2),d notin (3),e,!f' +
        '&fieldSelector=spec.nodeName=node\\,1,status.phase=Running&limit=5&continue=a+/=',
      'GET /k8s/one/api/v1/pods',
      'POST /k8s/one/api/v1/namespaces/n/configmaps',
      'PATCH /k8s/one/api/v1/namespaces/n/pods/a',
      'PATCH /k8s/one/api/v1/namespaces/n/pods/a/status',
      'PATCH /k8s/one/api/v1/namespaces/n/pods/a',
      'DELETE /k8s/one/api/v1/namespaces/n/pods/a',
    ],
  );
  t.deepEqual(
    asked.slice(6).map(({ headers, body }) => [headers['content-type'], JSON.parse(body) as unknown]),
    [
      ['application/json', { apiVersion: 'v1', kind: 'ConfigMap', metadata: key }],
      [
        'application/json-patch+json',
        [
          { op: 'replace', path: '/metadata/resourceVersion', value: '5' },
          { op: 'remove', path: '/x' },
        ],
      ],
      ['application/merge-patch+json', { metadata: { labels: { a: null }, resourceVersion: '5' } }],
      ['application/merge-patch+json', { x: 1 }],
      [
        'application/json',
        { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid: 'u' } },
      ],
    ],
  );
  t.is(asked[0]?.headers['user-agent'], 'baton-test/1');
});

test('what comes out goes in as it was: big integers, fractions, fields that nobody knows', async (t) => {
  const text = '{"metadata":{"name":"a"},"big":12345678901234567890,"one":1.0,"unknown":{"x":[1e3]}}';
  const { cluster, asked } = await scene(t, (response) => response.end(text));
  const object = await cluster.get(configMaps, key);
  t.is(printJson(object), text);
  await cluster.create(configMaps, object);
  t.regex(asked[1]?.body ?? '', /"big":12345678901234567890,"one":1.0,"unknown":\{"x":\[1e3\]\}/);
});

for (const [status, reason, code] of [
  [400, 'BadRequest', 'ERR_BATON_INVALID'],
  [401, 'Unauthorized', 'ERR_BATON_FORBIDDEN'],
  [403, 'Forbidden', 'ERR_BATON_FORBIDDEN'],
  [404, 'NotFound', 'ERR_BATON_NOT_FOUND'],
  [409, 'AlreadyExists', 'ERR_BATON_EXISTS'],
  [409, 'Conflict', 'ERR_BATON_CONFLICT'],
  [410, 'Expired', 'ERR_BATON_GONE'],
  [413, 'RequestEntityTooLarge', 'ERR_BATON_INVALID'],
  [422, 'Invalid', 'ERR_BATON_INVALID'],
  [500, 'InternalError', 'ERR_BATON_UNAVAILABLE'],
  [503, 'ServiceUnavailable', 'ERR_BATON_UNAVAILABLE'],
  [504, 'Timeout', 'ERR_BATON_UNAVAILABLE'],
] as const) {
  test(`${status} ${reason} is ${code}`, async (t) => {
    const { cluster, asked } = await scene(t, (response) => fail(response, status, reason));
    const error = await t.throwsAsync(cluster.get(pods, key), { instanceOf: ApiError, code });
    const request = 'GET /api/v1/namespaces/n/pods/a';
    t.deepEqual(error.facts, { status, reason, message: `about ${reason}`, request });
    t.is(error.message, `about ${reason}`);
    t.is(asked.length, 1, 'what to try again, the caller decides');
  });
}

test('a server whose history went back has forgotten where we were', async (t) => {
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  const { cluster } = await scene(t, (response) => fail(response, 504, 'Timeout', { details: { causes } }));
  await t.throwsAsync(cluster.list(pods), { code: 'ERR_BATON_GONE' });
});

test('an answer of something in between, no Status: its text is the message', async (t) => {
  const { cluster } = await scene(t, (response, count) => {
    response.writeHead(count === 1 ? 502 : 200);
    response.end('<html>Bad gateway');
  });
  await t.throwsAsync(cluster.get(pods, key), { code: 'ERR_BATON_UNAVAILABLE', message: '<html>Bad gateway' });
  await t.throwsAsync(cluster.get(pods, key), { code: 'ERR_BATON_UNAVAILABLE', message: /no JSON/ });
});

test('too many requests: tried again after as long as the server says, but not for ever', async (t) => {
  const clock = createFakeClock();
  let ends = Infinity;
  const answer = (response: ServerResponse, count: number): void => {
    response.setHeader('Retry-After', '3');
    if (count > ends) response.end('{}');
    else fail(response, 429, 'TooManyRequests');
  };
  const { cluster, asked } = await scene(t, answer, { clock });
  const refused = t.throwsAsync(cluster.get(pods, key), { code: 'ERR_BATON_UNAVAILABLE' });
  for (let tries = 1; tries <= 6; tries += 1) {
    await until(`try ${tries}`, () => asked.length === tries);
    await clock.pass(2999);
    t.is(asked.length, tries);
    await until('the client read the answer', async () => {
      await clock.pass(1);
      return asked.length > tries || tries === 6;
    });
  }
  await refused;
  t.is(asked.length, 6);
  ends = asked.length + 1;
  const got = cluster.get(pods, key);
  await until('an answer', async () => {
    await clock.pass(1000);
    return asked.length === 8;
  });
  t.deepEqual(await got, {} as KubernetesObject);
});

test('no server, a cut answer, and none in time are the same to the caller', async (t) => {
  const clock = createFakeClock();
  const { cluster, asked, close } = await scene(
    t,
    (response, count) => {
      if (count === 1) response.socket?.destroy();
      if (count === 2) response.writeHead(200, { 'Content-Length': 100 }).write('{', () => response.socket?.destroy());
    },
    { clock },
  );
  await t.throwsAsync(cluster.get(pods, key), { code: 'ERR_BATON_UNAVAILABLE', message: /hang up/ });
  await t.throwsAsync(cluster.get(pods, key), { code: 'ERR_BATON_UNAVAILABLE', message: /aborted/ });
  const late = t.throwsAsync(cluster.get(pods, key), {
    code: 'ERR_BATON_UNAVAILABLE',
    message: /no answer in 30000 ms/,
  });
  await until('the request is there', () => asked.length === 3);
  await clock.pass(30_000);
  await late;
  close();
  await t.throwsAsync(cluster.get(pods, key), { code: 'ERR_BATON_UNAVAILABLE', message: /ECONNREFUSED/ });
});

test('connections are kept, and no more than so many; watches have their own', async (t) => {
  const waiting: ServerResponse[] = [];
  const { cluster, asked, connections } = await scene(t, (response) => waiting.push(response), { connections: 3 });
  const gets = Array.from({ length: 9 }, () => cluster.get(pods, key));
  await until('three requests', () => asked.length === 3);
  const abort = new AbortController();
  const watch = cluster.watch(pods, { resourceVersion: '1', signal: abort.signal })[Symbol.asyncIterator]().next();
  await until('the watch', () => asked.length === 4);
  for (let answered = 0; answered < 10; answered += 1) {
    await until('the next', () => waiting.length > answered);
    if (!asked[answered]?.line.includes('watch')) waiting[answered]?.end('{}');
  }
  await Promise.all(gets);
  t.is(connections(), 4);
  abort.abort();
  t.true((await watch).done);
});

test('a write that waited for its connection is not sent when it may not be any more; reading goes on', async (t) => {
  const waiting: ServerResponse[] = [];
  let may = true;
  const options = { connections: 1, mayWrite: () => may };
  const { cluster, asked } = await scene(t, (response) => waiting.push(response), options);
  const first = cluster.patch(pods, key, { metadata: {} });
  await until('the first is there', () => asked.length === 1);
  const writes = [
    cluster.patch(pods, key, { metadata: {} }),
    cluster.delete(pods, key),
    cluster.create(pods, { metadata: key }),
  ];
  const refused = Promise.all(
    writes.map((write) =>
      t.throwsAsync(write, { code: 'ERR_BATON_UNAVAILABLE', message: /this process may write no more/ }),
    ),
  );
  const read = cluster.get(pods, key);
  may = false;
  waiting[0]?.end('{}');
  await first;
  await refused;
  await until('the read is there', () => waiting.length === 2);
  waiting[1]?.end('{}');
  await read;
  t.deepEqual(
    asked.map(({ line }) => line.split(' ')[0]),
    ['PATCH', 'GET'],
  );
});

test('requests wait for the rate limit, and each is told of', async (t) => {
  const clock = createFakeClock();
  const told: string[] = [];
  const { cluster, asked } = await scene(t, undefined, {
    clock,
    limit: { qps: 10, burst: 2 },
    onRequest: ({ method, resource, status }) => told.push(`${method} ${resource.plural} ${status}`),
  });
  const gets = Array.from({ length: 4 }, () => cluster.get(pods, key));
  await Promise.all(gets.slice(0, 2));
  t.is(asked.length, 2);
  await clock.pass(100);
  await gets[2];
  t.is(asked.length, 3);
  await clock.pass(100);
  await gets[3];
  t.deepEqual(told, Array<string>(4).fill('GET pods 200'));
});

test('a token file that is replaced is read again; a refused token at once', async (t) => {
  const clock = createFakeClock();
  const tokenFile = join(mkdtempSync(join(tmpdir(), 'baton-')), 'token');
  writeFileSync(tokenFile, 'first');
  const user = { authProvider: { name: 'tokenFile', config: { tokenFile } } };
  let isRefused = false;
  const answer = (response: ServerResponse): void => {
    if (isRefused) fail(response, 401, 'Unauthorized');
    else response.end('{}');
  };
  const { cluster, asked } = await scene(t, answer, { user, clock });
  const token = async (): Promise<string | undefined> => {
    await cluster.get(pods, key);
    return asked.at(-1)?.headers.authorization;
  };
  t.is(await token(), 'Bearer first');
  writeFileSync(tokenFile, 'second\n');
  t.is(await token(), 'Bearer first');
  await clock.pass(30_000);
  t.is(await token(), 'Bearer second');
  writeFileSync(tokenFile, 'third');
  isRefused = true;
  await t.throwsAsync(token(), { code: 'ERR_BATON_FORBIDDEN' });
  isRefused = false;
  t.is(await token(), 'Bearer third');
});

test('a watch: events, bookmarks and errors line by line, however they are cut into pieces', async (t) => {
  const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;
  const pod = { metadata: { name: 'ä-pod', resourceVersion: '8' } };
  const gone = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version: 1 (5)' };
  const stream = Buffer.from(
    line('ADDED', pod) +
      line('BOOKMARK', { metadata: { resourceVersion: '9' } }) +
      line('DELETED', pod) +
      line('ERROR', gone),
  );
  const { cluster, asked } = await scene(t, (response) => {
    const pieces = Array.from({ length: Math.ceil(stream.length / 7) }, (_, at) => stream.subarray(at * 7, at * 7 + 7));
    const next = (): void => {
      const piece = pieces.shift();
      if (piece) response.write(piece, () => setImmediate(next));
      else response.end();
    };
    next();
  });
  const seen: unknown[] = [];
  await t.throwsAsync(
    async () => {
      const { signal } = new AbortController();
      const query = {
        namespace: 'n',
        labels: { matchLabels: { a: 'b' } },
        resourceVersion: '1',
        timeoutSeconds: 300,
        signal,
      };
      for await (const event of cluster.watch(pods, query)) seen.push(event);
    },
    { code: 'ERR_BATON_GONE', message: /too old/ },
  );
  t.deepEqual(seen, [
    { type: 'ADDED', object: pod },
    { type: 'BOOKMARK', resourceVersion: '9' },
    { type: 'DELETED', object: pod },
  ]);
  t.is(
    asked[0]?.line,
    'GET /api/v1/namespaces/n/pods?labelSelector=a%3Db&watch=true&allowWatchBookmarks=true&resourceVersion=1&timeoutSeconds=300',
  );
});

test('a watch that is refused, cut, or never begins throws; one that the server ends does not', async (t) => {
  const clock = createFakeClock();
  const { cluster, asked } = await scene(
    t,
    (response, count) => {
      if (count === 1) fail(response, 403, 'Forbidden');
      if (count === 2) response.writeHead(200).write('{"type":"ADDED",', () => response.socket?.destroy());
      if (count === 3) response.end();
    },
    { clock },
  );
  const watch = async (): Promise<void> => {
    const { signal } = new AbortController();
    for await (const event of cluster.watch(pods, { resourceVersion: '1', signal })) t.fail(event.type);
  };
  await t.throwsAsync(watch(), { code: 'ERR_BATON_FORBIDDEN' });
  await t.throwsAsync(watch(), { code: 'ERR_BATON_UNAVAILABLE' });
  await watch();
  const late = t.throwsAsync(watch(), { code: 'ERR_BATON_UNAVAILABLE', message: /no answer in 30000 ms/ });
  await until('the watch is there', () => asked.length === 4);
  await clock.pass(30_000);
  await late;
});

test('who leaves a watch closes its connection', async (t) => {
  let closed = 0;
  const { cluster } = await scene(t, (response) => {
    response.on('close', () => (closed += 1));
    response.write('{"type":"ADDED","object":{"metadata":{}}}\n');
  });
  const { signal } = new AbortController();
  for await (const event of cluster.watch(pods, { resourceVersion: '1', signal })) {
    t.is(event.type, 'ADDED');
    break;
  }
  await until('the connection is closed', () => closed === 1);
});
