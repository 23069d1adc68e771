/*
 * The addon for users without a compiler. It is N-API, so one binary serves every version of Node.js.
 *
 *   build [TARGET...]  cross-compiles it for all targets, or for those that are named, into .cache/prebuilds (`npm run prebuilds`)
 *   add                puts what is built where the package carries it; of this machine, its own build where there is no other
 *   remove             takes it away again: in a checkout it would hide the next build
 *
 * `npm pack` runs `add` before and `remove` after. With BATON_PREBUILDS=required a target that is missing is a failure.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostTarget } from './addon.ts';
import { targets, type Target } from './targets.ts';
import { zig, ZIG_VERSION } from './zig.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const cache = join(root, '.cache/prebuilds');
const headers = join(root, 'node_modules/node-addon-api');
const sources = readdirSync(join(root, 'native')).filter((name) => name.endsWith('.cc'));
const defines =
  /'defines': \[([^\]]*)\]/.exec(readFileSync(join(root, 'binding.gyp'), 'utf8'))?.[1]?.match(/[A-Z_]+(=\d+)?/g) ?? [];

const FLAGS = [
  ...['-shared', '-fPIC', '-O2', '-s', '-std=c++17', '-fvisibility=hidden', '-fno-exceptions', '-fno-rtti'],
  // musl's CMSG_NXTHDR compares so; the build with g++ shows the warning for what is ours.
  ...['-Wall', '-Wextra', '-Werror', '-Wno-sign-compare'],
  ...defines.map((define) => `-D${define}`),
];

const builtOf = ({ name }: Target): string => join(cache, name, 'baton.node');
const stampOf = ({ name }: Target): string => join(cache, name, 'stamp');

/** What one is made of: equal text, equal addon. */
function fingerprint({ triple }: Target): string {
  const hash = createHash('sha256').update([ZIG_VERSION, triple, ...FLAGS].join('\n'));
  const own = readdirSync(join(root, 'native')).filter((name) => /\.(cc|h)$/.test(name));
  for (const path of [join(headers, 'package.json'), ...own.sort().map((name) => join(root, 'native', name))]) {
    hash.update(`\n${path.slice(root.length)}\n`).update(readFileSync(path));
  }
  return hash.digest('hex');
}

const isBuilt = (target: Target): boolean =>
  existsSync(builtOf(target)) && readFileSync(stampOf(target), 'utf8') === fingerprint(target);

/** Those of libuv are Node's own, so they come with the program and with nothing else. */
function nodeHeaders(): string {
  const folder = join(dirname(dirname(realpathSync(process.execPath))), 'include/node');
  if (existsSync(join(folder, 'uv.h'))) return folder;
  throw new Error(
    `there are no headers of Node.js in ${folder}: use a Node.js from nodejs.org or its image, which has them`,
  );
}

function build(target: Target): void {
  if (isBuilt(target)) {
    console.log(`${target.name}: up to date`);
    return;
  }
  console.log(`${target.name}: building; the first time takes a minute or more, for the C++ library comes along`);
  const started = Date.now();
  mkdirSync(join(cache, target.name), { recursive: true });
  rmSync(stampOf(target), { force: true });
  const args = ['c++', '-target', target.triple, ...FLAGS, `-I${nodeHeaders()}`, `-I${headers}`, '-o', builtOf(target)];
  const files = sources.map((name) => join('native', name));
  const { status, error } = spawnSync(zig(), [...args, ...files], { cwd: root, stdio: 'inherit' });
  if (status !== 0)
    throw new Error(`${target.name}: the addon did not build (${error?.message ?? 'zig says why above'})`);
  writeFileSync(stampOf(target), fingerprint(target));
  console.log(`${target.name}: built in ${Math.round((Date.now() - started) / 1000)} s`);
}

function add(): void {
  const missing: string[] = [];
  for (const target of targets) {
    const to = join(root, 'prebuilds', target.name, 'baton.node');
    const own = join(root, 'build/Release/baton.node');
    const isOwn = !isBuilt(target) && target.name === hostTarget() && existsSync(own);
    if (!isBuilt(target)) missing.push(target.name);
    if (!isBuilt(target) && !isOwn) continue;
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(isOwn ? own : builtOf(target), to);
    // Smaller without its symbols; where there is no strip, larger and as good.
    if (isOwn) spawnSync('strip', ['--strip-unneeded', to]);
  }
  if (missing.length > 0 && process.env['BATON_PREBUILDS'] === 'required') {
    remove();
    throw new Error(`not built, or of other sources: ${missing.join(', ')}; run npm run prebuilds`);
  }
}

const remove = (): void => rmSync(join(root, 'prebuilds'), { recursive: true, force: true });

function main([command, ...names]: string[]): void {
  const unknown = names.find((name) => !targets.some((target) => target.name === name));
  if (unknown !== undefined)
    throw new Error(`no target ${unknown}; there are ${targets.map(({ name }) => name).join(', ')}`);
  if (command === 'build') targets.filter(({ name }) => names.length === 0 || names.includes(name)).forEach(build);
  else if (command === 'add') add();
  else remove();
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(`prebuild: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
