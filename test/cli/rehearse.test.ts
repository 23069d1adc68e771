import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { eventually, isAlive } from '../local/helpers.ts';
import { fakeHook, fakeScenario, fakeSidecar, run } from './rehearse-helpers.ts';

const anyClosed = { 'connections.closed': 'any' };

test.serial('upgrades swap the copies, and the report has what the page says', async (t) => {
  const scenario = fakeScenario({
    upgrades: [{ env: { GREETING: 'second' } }, { env: { GREETING: 'third' } }],
    expect: anyClosed,
  });
  const { status, stdout, stderr, report, directory } = await run(t, scenario);
  t.is(status, 0);
  t.is(report.outcome, 'as-expected');
  t.deepEqual(
    report.upgrades.map(({ version, previousVersion, container, result }) => [
      previousVersion,
      version,
      container,
      result,
    ]),
    [
      ['1', '2', 'fake-2', 'done'],
      ['2', '3', 'fake-1', 'done'],
    ],
  );
  t.deepEqual(
    report.upgrades[0]?.phases.map(({ phase }) => phase),
    ['Upgrading', 'Soaking', 'Resetting'],
  );
  t.is(report.upgrades[0]?.predecessor?.phase, 'drained');
  t.is(report.upgrades[0]?.successor?.phase, 'serving');
  t.true((report.requests?.total ?? 0) > 0);
  t.is(report.requests?.failed, 0);
  const versions = report.timeline.buckets.flatMap(({ byVersion }) => Object.keys(byVersion));
  t.deepEqual([...new Set(versions)], ['1', '2', '3']);
  t.regex(stdout, /^upgrade 2 +2 -> 3 +done/m);
  t.regex(stdout, /^ {2}version 3 +[▁▂▃▄▅▆▇█ ]+$/m);
  t.regex(stdout, /report\.json$/m);
  t.regex(stderr, /^upgrade 2\/2 +done$/m);
  t.regex(readFileSync(join(directory, 'fake-1.log'), 'utf8'), /version 3 alt 2 role successor third/);
  t.deepEqual(readdirSync(directory).sort(), ['fake-1.log', 'fake-2.log', 'report.html', 'report.json']);
});

test.serial('what is expected and does not come true is exit 1, with both values and where to look', async (t) => {
  const { status, stdout, report } = await run(
    t,
    fakeScenario({ expect: { ...anyClosed, 'requests.total': '> 1000000' } }),
  );
  t.is(status, 1);
  t.is(report.outcome, 'not-as-expected');
  t.regex(stdout, /NOT MET +requests\.total +expected > 1000000, was \d+/);
  t.regex(stdout, /look in .*fake-1\.log/);
});

test.serial('a fault that is never reached is an unmet expectation', async (t) => {
  // A hook that fails at once is what the fake, which has no frames in a shell, can do: the trap is never sprung.
  const failing = { command: ['/bin/sh', '-c', 'exit 9'], fault: 'crash-before-ready' };
  const { status, stdout } = await run(t, fakeScenario({ upgrades: [failing] }));
  t.is(status, 1);
  t.regex(stdout, /NOT MET +upgrade 1 +expected fault crash-before-ready, was never reached/);
});

for (const fault of ['crash-before-ready', 'crash-after-ready', 'bad-command'] as const) {
  test.serial(`${fault}: rolled back, and the clients saw nothing`, async (t) => {
    const { status, report } = await run(t, fakeScenario({ upgrades: [{ fault }] }));
    t.is(status, 0);
    t.like(report.upgrades[0], { result: 'rolled-back', reason: 'Crashed', faultHappened: true });
  });
}

test.serial('postStart-fails: the hook of the scenario runs first', async (t) => {
  const scenario = fakeScenario(
    {
      upgrades: [{ fault: 'postStart-fails' }],
      expect: { ...anyClosed, 'requests.failed': 'any', 'connections.refused': 'any' },
    },
    { postStart: [process.execPath, fakeHook] },
  );
  const { status, report } = await run(t, scenario);
  t.is(status, 0);
  t.like(report.upgrades[0], { result: 'rolled-back', reason: 'PostStartFailed', faultHappened: true });
  t.true((report.upgrades[0]?.successor?.counters.bound ?? 0) > 0, 'it had served');
});

test.serial('a predecessor crash springs in the right upgrade, also after a roll-back', async (t) => {
  // The fake's port is free for a moment when its owner dies; the SDK's is not (rehearse-sdk.test.ts).
  const upgrades = [{ fault: 'bad-command' }, { fault: 'predecessor-crash' }, {}];
  const { status, report } = await run(t, fakeScenario({ upgrades, expect: { 'connections.refused': 'any' } }));
  t.is(status, 0);
  t.deepEqual(
    report.upgrades.map(({ version, previousVersion, result, faultHappened }) => [
      previousVersion,
      version,
      result,
      faultHappened,
    ]),
    [
      ['1', '2', 'rolled-back', true],
      ['1', '3', 'done', true],
      ['3', '4', 'done', null],
    ],
  );
});

test.serial('a hung successor is rolled back when its heartbeat is old, and killed', async (t) => {
  const { status, report } = await run(t, fakeScenario({ upgrades: [{ fault: 'hang' }] }));
  t.is(status, 0);
  t.like(report.upgrades[0], { result: 'rolled-back', reason: 'HeartbeatLost', faultHappened: true });
});

test.serial('without a load of its own it upgrades, and judges the upgrades only', async (t) => {
  const { status, stderr, report } = await run(
    t,
    fakeScenario({ load: { kind: 'none', before: 0, between: 0, after: 0 }, upgrades: 2 }),
  );
  t.is(status, 0);
  t.is(report.requests, null);
  t.deepEqual(report.timeline.buckets, []);
  t.deepEqual(
    report.expectations.map(({ what }) => what),
    ['upgrade 1', 'upgrade 2'],
  );
  t.regex(stderr, /fake-1 serves on 127\.0\.0\.1:\d+/);
});

test.serial('a sidecar that does not come to serve: exit 1, with its last words', async (t) => {
  const dying = { sidecar: { command: ['/bin/sh', '-c', 'echo last words; exit 4'] } };
  const { status, stderr } = await run(t, dying);
  t.is(status, 1);
  t.regex(stderr, /keeps ending \(Error\).*last words.*ERR_BATON_NOT_STARTED/s);
  const silent = await run(t, { sidecar: { command: ['sleep', '100'] }, timeouts: { start: '200ms' } });
  t.is(silent.status, 1);
  t.regex(silent.stderr, /did not serve within 0\.2 s; it wrote no state file.*printed nothing/);
});

test.serial('bad scenarios, bad usage and a port in use: exit 2, and nothing is started', async (t) => {
  const bad = await run(t, 'sidecar:\n  comand: [node]\n');
  t.is(bad.status, 2);
  t.regex(bad.stderr, /s\.yaml:2: sidecar\.comand is not known; did you mean command\?/);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const busy = await run(t, fakeScenario({}, { port }));
  t.is(busy.status, 2);
  t.regex(busy.stderr, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port} .*ERR_BATON_PORT_UNUSABLE`));
});

test.serial('an interrupted rehearsal reports what it has, exit 130, and leaves nothing', async (t) => {
  const stop = new AbortController();
  const scenario = fakeScenario({ load: { connections: 2, rate: 50, before: '60s' } });
  const running = run(t, scenario, stop.signal);
  setTimeout(() => stop.abort(), 2_000);
  const { status, stdout, report } = await running;
  t.is(status, 130);
  t.is(report.outcome, 'interrupted');
  t.deepEqual(report.upgrades, []);
  t.regex(stdout, /interrupted/);
});

test.serial('as a program: Ctrl-C ends it with 130; usage errors with 2; nothing is left', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'baton-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 's.yaml');
  const log = join(directory, 'pids');
  // Both copies note their process before they become the fake sidecar.
  const command = ['/bin/sh', '-c', `echo $$ >> ${log}; exec ${process.execPath} ${fakeSidecar}`];
  writeFileSync(file, JSON.stringify(fakeScenario({ load: { connections: 2, rate: 50, before: '60s' } }, { command })));
  const program = (args: string[]) => {
    const baton = fileURLToPath(new URL('../../cli/baton.ts', import.meta.url));
    return spawn(process.execPath, ['--import', 'tsx', baton, 'rehearse', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  };
  const child = program([file]);
  t.teardown(() => child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await eventually('the load', () => stderr.includes('load: 2 connections'));
  child.kill('SIGINT');
  const [code] = (await once(child, 'exit')) as [number];
  t.is(code, 130);
  const pids = readFileSync(log, 'utf8').trim().split('\n').map(Number);
  t.is(pids.length, 2);
  t.deepEqual(pids.filter(isAlive), []);

  for (const args of [[], ['a', 'b'], ['--reprot', 'x', file]]) {
    const [status] = (await once(program(args), 'exit')) as [number];
    t.is(status, 2, args.join(' '));
  }
  t.false(existsSync(join(directory, 'report.json')));
});
