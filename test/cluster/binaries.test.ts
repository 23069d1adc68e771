import { createHash } from 'node:crypto';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { temporaryDirectory, until } from '../helpers/processes.ts';
import { findGo } from './binaries/build.ts';
import { BUILT, ETCD_VERSION, HELM_VERSION, KUBERNETES_VERSION, missingIn, NEEDED } from './binaries/folder.ts';
import { fillOnce } from './binaries/get.ts';
import { findHelm } from './binaries/helm.ts';
import { startProgress } from './binaries/progress.ts';
import { type Archive, chooseArchive, download, findArchive } from './binaries/release.ts';
import { findSource, type Machine, quickly } from './binaries/source.ts';

const quiet = (): void => undefined;
const program = (folder: string, name: string): void => {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(join(folder, name), '#!/bin/sh\n', { mode: 0o755 });
};

const archive: Archive = { version: 'v1.34.9', address: 'https://host/a.tar.gz', sha512: 'f'.repeat(128) };
const built = `/cache/baton-test/kube-${KUBERNETES_VERSION}-etcd-${ETCD_VERSION}`;

/** A machine with these folders full of programs, Go, and the internet. */
const machine = (folders: Record<string, readonly string[]>, more: Partial<Machine> = {}): Machine => ({
  environment: { XDG_CACHE_HOME: '/cache', HOME: '/home/me' },
  missing: (folder, names) => names.filter((name) => !folders[folder]?.includes(name)),
  cached: (cache) =>
    Object.keys(folders)
      .filter((folder) => folder.startsWith(`${cache}/`))
      .map((folder) => folder.slice(cache.length + 1)),
  go: () => Promise.resolve({ program: '/go' }),
  release: () => Promise.resolve(archive),
  ...more,
});
const without = (reason: string) => (): Promise<{ reason: string }> => Promise.resolve({ reason });
const unasked = (): never => {
  throw new Error('nobody should ask this');
};

test('KUBEBUILDER_ASSETS comes first', async (t) => {
  const environment = { KUBEBUILDER_ASSETS: '/assets', XDG_CACHE_HOME: '/cache' };
  const both = machine({ '/assets': NEEDED, [built]: BUILT }, { environment, go: unasked, release: unasked });
  t.deepEqual(await findSource(both), { kind: 'folder', folder: '/assets' });
});

test('an unusable KUBEBUILDER_ASSETS is an error, whatever else there is', async (t) => {
  const environment = { KUBEBUILDER_ASSETS: '/assets', XDG_CACHE_HOME: '/cache' };
  await t.throwsAsync(findSource(machine({ '/assets': ['kube-apiserver'], [built]: BUILT }, { environment })), {
    message: 'KUBEBUILDER_ASSETS=/assets: /assets/etcd is no executable file; correct or unset it',
  });
});

test('what was built before is taken without asking anybody', async (t) => {
  const source = await findSource(machine({ [built]: BUILT }, { go: unasked, release: unasked }));
  t.deepEqual(source, { kind: 'folder', folder: built });
});

test('the cache is in the home folder where XDG_CACHE_HOME is not set', async (t) => {
  const source = await findSource(machine({}, { environment: { HOME: '/home/me', XDG_CACHE_HOME: '' } }));
  t.deepEqual(source, { kind: 'build', go: '/go', folder: built.replace('/cache', '/home/me/.cache') });
});

test('a built folder that lacks a program is built again', async (t) => {
  t.is((await findSource(machine({ [built]: NEEDED }, { release: unasked }))).kind, 'build');
});

test('without Go: the newest downloaded one, else a download, else the reasons', async (t) => {
  const go = without('no Go');
  const older = '/cache/baton-test/envtest-v1.34.9';
  const newer = '/cache/baton-test/envtest-v1.34.10';
  const broken = '/cache/baton-test/envtest-v1.34.11';
  const folders = { [newer]: NEEDED, [older]: NEEDED, [broken]: ['etcd'] };
  t.deepEqual(await findSource(machine(folders, { go, release: unasked })), { kind: 'folder', folder: newer });
  t.deepEqual(await findSource(machine({}, { go })), { kind: 'download', archive, folder: older });
  t.deepEqual(await findSource(machine({}, { go, release: without('no internet') })), {
    kind: 'none',
    reason: 'no Go; no internet',
  });
});

test('Go cannot be used where there is none', async (t) => {
  const folder = temporaryDirectory(t);
  t.deepEqual(await findGo({ PATH: folder }, folder), { reason: 'no Go is installed to build them with' });
});

test('the reason is the last line that Go says, when it cannot build', async (t) => {
  const folder = temporaryDirectory(t);
  fs.writeFileSync(join(folder, 'go'), '#!/bin/sh\necho go: downloading x >&2\necho no such host >&2\nexit 1\n', {
    mode: 0o755,
  });
  t.deepEqual(await findGo({ PATH: folder }), { reason: `${folder}/go cannot build them: no such host` });
});

test('the modules are of the versions that the cache is named after', (t) => {
  const modules = (name: string): string => fs.readFileSync(new URL(`${name}/go.mod`, import.meta.url), 'utf8');
  t.true(modules('kube').includes(`k8s.io/kubernetes v${KUBERNETES_VERSION}`));
  t.true(modules('etcd').includes(`go.etcd.io/etcd/server/v3 v${ETCD_VERSION}`));
  t.true(modules('helm').includes(`helm.sh/helm/v4 v${HELM_VERSION}`));
});

const helmMachine = (programs: string[], environment: Record<string, string> = {}) => ({
  environment: { XDG_CACHE_HOME: '/cache', PATH: '/usr/bin:/opt/bin', ...environment },
  has: (path: string) => programs.includes(path),
  go: () => Promise.resolve({ program: '/go' }),
});
const helmBuilt = `/cache/baton-test/helm-${HELM_VERSION}`;

test('Helm is the one of HELM, else of the PATH, else what was built, else it is built', async (t) => {
  const [named, inPath, cached] = ['/my/helm', '/opt/bin/helm', `${helmBuilt}/helm`];
  const all = [named, inPath, cached];
  t.deepEqual(await findHelm(helmMachine(all, { HELM: named })), { program: named });
  t.deepEqual(await findHelm(helmMachine(all)), { program: inPath });
  t.deepEqual(await findHelm(helmMachine([cached])), { program: cached });
  t.deepEqual(await findHelm(helmMachine([])), { go: '/go', folder: helmBuilt });
  t.deepEqual(await findHelm({ ...helmMachine([]), go: without('no Go') }), { reason: 'no Go' });
  await t.throwsAsync(findHelm(helmMachine([inPath], { HELM: named })), {
    message: 'HELM=/my/helm: is no executable file; correct or unset it',
  });
});

const hash = 'a'.repeat(128);
const listed = (...versions: string[]) => ({
  releases: Object.fromEntries(
    versions.map((version) => [
      version,
      { [`envtest-${version}-linux-amd64.tar.gz`]: { hash, selfLink: `https://host/${version}` } },
    ]),
  ),
});

test('of the archives, the newest patch release of our minor version', (t) => {
  const index = listed('v1.33.7', 'v1.34.2', 'v1.34.10', 'v1.34.11-rc.0', 'v1.35.0');
  t.deepEqual(chooseArchive(index, 'linux-amd64'), {
    version: 'v1.34.10',
    address: 'https://host/v1.34.10',
    sha512: hash,
  });
  t.deepEqual(chooseArchive(index, 'linux-mips'), {
    reason: 'the release archives of v1.34.10 have none for linux-mips',
  });
  t.deepEqual(chooseArchive(listed('v1.33.7'), 'linux-amd64'), {
    reason: 'the list of release archives has no Kubernetes 1.34',
  });
  t.true('reason' in chooseArchive('<html>', 'linux-amd64'));
  index.releases['v1.34.10'] = { 'envtest-v1.34.10-linux-amd64.tar.gz': { hash: 'md5', selfLink: '' } };
  t.deepEqual(chooseArchive(index, 'linux-amd64'), {
    reason: 'the list of release archives has no address or SHA-512 for v1.34.10 on linux-amd64',
  });
});

/** Serves one archive with those programs, and a list that names it. */
async function releaseServer(
  t: ExecutionContext,
  names: readonly string[],
): Promise<{ list: string; requests: string[] }> {
  const folder = temporaryDirectory(t);
  for (const name of names) program(join(folder, 'controller-tools/envtest'), name);
  const file = join(folder, 'archive.tar.gz');
  t.is(spawnSync('tar', ['-czf', file, '-C', folder, 'controller-tools']).status, 0);
  const bytes = fs.readFileSync(file);
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    if (request.url === '/archive') return void response.end(bytes);
    const { port } = server.address() as AddressInfo;
    const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
    response.end(
      `releases:\n  v1.34.1:\n    envtest-v1.34.1-${process.platform}-${architecture}.tar.gz:\n` +
        `      hash: ${createHash('sha512').update(bytes).digest('hex')}\n` +
        `      selfLink: http://127.0.0.1:${port}/archive\n`,
    );
  }).listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  return { list: `http://127.0.0.1:${(server.address() as AddressInfo).port}/list`, requests };
}

const listedBy = async (list: string): Promise<Archive> => {
  const found = await findArchive(list);
  if ('reason' in found) throw new Error(found.reason);
  return found;
};

test('an archive is downloaded, compared with the list, and unpacked', async (t) => {
  const { list, requests } = await releaseServer(t, ['kube-apiserver', 'etcd', 'kubectl']);
  const folder = join(temporaryDirectory(t), 'envtest');
  const found = await listedBy(list);
  await fillOnce(folder, NEEDED, (partial) => download(found, partial, quiet), quiet);
  t.deepEqual(missingIn(folder, [...NEEDED, 'kubectl']), []);
  t.deepEqual(fs.readdirSync(folder).toSorted(), ['etcd', 'kube-apiserver', 'kubectl']);
  t.deepEqual(requests, ['/list', '/archive']);
});

test('an archive that is not the listed one is not unpacked, and leaves nothing', async (t) => {
  const { list } = await releaseServer(t, ['kube-apiserver', 'etcd']);
  const folder = join(temporaryDirectory(t), 'envtest');
  const found = { ...(await listedBy(list)), sha512: hash };
  await t.throwsAsync(
    fillOnce(folder, NEEDED, (partial) => download(found, partial, quiet), quiet),
    { message: /SHA-512 .* is listed: not used$/ },
  );
  t.false(fs.existsSync(folder));
});

test('an archive without a program that is needed is an error that names it', async (t) => {
  const { list } = await releaseServer(t, ['etcd']);
  await t.throwsAsync(download(await listedBy(list), join(temporaryDirectory(t), 'envtest'), quiet), {
    message: /has no kube-apiserver$/,
  });
});

test('without the internet the reason names the address', async (t) => {
  const found = await findArchive('http://127.0.0.1:1/list');
  t.regex(
    'reason' in found ? found.reason : '',
    /^http:\/\/127\.0\.0\.1:1\/list cannot be read: .*(ECONNREFUSED|bad port)/,
  );
});

const fillWithEtcd = (partial: string): Promise<void> => {
  program(partial, 'etcd');
  return Promise.resolve();
};

test('two at once: one fills the folder, the other waits', async (t) => {
  const folder = join(temporaryDirectory(t), 'binaries');
  let fillings = 0;
  const said: string[] = [];
  const fill = async (partial: string): Promise<void> => {
    fillings += 1;
    // Not before the other one has met the lock.
    await until('the other waits', () => said.length > 0);
    for (const name of NEEDED) program(partial, name);
  };
  await Promise.all([0, 1].map(() => fillOnce(folder, NEEDED, fill, (text) => said.push(text))));
  t.is(fillings, 1);
  t.deepEqual(new Set(said), new Set([`waiting for another process that fills ${folder}`]));
  t.deepEqual(missingIn(folder, NEEDED), []);
});

test('a process killed while it fills leaves no folder, no lock, and no rest for the next', async (t) => {
  const parent = temporaryDirectory(t);
  const folder = join(parent, 'binaries');
  const module = fileURLToPath(new URL('binaries/get.ts', import.meta.url));
  const script = `
    import { writeFileSync } from 'node:fs';
    import { fillOnce } from ${JSON.stringify(module)};
    await fillOnce(${JSON.stringify(folder)}, ['etcd'], async (partial) => {
      writeFileSync(partial + '/etcd', 'half', { mode: 0o755 });
      console.log('filling');
      await new Promise(() => setInterval(() => {}, 1000));
    }, () => {});`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.false(fs.existsSync(folder));
  await fillOnce(folder, ['etcd'], fillWithEtcd, quiet);
  t.deepEqual(fs.readdirSync(parent).toSorted(), ['binaries', 'binaries.lock']);
  t.is(fs.readFileSync(join(folder, 'etcd'), 'utf8'), '#!/bin/sh\n');
});

test('a filling that fails is repeated by the next', async (t) => {
  const folder = join(temporaryDirectory(t), 'binaries');
  await t.throwsAsync(
    fillOnce(folder, ['etcd'], () => Promise.reject(new Error('disk full')), quiet),
    { message: 'disk full' },
  );
  await fillOnce(folder, ['etcd'], fillWithEtcd, quiet);
  t.deepEqual(quickly.missing(folder, ['etcd']), []);
});

test('progress: the first at once, then one each five seconds', (t) => {
  const lines: string[] = [];
  let now = 0;
  const tell = startProgress(
    (line) => lines.push(line),
    () => now,
  );
  for (now = 0; now <= 11_000; now += 1_000) tell(`step ${now / 1000}`);
  t.deepEqual(lines, ['# step 0 (0 s)\n', '# step 5 (5 s)\n', '# step 10 (10 s)\n']);
});
