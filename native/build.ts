import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const addon = join(root, 'build/Release/baton.node');
const stamp = join(root, 'build/baton.stamp');

/** What the addon is made of: equal text, equal addon. */
function fingerprint(): string {
  const sources = readdirSync(import.meta.dirname)
    .filter((name) => /\.(cc|h)$/.test(name))
    .sort()
    .map((name) => join('native', name));
  const hash = createHash('sha256');
  for (const path of ['binding.gyp', 'node_modules/node-addon-api/package.json', ...sources]) {
    hash.update(`\n${path}\n`).update(readFileSync(join(root, path)));
  }
  return `node ${process.versions.modules} ${process.arch} ${hash.digest('hex')}`;
}

/** The headers that came with this Node, so that none have to be fetched; none for a Node without them. */
function headers(): string[] {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}

/** npm hands its own settings on, and node-gyp lets them win over its arguments: those that choose headers stay out. */
function environment(): NodeJS.ProcessEnv {
  const chosen =
    /^npm_(config|package_config_node_gyp)_(nodedir|target|runtime|arch|target_arch|disturl|dist_url|build_from_source|loglevel)$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !chosen.test(name)));
}

function build(): void {
  if (process.platform !== 'linux') {
    console.log(`native: skipped, the addon is for Linux (this is ${process.platform})`);
    return;
  }
  const wanted = fingerprint();
  if (existsSync(addon) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) {
    console.log('native: up to date');
    return;
  }
  const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const started = Date.now();
  const run = spawnSync(process.execPath, [gyp, 'rebuild', ...headers()], {
    cwd: root,
    env: environment(),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (run.status !== 0) {
    process.stderr.write(`${run.stdout}${run.stderr}`);
    console.error(
      `native: the addon did not build (${run.error?.message ?? `node-gyp ended with ${run.status ?? run.signal ?? 'nothing'}`})`,
    );
    console.error('native: it needs python3, make and g++ (Debian: apt-get install python3 make g++)');
    process.exitCode = 1;
    return;
  }
  writeFileSync(stamp, wanted);
  console.log(`native: built build/Release/baton.node in ${Math.round((Date.now() - started) / 1000)} s`);
}

build();
