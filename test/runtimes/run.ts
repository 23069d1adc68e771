/*
 * Runs the SDK's tests on another Node.js: `tsx test/runtimes/run.ts [--all] [MAJOR...]`. Without `--all` and majors it is the one of
 * the images, and what depends on the runtime: that fits into `npm test`; `--all` is everything on every one. They come from npm and are kept in
 * .cache/runtimes. Exit code 1 when a test fails, or where a runtime is missing and BATON_RUNTIMES=required.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runtimeOf } from '../../deploy/image/runtime.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const MAJORS = ['20', '22', '24', '26'];
const CORE = [
  'test/sdk/*.test.ts',
  'test/sdk/http/{moving,fallback,held,listeners,tls,upgraded}.test.ts',
  'test/sdk/http2/*.test.ts',
  'test/sdk/net/*.test.ts',
  'test/sdk/udp/{serve,upgrades}.test.ts',
  'test/sdk/websocket/{load,moving}.test.ts',
  'test/sdk/protocol/{handovers,ownership,roles}.test.ts',
  'test/native/*.test.ts',
];
/** Also on the runtime of the container images: deaths at every moment, which take long and depend on the kernel most. */
const IMAGE = '24';
const DEATHS = ['test/sdk/protocol/{kill-successor,kill-predecessor,give-back}.test.ts'];
const ALL = ['test/sdk/**/*.test.ts', 'test/native/**/*.test.ts'];

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
const filesFor = (major: string): string[] =>
  args.includes('--all') ? ALL : major === IMAGE ? [...CORE, ...DEATHS] : CORE;
const asked = args.filter((arg) => arg !== '--all');
const unknown = asked.find((arg) => !/^\d+$/.test(arg));
if (unknown !== undefined) {
  console.log('Usage: tsx test/runtimes/run.ts [--all] [MAJOR...]');
  process.exit(unknown === '--help' ? 0 : 2);
}
let bad = false;
for (const major of asked.length > 0 ? asked : args.includes('--all') ? MAJORS : [IMAGE]) {
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
  const { passed, failed, failures, code } = await testOn(runtime.program, filesFor(major));
  console.log(
    `Node ${version.slice(1)}: ${passed} passed, ${failed} failed (${Math.round((performance.now() - start) / 1000)} s)`,
  );
  if (code !== 0) console.log(failures);
  bad ||= code !== 0 || passed === 0;
}
process.exitCode = bad ? 1 : 0;
