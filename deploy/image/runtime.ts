import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The program of one major version, installed if it is not there; an error's text where that is impossible. */
export function runtimeOf(major: string): { program: string } | { reason: string } {
  const folder = join(root, '.cache/runtimes', major);
  const name = `node-${process.platform}-${process.arch}`;
  const program = join(folder, 'node_modules', name, 'bin/node');
  if (!fs.existsSync(program)) {
    fs.mkdirSync(folder, { recursive: true });
    const quiet = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
    const npm = spawnSync('npm', ['install', '--prefix', folder, ...quiet, `${name}@${major}`], {
      encoding: 'utf8',
      timeout: 300_000,
    });
    if (npm.status !== 0) return { reason: npm.error?.message ?? npm.stderr.trim() };
  }
  return { program };
}
