/*
 * What a sidecar author gets: packs the package, installs the tarball in an empty directory, without scripts and so without
 * a compiler, and upgrades a sidecar there. Run by `npm run test:package`, alone, because packing builds anew.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runtimeOf } from '../../deploy/image/runtime.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
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

async function upgrade(program: string): Promise<void> {
  const scenario = join(directory, 'rehearse.yaml');
  const child = spawn(program, [join(directory, 'node_modules/.bin/baton'), 'rehearse', scenario], {
    cwd: directory,
    // The sidecar is to run on this runtime too.
    env: { ...process.env, PATH: `${join(program, '..')}:${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  assert.equal(code, 0, output);
}

try {
  // The scripts that pack runs print too, before the answer.
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
    `prebuilds/${process.platform}-${process.arch}/baton.node`,
  ]) {
    assert(paths.includes(path), `${path} is in the package`);
  }
  assert.deepEqual(
    paths.filter((path) => !/^(dist|prebuilds)\/|^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(path)),
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

  fs.writeFileSync(join(directory, 'consumer.ts'), consumer);
  fs.symlinkSync(join(root, 'node_modules/@types'), join(directory, 'node_modules/@types'));
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...flags, 'consumer.ts'], directory);
  console.log('package: its types compile in a strict consumer');
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
