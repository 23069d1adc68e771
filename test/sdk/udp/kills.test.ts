import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { startDatagrams, type Datagrams } from '../../helpers/datagrams.ts';
import { until, untilPhase, type Running, type StartOptions } from '../../helpers/processes.ts';
import { createScene, untilStopped, type Logged } from '../../helpers/scene.ts';
import { slots } from '../../helpers/slots.ts';

/*
 * Each answer is counted once, by the version that gave it. When a process dies, its own counts die with it; what it was
 * given by another that lives does not, and nothing is counted twice. No datagram is lost that was not read.
 */
const slot = slots(2);
const script = 'test/fixtures/udp-echo.js';

interface Pair {
  load: Datagrams;
  predecessor: Logged;
  /** Another process of version 200, that takes over. */
  start: (options?: Partial<StartOptions>) => Logged;
}

async function startServing(t: ExecutionContext, options: Partial<StartOptions> = {}): Promise<Pair> {
  const scene = await createScene(t);
  const predecessor = scene.start({ version: 100, script, ...options });
  await untilPhase(predecessor, 'serving');
  const load = await startDatagrams(t, scene.port);
  await load.goesOn(50, 100);
  const start: Pair['start'] = (own = {}) => scene.start({ version: 200, alternative: 100, script, ...own });
  return { load, predecessor, start };
}

/** What the reader has to its credit, after everything was answered; the load goes on then. */
async function credit(t: ExecutionContext, load: Datagrams): Promise<Record<string, number>> {
  await load.pause();
  const { counts } = await load.counts();
  t.deepEqual([load.lost(), load.doubled()], [[], []]);
  load.resume();
  return counts;
}

const killed = async (t: ExecutionContext, running: Running): Promise<void> =>
  void t.like(await running.exited, { signal: 'SIGKILL' });

for (const fault of [
  'sent hello',
  'received offer',
  'sent ready',
  'received stopped',
  'received final',
  'received drained',
  'received ping',
  'sent ping',
]) {
  test(`successor killed at "${fault}": the first goes on with all that it ever counted`, (t) =>
    slot(async () => {
      const { load, predecessor, start } = await startServing(t);
      await killed(t, start({ fault: `${fault}:SIGKILL` }));
      await load.goesOn(50, 100);
      const { 200: died = 0 } = load.answered();
      t.is((await credit(t, load))['100'], load.answered()['100']);
      await untilPhase(predecessor, 'serving');

      start();
      await load.goesOn(50, 200);
      const counts = await credit(t, load);
      t.deepEqual(counts, { 100: load.answered()['100'], 200: (load.answered()['200'] ?? 0) - died });
    }));
}

for (const [fault, own] of [
  ['sent back', false],
  ['received resumed', false],
  ['sent final', true],
  ['sent drained', true],
] as const) {
  test(`successor killed at "${fault}" while it gives back`, (t) =>
    slot(async () => {
      const { load, start } = await startServing(t);
      const successor = start({ fault: `${fault}:SIGKILL` });
      await load.goesOn(50, 200);
      successor.kill('SIGTERM');
      await killed(t, successor);
      await load.goesOn(50, 100);
      const counts = await credit(t, load);
      t.is(counts['100'], load.answered()['100']);
      t.is(counts['200'], own ? load.answered()['200'] : undefined);
    }));
}

for (const fault of ['received back', 'sent resumed', 'received final']) {
  test(`predecessor killed at "${fault}" while it takes back`, (t) =>
    slot(async () => {
      const { load, predecessor, start } = await startServing(t, { fault: `${fault}:SIGKILL` });
      const successor = start({ env: { SIDECAR_OPTIONS: '{"gracePeriodMs":60000}' } });
      await load.goesOn(50, 200);
      await untilPhase(predecessor, 'drained');
      successor.kill('SIGTERM');
      await killed(t, predecessor);
      // It may be faster than the end of the other: then it has given everything, and both are gone.
      const serves = load.goesOn(50, 200).then(() => true);
      if ((await Promise.race([serves, successor.exited])) !== true) {
        t.not(fault, 'received back');
        t.is(successor.frames('sent drained'), 1);
        t.is(successor.child.exitCode, 0);
        await load.pause(Infinity);
        t.deepEqual(load.doubled(), []);
        return;
      }
      // Nobody is left to give to: it serves until its clients are silent.
      const { 100: lost = 0 } = load.answered();
      const counts = await credit(t, load);
      t.is(counts['200'], load.answered()['200']);
      t.true((counts['100'] ?? 0) <= lost);
      await load.pause();
      t.like(await successor.exited, { code: 0 });
    }));
}

test('a successor that gets SIGTERM gives everything back, again and again', (t) =>
  slot(async () => {
    const { load, start } = await startServing(t);
    for (let round = 0; round < 3; round += 1) {
      const successor = start();
      await load.goesOn(50, 200);
      successor.kill('SIGTERM');
      t.like(await successor.exited, { code: 0 });
      await load.goesOn(50, 100);
      t.deepEqual(await credit(t, load), load.answered());
    }
  }));

for (const [fault, given] of [
  ['received ready', false],
  ['sent stopped', false],
  ['sent final', true],
  ['sent drained', true],
  ['received ping', true],
] as const) {
  test(`predecessor killed at "${fault}"`, (t) =>
    slot(async () => {
      const { load, predecessor, start } = await startServing(
        t,
        fault === 'received ping' ? {} : { fault: `${fault}:SIGKILL` },
      );
      const successor = start();
      if (fault === 'received ping') {
        await untilPhase(successor, 'serving');
        predecessor.kill('SIGKILL');
      }
      await killed(t, predecessor);
      await load.goesOn(50, 200);
      const counts = await credit(t, load);
      t.is(counts['200'], load.answered()['200']);
      t.is(counts['100'], given ? load.answered()['100'] : undefined);
    }));
}

for (const fault of ['sent ready', 'received stopped', 'received final', 'received drained', 'received ping']) {
  for (const wakes of [true, false]) {
    test(`successor frozen at "${fault}", then ${wakes ? 'it wakes' : 'killed'}`, (t) =>
      slot(async () => {
        const { load, predecessor, start } = await startServing(t);
        const frozen = start({ fault: `${fault}:SIGSTOP` });
        await untilStopped(frozen);
        await until('taken back', () => predecessor.state()?.counters.takenBack === 1);
        await load.goesOn(50, 100);
        if (wakes) {
          frozen.kill('SIGCONT');
          await untilPhase(frozen, 'serving');
          await untilPhase(predecessor, 'drained');
          await load.goesOn(50, 200);
          t.deepEqual(await credit(t, load), load.answered());
        }
        frozen.kill('SIGKILL');
        await killed(t, frozen);
        await load.goesOn(50, 100);
        t.is((await credit(t, load))['100'], load.answered()['100']);
      }));
  }
}

for (const fault of ['received ready', 'sent stopped', 'sent final', 'sent drained', 'sent ping']) {
  test(`predecessor frozen at "${fault}"`, (t) =>
    slot(async () => {
      const { load, predecessor, start } = await startServing(t, { fault: `${fault}:SIGSTOP` });
      const successor = start();
      await untilStopped(predecessor);
      await delay(4000);
      predecessor.kill('SIGCONT');
      await untilPhase(successor, 'serving');
      await untilPhase(predecessor, 'drained');
      await load.goesOn(50, 200);
      t.deepEqual(await credit(t, load), load.answered());
    }));
}

test('a successor killed at any moment loses no more than the datagram that it was at', (t) =>
  slot(async () => {
    const { load, start } = await startServing(t);
    const rounds = 5;
    for (let round = 0; round < rounds; round += 1) {
      const successor = start();
      await load.goesOn(20, 200);
      await delay(Math.random() * 100);
      successor.kill('SIGKILL');
      await killed(t, successor);
      await load.goesOn(50, 100);
    }
    await load.pause(rounds);
    t.true(load.lost().length <= rounds, load.lost().join());
    t.deepEqual(load.doubled(), []);
    const { counts } = await load.counts();
    t.deepEqual(counts, { 100: load.answered()['100'] });
  }));

test('where reading cannot be stopped alone, sockets are closed and made anew, and nothing is lost', (t) =>
  slot(async () => {
    const preload = fileURLToPath(new URL('../../fixtures/udp-no-pause.js', import.meta.url));
    const { load, predecessor, start } = await startServing(t);
    const env = { NODE_OPTIONS: `--import=${preload}` };
    const second = start({ env });
    await load.goesOn(50, 200);
    await untilPhase(predecessor, 'drained');
    predecessor.kill('SIGTERM');
    t.like(await predecessor.exited, { code: 0 });
    for (const round of [1, 2, 3]) {
      const third = start({ version: 300, alternative: 200, env });
      await load.goesOn(50, 300);
      third.kill('SIGTERM');
      t.like(await third.exited, { code: 0 }, String(round));
      await load.goesOn(50, 200);
    }
    t.deepEqual(await credit(t, load), load.answered());
    t.is(second.child.exitCode, null);
  }));

test('a process that serves alone exits once its clients are silent', (t) =>
  slot(async () => {
    const { load, predecessor } = await startServing(t);
    predecessor.kill('SIGTERM');
    await load.goesOn(500, 100);
    await load.pause();
    t.deepEqual(load.lost(), []);
    t.like(await predecessor.exited, { code: 0 });
  }));
