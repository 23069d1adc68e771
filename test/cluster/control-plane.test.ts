import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { temporaryDirectory, until } from '../helpers/processes.ts';
import { NEEDED } from './binaries/folder.ts';
import { binaries, clusterTest, controlPlane, ownControlPlane, serialClusterTest } from './cluster-test.ts';
import { ask } from './control-plane/api.ts';
import { accessOf, makeNamespace } from './control-plane/namespace.ts';
import { lives, type Owner, ownerOf } from './control-plane/owner.ts';
import { folderOf, sharedControlPlane } from './control-plane/shared.ts';
import { type ControlPlaneFacts, startControlPlane } from './control-plane/start.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

const pod = (node?: string) => ({
  metadata: { name: 'pod' },
  spec: { containers: [{ name: 'app', image: 'app:1' }], ...(node !== undefined && { nodeName: node }) },
});

/** The processes whose arguments name that folder. */
const processesOf = (folder: string): Owner[] =>
  fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && argumentsOf(name).includes(`${folder}/`))
    .flatMap((name) => ownerOf(Number(name)) ?? []);

const argumentsOf = (pid: string): string => {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
};

clusterTest('answers over HTTPS to those that know its authority, and tells users apart', async (t) => {
  const shared = await controlPlane(t);
  const admin = accessOf(shared);
  t.is(await ask(admin, 'GET', '/readyz'), 'ok');
  await t.throwsAsync(ask({ ...admin, ca: '' }, 'GET', '/readyz'), { message: /certificate|issuer/ });
  await t.throwsAsync(ask({ ...admin, token: 'forged' }, 'GET', '/api'), { message: /401/ });
  await t.throwsAsync(ask(accessOf(shared, 'nobody'), 'GET', '/api/v1/pods'), { message: /403 Forbidden/ });
  t.throws(() => accessOf(shared, 'somebody'), { message: /no user somebody: admin, / });
});

clusterTest('the kubeconfig has all that a client needs, and only its user can read it', async (t) => {
  const { kubeconfigs, url, ca, tokens } = await controlPlane(t);
  const file = kubeconfigs['admin'] ?? '';
  t.is(fs.statSync(file).mode & 0o777, 0o600);
  t.is(fs.statSync(dirname(file)).mode & 0o777, 0o700);
  const config = JSON.parse(fs.readFileSync(file, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
    users: [{ user: { token: string } }];
  };
  const { cluster } = config.clusters[0];
  t.is(cluster.server, url);
  t.is(Buffer.from(cluster['certificate-authority-data'], 'base64').toString(), ca);
  t.is(tokens['admin'], config.users[0].user.token);
});

/** Makes a namespace with a pod in it, ends its test, and waits until it is gone. */
async function liveThroughNamespace(t: ExecutionContext, shared: ControlPlaneFacts): Promise<void> {
  const admin = accessOf(shared);
  const ends: (() => unknown)[] = [];
  const name = await makeNamespace({ teardown: (end) => void ends.push(end) }, shared, { kind: 'mine' });
  const path = `/api/v1/namespaces/${name}`;
  t.true((await ask(admin, 'GET', path)).includes('"kind":"mine"'));
  await ask(admin, 'POST', `${path}/pods`, pod('node-1'));
  for (const end of ends) await end();
  await until('the namespace is gone', async () => {
    const text = await ask(admin, 'GET', '/api/v1/namespaces');
    const { items } = JSON.parse(text) as { items: { metadata: { name: string } }[] };
    return !items.some(({ metadata }) => metadata.name === name);
  });
  t.is((JSON.parse(await ask(admin, 'GET', `${path}/pods`)) as { items: unknown[] }).items.length, 0);
}

clusterTest('a namespace takes pods at once, and goes with its test', async (t) => {
  await liveThroughNamespace(t, await controlPlane(t));
});

clusterTest('a node may change its own pods only; a service account token names its node', async (t) => {
  const shared = await controlPlane(t);
  const admin = accessOf(shared);
  const path = `/api/v1/namespaces/${await makeNamespace(t, shared)}`;
  await ask(admin, 'POST', `${path}/pods`, pod('node-1'));
  const merge = 'application/merge-patch+json';
  const status = { status: { message: 'seen' } };
  const [own, other] = [accessOf(shared, 'system:node:node-1'), accessOf(shared, 'system:node:node-2')];
  await ask(own, 'PATCH', `${path}/pods/pod/status`, status, merge);
  await t.throwsAsync(ask(other, 'PATCH', `${path}/pods/pod/status`, status, merge), { message: /403 Forbidden/ });

  const { metadata } = JSON.parse(await ask(admin, 'GET', `${path}/pods/pod`)) as { metadata: { uid: string } };
  const bound = { kind: 'Pod', apiVersion: 'v1', name: 'pod', uid: metadata.uid };
  const asked = { spec: { boundObjectRef: bound } };
  const { status: given } = JSON.parse(await ask(admin, 'POST', `${path}/serviceaccounts/default/token`, asked)) as {
    status: { token: string };
  };
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const me = await ask(
    { ...admin, token: given.token },
    'POST',
    '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    review,
  );
  t.true(me.includes('"authentication.kubernetes.io/node-name":["node-1"]'));
});

serialClusterTest('its servers can be killed, stopped and hung, and come back where and as they were', async (t) => {
  const own = await ownControlPlane(t, {
    controllers: false,
    users: { anna: ['system:masters'] },
    apiServerFlags: ['--anonymous-auth=false'],
  });
  t.false(own.hasControllers);
  await liveThroughNamespace(t, own);
  const anna = accessOf(own, 'anna');
  const path = `/api/v1/namespaces/${await makeNamespace(t, own)}`;
  await t.throwsAsync(ask({ ...anna, token: '' }, 'GET', '/readyz'), { message: /401/ });

  const first = own.apiServer.pid();
  await own.apiServer.kill();
  await t.throwsAsync(ask(anna, 'GET', path), { code: 'ECONNREFUSED' });
  await own.apiServer.start();
  t.not(own.apiServer.pid(), first);
  await ask(anna, 'GET', path);
  await t.throwsAsync(own.apiServer.start(), { message: 'kube-apiserver runs already' });

  await own.etcd.kill();
  await own.etcd.start();
  await until('the API server has its etcd again', () => ask(anna, 'GET', path).catch(() => undefined));

  own.etcd.pause();
  const slow = ask(anna, 'PATCH', path, { metadata: { labels: { slow: 'yes' } } }, 'application/merge-patch+json');
  const answered = await Promise.race([slow.then(() => true), ask(anna, 'GET', '/livez/ping').then(() => false)]);
  t.false(answered, 'nothing is written while etcd hangs; the API server itself still answers');
  own.etcd.resume();
  t.true((await slow).includes('"slow":"yes"'));

  await own.apiServer.restart();
  t.true((await ask(anna, 'GET', path)).includes('"slow":"yes"'));
});

serialClusterTest('a server that does not start is named, with its last words, and nothing is left', async (t) => {
  const folder = `${temporaryDirectory(t)}/state`;
  fs.mkdirSync(folder);
  const apiServerFlags = ['--no-such-flag'];
  await t.throwsAsync(startControlPlane({ binaries: await binaries(t), folder, apiServerFlags }), {
    message: /^kube-apiserver ended \(1\):\n[^]*unknown flag: --no-such-flag/,
  });
  t.false(fs.existsSync(folder));
  t.deepEqual(processesOf(folder), []);
});

serialClusterTest('processes of one run share one, which ends when the run is killed', async (t) => {
  const run = spawn('sleep', ['600']);
  t.teardown(() => run.kill('SIGKILL'));
  const owner = ownerOf(run.pid ?? 0);
  if (!owner) return t.fail('no such process');
  const folder = folderOf(owner);
  const found = await binaries(t);
  const [one, other] = await Promise.all([sharedControlPlane(found, owner), sharedControlPlane(found, owner)]);
  t.deepEqual(one, other);
  t.deepEqual(one, await sharedControlPlane(found, owner));
  const processes = processesOf(folder);
  t.true(processes.length >= 2);
  run.kill('SIGKILL');
  await until('nothing is left', () => !fs.existsSync(folder) && !processes.some(lives));
});

test('a shared one that cannot start says so to all that ask, and its folder goes with the run', async (t) => {
  const broken = temporaryDirectory(t);
  for (const name of NEEDED)
    fs.writeFileSync(`${broken}/${name}`, '#!/bin/sh\necho disk full\nexit 3\n', { mode: 0o755 });
  const run = spawn('sleep', ['600']);
  t.teardown(() => run.kill('SIGKILL'));
  const owner = ownerOf(run.pid ?? 0);
  if (!owner) return t.fail('no such process');
  const message = /^the run's control plane cannot start: etcd ended \(3\):\ndisk full$/;
  await t.throwsAsync(sharedControlPlane(broken, owner), { message });
  await t.throwsAsync(sharedControlPlane(broken, owner), { message });
  run.kill('SIGKILL');
  await until('its folder is gone', () => !fs.existsSync(folderOf(owner)));
  await t.throwsAsync(sharedControlPlane(broken, owner), { message: /main process \d+ is gone$/ });
  t.false(fs.existsSync(folderOf(owner)));
});

test('npm run cluster: help, and options that it does not have', (t) => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', 'test/cluster/run.ts', ...args], { cwd: root, encoding: 'utf8' });
  const help = run('--help');
  t.is(help.status, 0);
  t.regex(help.stdout, /^Usage: npm run cluster/);
  const wrong = run('--nodes');
  t.is(wrong.status, 2);
  t.regex(wrong.stderr, /^Unknown option '--nodes'/);
});

/** `npm run cluster` without npm, until it prints the KUBECONFIG. */
async function play(t: ExecutionContext) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/cluster/run.ts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGTERM'));
  const [line = ''] = (await once(createInterface(child.stdout), 'line')) as string[];
  t.regex(line, /^export KUBECONFIG=\/.*\/admin\.kubeconfig$/);
  const folder = dirname(line.replace('export KUBECONFIG=', ''));
  return { child, folder, processes: processesOf(folder) };
}

serialClusterTest('npm run cluster: Ctrl-C ends everything', async (t) => {
  await binaries(t);
  const { child, folder, processes } = await play(t);
  t.true(processes.length >= 2);
  child.kill('SIGINT');
  t.deepEqual(await once(child, 'exit'), [0, null]);
  t.false(fs.existsSync(folder));
  t.false(processes.some(lives));
});

serialClusterTest('npm run cluster: killed, it leaves nothing either', async (t) => {
  await binaries(t);
  const { child, folder, processes } = await play(t);
  child.kill('SIGKILL');
  await until('nothing is left', () => !fs.existsSync(folder) && !processes.some(lives));
});
