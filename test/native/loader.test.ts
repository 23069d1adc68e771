import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { build } from 'esbuild';
import { hostTarget } from '../../native/addon.ts';
import { available } from '../../native/index.ts';
import { folder } from './helpers.ts';

const root = join(import.meta.dirname, '../..');
const addon = join(root, 'build/Release/baton.node');

/** A package of our name with native/index.ts bundled as its program, at the given place in it. */
async function packageWith(directory: string, outfile: string): Promise<string> {
  const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string };
  const exports = { './package.json': './package.json' };
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name, type: 'module', exports }));
  const program = join(directory, outfile);
  await build({
    stdin: {
      contents: `import { available, socketPair } from './native/index.ts';
        try { console.log(available(), socketPair().length); }
        catch (error) { console.log(available(), error.code, error.message); }`,
      resolveDir: root,
    },
    // The banner of the real bundle: what it declares must not meet what the loader imports.
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: program,
  });
  return program;
}

const output = (program: string) => spawnSync(process.execPath, [program], { encoding: 'utf8', cwd: '/' });

test('available here, where it is built', (t) => {
  t.true(available());
});

test('a bundle anywhere in the package finds the built addon', async (t) => {
  const directory = folder(t);
  mkdirSync(join(directory, 'build/Release'), { recursive: true });
  cpSync(addon, join(directory, 'build/Release/baton.node'));
  for (const place of ['dist/baton.js', 'dist/native/index.js']) {
    const { stdout, stderr } = output(await packageWith(directory, place));
    t.is(stdout, 'true 2\n', stderr);
  }
});

test('a prebuilt addon is taken first', async (t) => {
  const directory = folder(t);
  const prebuilt = join(directory, `prebuilds/${hostTarget()}`);
  mkdirSync(prebuilt, { recursive: true });
  cpSync(addon, join(prebuilt, 'baton.node'));
  mkdirSync(join(directory, 'build/Release'), { recursive: true });
  writeFileSync(join(directory, 'build/Release/baton.node'), 'not an addon');
  const { stdout, stderr } = output(await packageWith(directory, 'dist/baton.js'));
  t.is(stdout, 'true 2\n', stderr);
});

test('without the addon the module imports, and a call says what to do', async (t) => {
  const { stdout, stderr } = output(await packageWith(folder(t), 'dist/baton.js'));
  t.regex(
    stdout,
    /^false ERR_BATON_ADDON The native addon of baton-sidecar does not load on .*npx node-gyp rebuild .*npm run build:native/,
    stderr,
  );
});

test('the build is one line and does nothing when nothing changed', (t) => {
  const stamp = readFileSync(join(root, 'build/baton.stamp'), 'utf8');
  if (!stamp.startsWith(`node ${process.versions.modules} ${process.arch} `)) {
    t.log('skipped: built by another Node, so it would build again');
    t.pass();
    return;
  }
  const env = { ...process.env, npm_config_nodedir: '/nowhere' };
  const args = ['--import=tsx', join(root, 'native/build.ts')];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  t.is(status, 0, stderr);
  t.is(stdout, 'native: up to date\n');
});
