import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { batonImage, nodeLayer, type Component } from '../../deploy/image/baton.ts';
import { entriesOf, type Files } from '../../deploy/image/files.ts';
import { writeImage, writeImages, type Image } from '../../deploy/image/image.ts';
import { temporaryDirectory } from '../helpers/processes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const deep = `/app/${'folder/'.repeat(15)}file.txt`;

interface Written {
  digest: string;
  bytes: Buffer;
  config: { architecture: string; config: Record<string, unknown> };
  /** As `tar` lists the layers' entries. */
  entries: string[];
  name: string | undefined;
}

/** Writes an image and reads it again with `tar`. */
function written(t: ExecutionContext, image: Partial<Image>): Written {
  const folder = temporaryDirectory(t);
  const file = join(folder, 'image.tar');
  const digest = writeImage(file, { name: 'test/image:v1', layers: [], entrypoint: ['/run'], ...image });
  execFileSync('tar', ['-xf', file, '-C', folder]);
  const read = (path: string) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as unknown;
  const blobOf = (name: string): string => `blobs/${name.replace(':', '/')}`;
  const { manifests } = read('index.json') as { manifests: [{ digest: string; annotations: Record<string, string> }] };
  t.is(manifests[0].digest, digest);
  const manifest = read(blobOf(digest)) as { config: { digest: string }; layers: { digest: string }[] };
  return {
    digest,
    bytes: readFileSync(file),
    config: read(blobOf(manifest.config.digest)) as Written['config'],
    entries: manifest.layers.flatMap((layer) =>
      execFileSync('tar', ['-tvf', join(folder, blobOf(layer.digest)), '--numeric-owner', '--utc'], {
        encoding: 'utf8',
      })
        .trimEnd()
        .split('\n')
        .map((line) => line.replaceAll(/ +/g, ' ')),
    ),
    name: manifests[0].annotations['io.containerd.image.name'],
  };
}

test('files, folders and contents, with the folders they lie in, owned by root', (t) => {
  const folder = temporaryDirectory(t);
  mkdirSync(join(folder, 'lib'));
  writeFileSync(join(folder, 'lib/a.js'), 'a');
  writeFileSync(join(folder, 'run'), '#!/bin/sh\n');
  chmodSync(join(folder, 'run'), 0o700);
  const layers: Files[] = [
    { '/app': folder },
    { '/etc/setting': { content: 'ü', mode: 0o600 }, [deep]: { content: '' } },
  ];
  const { entries, name } = written(t, { layers });
  t.is(name, 'test/image:v1');
  const time = '1970-01-01 00:00';
  for (const entry of [
    `drwxrwxrwt 0/0 0 ${time} tmp/`,
    `drwxr-xr-x 0/0 0 ${time} app/lib/`,
    `-rw-r--r-- 0/0 1 ${time} app/lib/a.js`,
    `-rwxr-xr-x 0/0 10 ${time} app/run`,
    `-rw------- 0/0 2 ${time} etc/setting`,
    `-rw-r--r-- 0/0 0 ${time} ${deep.slice(1)}`,
  ])
    t.true(entries.includes(entry), `${entry}: ${entries.join('\n')}`);
});

test('what is equal has equal bytes, whenever it is written', (t) => {
  const folder = temporaryDirectory(t);
  const file = join(folder, 'file');
  const write = (seconds: number, files: Files): Written => {
    writeFileSync(file, 'text');
    utimesSync(file, seconds, seconds);
    return written(t, { layers: [files] });
  };
  const first = write(1_000, { '/a': file, '/b': { content: 'b' } });
  const again = write(2_000, { '/b': { content: 'b' }, '/a': file });
  t.deepEqual(first.bytes, again.bytes);
  t.not(first.digest, write(1_000, { '/a': file }).digest);
});

test('a dynamically linked program brings its libraries, a static one none', (t) => {
  const { entries } = written(t, { layers: [{ '/bin/node': process.execPath }] });
  const has = (pattern: RegExp): boolean => entries.some((entry) => pattern.test(entry));
  t.true(has(/ bin\/node$/) && has(/libc\.so\.6$/) && has(/ld-linux/), entries.join('\n'));
});

test('several images in one archive: what they have alike is there once', (t) => {
  const folder = temporaryDirectory(t);
  const file = join(folder, 'images.tar');
  const common: Files = { '/common': { content: 'common' } };
  const image = (tag: string): Image => ({
    name: `test/image:${tag}`,
    layers: [common, { '/version': { content: tag } }],
    entrypoint: ['/run'],
  });
  const digests = writeImages(file, [image('v1'), image('v2')]);
  t.is(new Set(digests).size, 2);
  t.is(digests[0], writeImage(join(folder, 'image.tar'), image('v1')));
  const blobs = execFileSync('tar', ['-tf', file], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('blobs/'));
  t.is(blobs.length, 2 * 3 + 1, 'layer, configuration and manifest of each, and the common layer');
  const index = execFileSync('tar', ['-xOf', file, 'index.json'], { encoding: 'utf8' });
  t.true(digests.every((digest) => index.includes(digest)));
});

test('its configuration', (t) => {
  const { config } = written(t, {
    entrypoint: ['/bin/app', '--flag'],
    env: { KEY: 'value' },
    user: '65532:65532',
    workingDir: '/app',
    stopSignal: 'SIGUSR1',
    architecture: 'arm64',
  });
  t.is(config.architecture, 'arm64');
  t.like(config.config, {
    Entrypoint: ['/bin/app', '--flag'],
    User: '65532:65532',
    WorkingDir: '/app',
    StopSignal: 'SIGUSR1',
  });
  t.true((config.config['Env'] as string[]).includes('KEY=value'));
});

test('what cannot be is named', (t) => {
  const write = (files: Files) => () => written(t, { layers: [files] });
  t.throws(write({ 'app/file': { content: '' } }), { message: /is absolute: app\/file/ });
  t.throws(write({ '/file': '/no/such/file' }), { message: /ENOENT.*\/no\/such\/file/ });
  t.throws(write({ [`/${'x'.repeat(101)}`]: { content: '' } }), { message: /no path that long: x+/ });
  t.throws(() => batonImage(temporaryDirectory(t), 'agent', 'agent:1'), { message: /run npm run build first/ });
});

for (const component of ['controller', 'agent'] as const satisfies Component[]) {
  test(`the ${component}'s image is what the Dockerfile builds`, (t) => {
    const file = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');
    const { entrypoint, user, env = {}, workingDir } = batonImage(root, component, 'image:1');
    t.true(file.includes(`ENTRYPOINT ${JSON.stringify(entrypoint).replaceAll(',', ', ')}\n`));
    t.regex(file, new RegExp(`^FROM service AS ${component}\nUSER ${user ?? ''}$`, 'm'));
    for (const [key, value] of Object.entries(env)) t.true(file.includes(`ENV ${key}=${value}\n`));
    t.true(file.includes(`WORKDIR ${workingDir ?? ''}\n`));
  });
}

test('the Dockerfile copies the files that the archives have', (t) => {
  const file = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');
  const copied = [...file.matchAll(/^COPY --from=build \/app\/(\S+) /gm)].map(([, path]) => path ?? '').sort();
  for (const component of ['controller', 'agent'] as const) {
    const paths = batonImage(root, component, 'image:1').layers.flatMap((files) => Object.keys(files));
    const own = paths.flatMap((path) => (path.startsWith('/app/') ? path.slice('/app/'.length) : [])).sort();
    t.deepEqual(copied, own);
  }
});

test("the Dockerfile's step for Node.js finds its libraries, by running it", (t) => {
  const file = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');
  const folder = temporaryDirectory(t);
  const step = /^RUN (mkdir -p \/rootfs.*(?:\n {2}.*)*)/m.exec(file)?.[1] ?? '';
  const node = nodeLayer['/usr/local/bin/node'] as string;
  execFileSync('sh', ['-ec', step.replaceAll('/rootfs', `${folder}/rootfs`).replaceAll('/usr/local/bin/node', node)]);
  const found = execFileSync('find', ['rootfs', '-type', 'f', '-printf', '/%P\n'], { cwd: folder, encoding: 'utf8' });
  const entries = [nodeLayer, ...batonImage(root, 'agent', 'image:1').layers]
    .flatMap((files) => entriesOf(files))
    .filter(({ path, content }) => content && !path.startsWith('app/'))
    .map(({ path }) => `/${path}`);
  t.true(entries.some((path) => path.includes('ld-linux')));
  const expected = [...new Set(entries)].map((path) => (path === '/usr/local/bin/node' ? node : path));
  t.deepEqual(found.trimEnd().split('\n').sort(), expected.sort());
  t.is(readFileSync(join(folder, 'rootfs/etc/passwd'), 'utf8'), passwdOf('agent'));
  t.is(statSync(join(folder, 'rootfs/tmp')).mode & 0o7777, 0o1777);
});

const passwdOf = (component: Component): string => {
  const layers = batonImage(root, component, 'image:1').layers;
  return (layers.find((files) => '/etc/passwd' in files)?.['/etc/passwd'] as { content: string }).content;
};

test('gzip: smaller layers, of which the configuration names the archives inside', (t) => {
  const folder = temporaryDirectory(t);
  const layers: Files[] = [{ '/a': { content: 'a'.repeat(100_000) } }];
  const image: Image = { name: 'test/image:v1', layers, entrypoint: ['/a'] };
  const read = (compression: 'gzip' | 'none') => {
    const file = join(folder, `${compression}.tar`);
    const digest = writeImage(file, image, compression);
    const json = (name: string): unknown =>
      JSON.parse(execFileSync('tar', ['-xOf', file, `blobs/${name.replace(':', '/')}`], { encoding: 'utf8' }));
    const manifest = json(digest) as {
      config: { digest: string };
      layers: [{ mediaType: string; digest: string; size: number }];
    };
    const { rootfs } = json(manifest.config.digest) as { rootfs: { diff_ids: string[] } };
    return { layer: manifest.layers[0], diffIds: rootfs.diff_ids };
  };
  const [plain, packed] = [read('none'), read('gzip')];
  t.is(packed.layer.mediaType, 'application/vnd.oci.image.layer.v1.tar+gzip');
  t.true(packed.layer.size < plain.layer.size / 10);
  t.not(packed.layer.digest, plain.layer.digest);
  t.deepEqual(packed.diffIds, [plain.layer.digest]);
  t.deepEqual(plain.diffIds, packed.diffIds);
});

test('the Dockerfile for sidecars copies programs that are there', (t) => {
  const folder = join(root, 'deploy/sidecar');
  const file = readFileSync(join(folder, 'Dockerfile'), 'utf8');
  const copied = [...file.matchAll(/^COPY --chmod=755 (\S+) /gm)].map(([, name]) => name ?? '');
  t.deepEqual(copied, ['migrate.sh', 'empty.sh', 'empty-migrate.sh']);
  for (const name of copied) t.regex(readFileSync(join(folder, name), 'utf8'), /^#!\/bin\/sh\n/);
});

test('npm run image: wrong usage says so', (t) => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', 'deploy/image/run.ts', ...args], { cwd: root, encoding: 'utf8' });
  t.is(run('--help').status, 0);
  // Under a name without a tag no kubelet would find it.
  for (const words of [
    ['sidecar', 'out.tar'],
    ['agent', 'out.tar', 'host:5000/agent'],
  ]) {
    const wrong = run(...words);
    t.is(wrong.status, 2);
    t.regex(wrong.stderr, /^Usage: npm run image/);
  }
});
