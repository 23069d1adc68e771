import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { batonImage } from '../../../deploy/image/baton.ts';
import { until } from '../../helpers/processes.ts';
import { ask } from '../control-plane/api.ts';
import { containerIdOf, pidOf, runInNetworkOf } from './container.ts';
import { addImage, addImages, busyboxLayer, nodeLayer } from './image.ts';
import { startLoadIn } from './load.ts';
import { cluster, nodeTest } from './node-test.ts';
import { recordReadiness } from './readiness.ts';
import { startRegistry } from './registry.ts';
import { containerOf, isReady, nodeScene, type WirePod } from './scene.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Answers with its version, and at `/api` with what the API server says to its service account. */
const server = `
const { createServer } = require('node:http');
const { get } = require('node:https');
const { readFileSync } = require('node:fs');
const account = (name) => readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/' + name, 'utf8');
const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
const headers = () => ({ authorization: 'Bearer ' + account('token') });
createServer(({ url }, response) => {
  response.setHeader('x-version', process.env.VERSION);
  if (url !== '/api') return response.end(process.getuid() + ' ' + process.cwd());
  get({ host, port, path: '/api/v1/pods', ca: account('ca.crt'), headers: headers() }, (answer) => answer.pipe(response))
    .on('error', (error) => response.end(String(error)));
}).listen(Number(process.argv[2]));
process.on('SIGTERM', () => process.exit());
`;

const serverLayer = { '/app/server.js': { content: server } };
const serverImage = (version: string) => ({
  layers: [nodeLayer, serverLayer],
  entrypoint: ['node', 'server.js'],
  env: { VERSION: version },
  workingDir: '/app',
  user: '65532:65532',
});

const idle = ['/bin/busybox', 'sh', '-c', 'trap exit TERM; while true; do sleep 1 & wait $!; done'];

const reasonOf = (pod: WirePod): string | undefined => containerOf(pod, 'app')?.state?.waiting?.reason;

/** A request from inside the pod. */
const askIn = async (pid: number, port: number, path: string): Promise<string> =>
  runInNetworkOf(pid, '/bin/busybox', 'wget', '-q', '-O', '-', `http://127.0.0.1:${port}${path}`);

nodeTest('a pod runs an image of files, and knows the API server as pods do', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const image = await addImage(t, scene.node, serverImage('1'));
  await scene.createPod('pod', { containers: [{ name: 'app', image, args: ['8000'] }] });
  const pod = await scene.untilPod('Ready', 'pod', isReady);
  const pid = (await pidOf(scene.node, containerIdOf(pod, 'app'))) ?? 0;
  t.is(await until('the server answers', () => askIn(pid, 8000, '/').catch(() => undefined)), '65532 /app');
  // Over TLS, by the account's certificate authority; who it is the API server knows, and that it may do nothing.
  const account = `system:serviceaccount:${scene.namespace}:default`;
  t.like(JSON.parse(await askIn(pid, 8000, '/api')), { reason: 'Forbidden' });
  t.true((await askIn(pid, 8000, '/api')).includes(account));
  // And the other way round, as webhooks and kubectl do.
  const path = `/api/v1/namespaces/${scene.namespace}`;
  const ports = [{ port: 80, targetPort: 8000 }];
  const service = { metadata: { name: 'web' }, spec: { selector: { app: 'web' }, ports } };
  await ask(scene.admin, 'POST', `${path}/services`, service);
  await ask(
    scene.admin,
    'PATCH',
    `${path}/pods/pod`,
    { metadata: { labels: { app: 'web' } } },
    'application/merge-patch+json',
  );
  const proxied = `${path}/services/web:80/proxy/`;
  t.is(await until('the Service', () => ask(scene.admin, 'GET', proxied).catch(() => undefined)), '65532 /app');
  t.is(await ask(scene.admin, 'GET', `${path}/pods/pod/log?container=app`), '');
});

nodeTest('the images of Baton run, the controller as a user without rights', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  for (const component of ['controller', 'agent'] as const) {
    const image = await addImage(
      t,
      scene.node,
      batonImage(root, component, `baton.test/${component}:${scene.namespace}`),
    );
    const securityContext = {
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      runAsNonRoot: component === 'controller',
    };
    const container = { name: 'app', image, args: ['--version'], securityContext };
    await scene.createPod(component, { restartPolicy: 'Never', containers: [container] });
    await scene.untilPod('its end', component, ({ status }) => ['Succeeded', 'Failed'].includes(status?.phase ?? ''));
    const path = `/api/v1/namespaces/${scene.namespace}/pods/${component}/log`;
    t.is(await ask(scene.admin, 'GET', path), `${version}\n`);
  }
});

nodeTest(
  'another image restarts that container alone: the pod stays Ready, and the other one answers all along',
  async (t) => {
    const scene = await nodeScene(t, await cluster(t));
    const { v1, v2 } = await addImages(t, scene.node, { v1: serverImage('1'), v2: serverImage('2') });
    const containers = [
      { name: 'app', image: v1, args: ['8000'] },
      { name: 'side', image: v1, args: ['9000'] },
    ];
    await scene.createPod('pod', { containers });
    const before = await scene.untilPod('Ready', 'pod', isReady);
    const pid = (await pidOf(scene.node, containerIdOf(before, 'app'))) ?? 0;
    for (const port of [8000, 9000]) await until('it answers', () => askIn(pid, port, '/').catch(() => undefined));
    const readiness = await recordReadiness(t, scene.cluster, { namespace: scene.namespace, name: 'pod' });
    const load = await startLoadIn(
      t,
      pid,
      {
        kind: 'http',
        method: 'GET',
        path: '/',
        headers: {},
        versionHeader: 'x-version',
        connections: 2,
        timeout: 5_000,
      },
      8000,
    );
    const startedAt = performance.now();
    await scene.setImage('pod', 'side', v2);
    const after = await scene.untilPod(
      'the new container',
      'pod',
      (pod) => containerOf(pod, 'side')?.restartCount === 1,
    );
    t.log(`restarted in ${Math.round(performance.now() - startedAt)} ms`);
    t.is(containerOf(after, 'side')?.image, v2);
    t.not(containerIdOf(after, 'side'), containerIdOf(before, 'side'));
    t.is(containerIdOf(after, 'app'), containerIdOf(before, 'app'));
    t.is(await pidOf(scene.node, containerIdOf(before, 'side')), undefined);
    const { requests, connections } = await load.stop();
    t.true(requests.total > 0);
    t.deepEqual([requests.failed, connections.refused, connections.closed], [0, 0, 0]);
    await readiness.stop();
    t.deepEqual(
      readiness.transitions.map(({ ready }) => ready),
      [true],
    );
  },
);

nodeTest('pulls from a registry, and what becomes of a pod when that fails', async (t) => {
  const scene = await nodeScene(t, await cluster(t));
  const registry = await startRegistry(t);
  const image = { layers: [busyboxLayer], entrypoint: idle };
  const good = await registry.push({ name: 'idle:v1', ...image });
  const other = await registry.push({ name: 'idle:v2', ...image, env: { VERSION: '2' } });
  const create = (name: string, used: string) => scene.createPod(name, { containers: [{ name: 'app', image: used }] });
  const untilWaiting = async (name: string): Promise<string> => {
    const isWaiting = (pod: WirePod): boolean => /Err|BackOff/.test(reasonOf(pod) ?? '');
    const pod = await scene.untilPod('a failed pull', name, isWaiting);
    return containerOf(pod, 'app')?.state?.waiting?.message ?? '';
  };
  await create('good', good);
  await scene.untilPod('Ready', 'good', isReady);
  t.true(
    registry.requests.includes('GET /v2/idle/manifests/v1') || registry.requests.includes('HEAD /v2/idle/manifests/v1'),
  );
  await create('missing', `${registry.address}/idle:v3`);
  t.regex(await untilWaiting('missing'), /not found/);
  registry.trouble('unauthorized');
  await create('refused', other);
  t.regex(await untilWaiting('refused'), /401|authorization failed/);
  // It is tried again only after a while, which grows.
  registry.trouble('hanging');
  const asked = registry.requests.length;
  await create('slow', other);
  await until('the pull is under way', () => registry.requests.length > asked, 30_000);
  t.is((await scene.untilPod('seen', 'slow', (pod) => reasonOf(pod) !== undefined)).status?.phase, 'Pending');
  registry.trouble();
  await scene.untilPod('Ready', 'slow', isReady);
});
