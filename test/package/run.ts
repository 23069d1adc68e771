/*
 * What a sidecar author gets: packs the package, installs the tarball in an empty directory, without scripts and so without
 * a compiler, and upgrades a sidecar there. Run by `npm run test:package`, alone, because packing builds anew. With `--all` the
 * package must have every addon (`npm run prebuilds`), and sidecars of every machine that there is one for are upgraded too.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { runtimeOf } from '../../deploy/image/runtime.ts';
import { hostTarget } from '../../native/addon.ts';
import { targets } from '../../native/targets.ts';
import { freePort, until } from '../helpers/processes.ts';
import { elfOf, isNewer } from './elf.ts';
import { foreigners, foreignNode } from './foreign.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const isAll = process.argv.includes('--all');
const directory = fs.mkdtempSync(join(tmpdir(), 'baton-package-'));
const run = (program: string, args: string[], cwd: string): string =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

/** A consumer in TypeScript: the types that the package brings are all that it needs. */
const consumer = `
import { createServer } from 'node:http';
import { createSidecar, isBatonError, migrate, serve, type ProgressEvent, type Sidecar } from 'baton-sidecar';
import { createTestSidecar } from 'baton-sidecar/testing';
const sidecar: Sidecar = await createSidecar({ onProgress: (event: ProgressEvent) => console.log(event.type) });
await sidecar.serve(createServer(), { name: 'http', port: 0 });
await sidecar.ready();
export const all: unknown[] = [serve, migrate, isBatonError, createTestSidecar().kept()];
`;

/** The right machine, no newer glibc than Node.js asks for, no library that a slim image lacks, and nothing that others could link to. */
function checkAddon(target: string): void {
  const { machine, needed, versions, exported } = elfOf(
    join(directory, 'node_modules/baton-sidecar/prebuilds', target, 'baton.node'),
  );
  assert.equal(machine, target.includes('arm64') ? 'AArch64' : 'Advanced Micro Devices X86-64', target);
  const libraries = target.endsWith('musl') ? /^libc\.so$/ : /^(lib(c|m|dl|pthread)\.so\.\d|ld-linux-.*)$/;
  for (const name of needed) assert.match(name, libraries, target);
  assert.deepEqual(Object.keys(versions), target.endsWith('musl') ? [] : ['GLIBC'], target);
  if (versions['GLIBC'] !== undefined) assert(!isNewer(versions['GLIBC'], '2.28'), versions['GLIBC']);
  // The last are the operators new and delete.
  for (const name of exported) assert.match(name, /^(napi_|node_api_|_Zn[aw]|_Zd[al])/, target);
  console.log(`package: the addon for ${target} needs ${needed.join(', ')}; ${JSON.stringify(versions)}`);
}

/** On a machine that the package has no addon for, what its error says works: here by taking the addons away. */
function buildFromSource(): void {
  const installed = join(directory, 'node_modules/baton-sidecar');
  fs.renameSync(join(installed, 'prebuilds'), join(directory, 'prebuilds'));
  const sdk = join(installed, 'dist/native/index.js');
  const available = (): string =>
    run(
      process.execPath,
      ['--print', `import(${JSON.stringify(sdk)}).then((m) => console.log(m.available())), ''`],
      directory,
    );
  assert.match(available(), /false/);
  // As npm would install it.
  fs.cpSync(join(root, 'node_modules/node-addon-api'), join(directory, 'node_modules/node-addon-api'), {
    recursive: true,
  });
  const gyp = join(root, 'node_modules/node-gyp/bin/node-gyp.js');
  const prefix = join(fs.realpathSync(process.execPath), '../..');
  run(process.execPath, [gyp, 'rebuild', '--silent', '--directory', installed, `--nodedir=${prefix}`], directory);
  assert.match(available(), /true/);
  fs.rmSync(join(installed, 'build'), { recursive: true });
  fs.renameSync(join(directory, 'prebuilds'), join(installed, 'prebuilds'));
}

/** Two versions, without the kubelet's part: the second takes the port over, and a client with one connection sees only answers. */
async function handOver(program: string): Promise<void> {
  const port = await freePort();
  const shared = fs.mkdtempSync(join(directory, 'baton-'));
  const start = (version: string, alternative: string) =>
    spawn(program, ['smallest.js'], {
      cwd: directory,
      env: {
        PATH: process.env['PATH'],
        BATON_DIR: shared,
        PORT: String(port),
        SIDECARSET_VERSION: version,
        SIDECARSET_VERSION_ALT: alternative,
      },
      stdio: 'inherit',
    });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let connections = 0;
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const request = get({ agent, port, host: '127.0.0.1' }, (response) => {
        if (!request.reusedSocket) connections += 1;
        text(response).then(resolve, reject);
      });
      request.once('error', reject);
    });
  const first = start('1', '0');
  const children = [first];
  try {
    await until('version 1 serves', () => ask().catch(() => undefined), 60_000);
    connections = 0;
    children.push(start('2', '1'));
    await until('version 2 serves', async () => (await ask()).includes('version 2'), 60_000);
    assert.equal(connections, 0, 'the connection moved');
    first.kill();
    await new Promise((resolve) => first.once('close', resolve));
    assert.match(await ask(), /version 2/);
  } finally {
    agent.destroy();
    for (const child of children) child.kill('SIGKILL');
  }
}

/** With the sidecar's Node.js from the folder, and the rehearsal's from the program. */
async function upgrade(program: string, bin = join(program, '..')): Promise<void> {
  const scenario = join(directory, 'rehearse.yaml');
  const child = spawn(program, [join(directory, 'node_modules/.bin/baton'), 'rehearse', scenario], {
    cwd: directory,
    env: { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  assert.equal(code, 0, output);
}

try {
  // The scripts that pack runs print too, before the answer.
  if (isAll) process.env['BATON_PREBUILDS'] = 'required';
  const printed = run('npm', ['pack', '--json', '--silent', '--pack-destination', directory], root);
  const [packed] = JSON.parse(printed.slice(printed.search(/^\[$/m))) as {
    filename: string;
    size: number;
    files: { path: string }[];
  }[];
  assert(packed);
  assert(!fs.existsSync(join(root, 'prebuilds')), 'packing leaves nothing that would hide the next build');
  const paths = packed.files.map(({ path }) => path);
  for (const path of [
    'dist/baton.js',
    'dist/sdk/index.d.ts',
    'dist/THIRD-PARTY.txt',
    ...(isAll ? targets.map(({ name }) => name) : [hostTarget()]).map((target) => `prebuilds/${target}/baton.node`),
  ]) {
    assert(paths.includes(path), `${path} is in the package`);
  }
  assert.deepEqual(
    paths.filter(
      (path) =>
        !/^(dist|prebuilds)\/|^native\/\w+\.(cc|h)$|^(binding\.gyp|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(
          path,
        ),
    ),
    [],
  );

  fs.writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  run('npm', ['install', '--ignore-scripts', '--offline', '--silent', `./${packed.filename}`], directory);
  const manifest = JSON.parse(fs.readFileSync(join(directory, 'node_modules/baton-sidecar/package.json'), 'utf8')) as {
    dependencies?: unknown;
    scripts: Record<string, string>;
  };
  assert.equal(manifest.dependencies, undefined);
  assert(!['preinstall', 'install', 'postinstall'].some((script) => script in manifest.scripts), 'no install script');

  fs.copyFileSync(join(root, 'examples/http-echo/sidecar.js'), join(directory, 'sidecar.js'));
  fs.copyFileSync(join(root, 'examples/smallest/sidecar.js'), join(directory, 'smallest.js'));
  fs.writeFileSync(
    join(directory, 'rehearse.yaml'),
    'sidecar: { command: [node, sidecar.js], postStart: [baton, migrate] }\nload: { connections: 10, before: 300ms, after: 300ms }\n',
  );
  for (const major of ['20', '24']) {
    const runtime = runtimeOf(major);
    if ('reason' in runtime) {
      assert.notEqual(process.env['BATON_RUNTIMES'], 'required', runtime.reason);
      console.log(`package on Node ${major}: skipped, the runtime cannot be installed (${runtime.reason})`);
      continue;
    }
    await upgrade(runtime.program);
    console.log(
      `package on Node ${major}: a sidecar from the tarball (${Math.round(packed.size / 1024)} KiB) was upgraded`,
    );
  }

  if (isAll) {
    for (const { name } of targets) checkAddon(name);
    buildFromSource();
    console.log('package: without a prebuilt addon, the command of the error builds one');
    for (const foreign of foreigners) {
      let bin: string;
      try {
        bin = foreignNode(foreign);
      } catch (error) {
        if (process.env['BATON_RUNTIMES'] === 'required') throw error;
        console.log(`package on ${foreign.target}: skipped, its Node.js cannot be had (${String(error)})`);
        continue;
      }
      // An emulator tells a process another start time than it tells others, so nobody but the SDK may judge it.
      if (foreign.target.includes('arm64')) await handOver(join(bin, 'node'));
      else await upgrade(process.execPath, bin);
      console.log(`package on ${foreign.target}: a sidecar from the tarball was upgraded`);
    }
  }

  fs.writeFileSync(join(directory, 'consumer.ts'), consumer);
  fs.symlinkSync(join(root, 'node_modules/@types'), join(directory, 'node_modules/@types'));
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...flags, 'consumer.ts'], directory);
  console.log('package: its types compile in a strict consumer');
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
