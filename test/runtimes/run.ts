/*
 * Runs the SDK's tests on each supported Node.js: `tsx test/runtimes/run.ts [--all] [MAJOR...]`. Without `--all` it is a
 * selection that fits into `npm test`: what depends on the runtime. The runtimes come from npm and are kept in
 * .cache/runtimes. Exit code 1 when a test fails, or where a runtime is missing and BATON_RUNTIMES=required.
 */
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const MAJORS = ['20', '22', '24', '26'];
const CORE = [
  'test/sdk/http/moving.test.ts',
  'test/sdk/http/fallback.test.ts',
  'test/sdk/http/held.test.ts',
  'test/sdk/net/*.test.ts',
  'test/sdk/internals.test.ts',
  'test/native/*.test.ts',
];
const ALL = ['test/sdk/**/*.test.ts', 'test/native/**/*.test.ts'];

/** The program of one major version, installed if it is not there; an error's text where that is impossible. */
function runtimeOf(major: string): { program: string } | { reason: string } {
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

interface Result {
  passed: number;
  failed: number;
  /** What TAP says of each failure. */
  failures: string;
  code: number | null;
}

async function testOn(program: string, files: string[]): Promise<Result> {
  const child = spawn(program, [join(root, 'node_modules/ava/entrypoints/cli.mjs'), '--tap', ...files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let tap = '';
  child.stdout.on('data', (chunk) => (tap += String(chunk)));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const points = tap.split(/^(?=(?:not )?ok )/m);
  const failures = points.filter((point) => point.startsWith('not ok '));
  return {
    passed: points.filter((point) => point.startsWith('ok ') && !/^ok .*# (SKIP|TODO)/.test(point)).length,
    failed: failures.length,
    failures: failures.join('') || (code === 0 ? '' : tap.slice(-2000)),
    code,
  };
}

const args = process.argv.slice(2);
const files = args.includes('--all') ? ALL : CORE;
const asked = args.filter((arg) => arg !== '--all');
let bad = false;
for (const major of asked.length > 0 ? asked : MAJORS) {
  // The runtime of the normal run has had its turn.
  if (asked.length === 0 && major === process.versions.node.split('.')[0]) continue;
  const runtime = runtimeOf(major);
  if ('reason' in runtime) {
    const required = process.env['BATON_RUNTIMES'] === 'required';
    console.log(`Node ${major}: ${required ? 'missing' : 'skipped, it cannot be installed'} (${runtime.reason})`);
    bad ||= required;
    continue;
  }
  const version = spawnSync(runtime.program, ['--version'], { encoding: 'utf8' }).stdout.trim();
  const start = performance.now();
  const { passed, failed, failures, code } = await testOn(runtime.program, files);
  console.log(
    `Node ${version.slice(1)}: ${passed} passed, ${failed} failed (${Math.round((performance.now() - start) / 1000)} s)`,
  );
  if (code !== 0) console.log(failures);
  bad ||= code !== 0 || passed === 0;
}
process.exitCode = bad ? 1 : 0;
