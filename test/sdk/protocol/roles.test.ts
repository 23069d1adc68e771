import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { askOnce } from '../../helpers/load.ts';
import { startSidecar, until, untilPhase, type Running } from '../../helpers/processes.ts';
import { createScene, startServing, untilStopped } from '../../helpers/scene.ts';
import { slots } from '../../helpers/slots.ts';

/* Who serves when copies start, end and restart in every order; and what is said when something is in the way. */
const slot = slots(4);

const unharmed = (t: ExecutionContext, load: Awaited<ReturnType<typeof startServing>>['load']): void => {
  t.deepEqual(
    load.failed().map((keeper) => keeper.failure()),
    [],
  );
  t.like(load.fresh, { refused: 0, broken: [] });
};
const codeIn = (output: string): string | undefined => /"type":"error","code":"(\w+)"/.exec(output)?.[1];

test('SIGTERM to the successor: everything goes back, and forth again', (t) =>
  slot(async () => {
    const { start, predecessor, load } = await startServing(t);
    for (const round of [1, 2]) {
      const successor = start({ version: 200, alternative: 100 });
      await untilPhase(successor, 'serving');
      if (round === 2) await untilPhase(predecessor, 'drained');
      successor.kill('SIGTERM');
      t.like(await successor.exited, { code: 0 });
      await untilPhase(predecessor, 'serving');
      await load.goesOn(t, 3, 100);
      t.is(predecessor.state()?.counters.takenBack, round);
      t.true(successor.output().includes('"givenBack"'));
    }
    await load.stop();
    unharmed(t, load);
  }));

test('SIGTERM to the successor before it is ready', (t) =>
  slot(async () => {
    const { start, predecessor, load } = await startServing(t, { keepers: 5 });
    const successor = start({ version: 200, alternative: 100, fault: 'received offer:SIGTERM' });
    t.like(await successor.exited, { code: 0 });
    await load.goesOn(t, 3, 100);
    t.true((predecessor.state()?.counters.takenBack ?? 0) <= 1);
    await load.stop();
    unharmed(t, load);
  }));

test('SIGTERM to the draining predecessor: it ends when it is drained', (t) =>
  slot(async () => {
    const { start, predecessor, load, directory } = await startServing(t, { fault: 'sent stopped:SIGTERM' });
    const successor = start({ version: 200, alternative: 100 });
    t.like(await predecessor.exited, { code: 0 });
    await untilPhase(successor, 'serving');
    await load.goesOn(t, 5, 200);
    await load.stop();
    unharmed(t, load);
    await until('a report', () => successor.output().includes('"predecessorGone","version":"100","drained":true'));
    await until('no leftovers', () => !fs.existsSync(join(directory, '100.sock')));
  }));

test('SIGTERM to a drained predecessor: it ends at once, its files go, and the next upgrade is welcome', (t) =>
  slot(async () => {
    const { start, predecessor, load, directory } = await startServing(t);
    const successor = start({ version: 200, alternative: 100 });
    await untilPhase(predecessor, 'drained');
    predecessor.kill('SIGTERM');
    t.like(await predecessor.exited, { code: 0 });
    await until('no leftovers', () => !fs.readdirSync(directory).some((file) => /^100\.(sock|json)$/.test(file)));
    const third = start({ version: 300, alternative: 200 });
    await untilPhase(third, 'serving');
    await untilPhase(successor, 'drained');
    await load.goesOn(t, 5, 300);
    await load.stop();
    unharmed(t, load);
  }));

test('a third version while the first still runs: refused as busy, and the second serves on', (t) =>
  slot(async () => {
    const { start, load } = await startServing(t, { keepers: 3, fresh: 1 });
    const second = start({ version: 200, alternative: 100 });
    await untilPhase(second, 'serving');
    const third = start({ version: 300, alternative: 200, env: { TIMEOUT_MS: '20000' } });
    t.like(await third.exited, { code: 1 });
    t.is(await until('a code', () => codeIn(third.output())), 'ERR_BATON_BUSY');
    await load.goesOn(t, 3, 200);
    await load.stop();
    unharmed(t, load);
  }));

for (const order of ['the stale one first', 'the successor first', 'both at once']) {
  test(`both copies start with nothing there, ${order}: one serves, and its death leaves the other`, (t) =>
    slot(async () => {
      const { start, port } = await createScene(t);
      const starts = [() => start({ version: 100, alternative: 200 }), () => start({ version: 200, alternative: 100 })];
      const copies: Running[] = [];
      for (const begin of order === 'the successor first' ? starts.reverse() : starts) {
        const copy = begin();
        copies.push(copy);
        if (order !== 'both at once') await until('it has begun', () => copy.state());
      }
      const at = (version: string): Running => copies.find((copy) => copy.state()?.version === version) as Running;
      await until('both have begun', () => copies.every((copy) => copy.state()));
      await untilPhase(at('200'), 'serving');
      t.deepEqual(await askOnce(port), { version: '200' });
      t.true(['waiting', 'draining', 'drained'].includes(at('100').state()?.phase ?? ''));
      const successor = at('200');
      successor.kill('SIGKILL');
      await untilPhase(at('100'), 'serving');
      t.deepEqual(await askOnce(port), { version: '100' });
      // The kubelet restarts the dead one: it takes over.
      const again = start({ version: 200, alternative: 100 });
      await untilPhase(again, 'serving');
      await untilPhase(at('100'), 'drained');
      t.deepEqual(await askOnce(port), { version: '200' });
    }));
}

test('a restarted successor whose predecessor is gone binds at once', (t) =>
  slot(async () => {
    const { start, predecessor, port } = await startServing(t, { keepers: 0, fresh: 0 });
    const successor = start({ version: 200, alternative: 100 });
    await untilPhase(predecessor, 'drained');
    predecessor.kill('SIGKILL');
    await predecessor.exited;
    successor.kill('SIGKILL');
    await successor.exited;
    const began = performance.now();
    const again = start({ version: 200, alternative: 100 });
    await untilPhase(again, 'serving');
    t.true(performance.now() - began < 8000);
    t.like(again.state()?.counters, { inherited: 0, bound: 1 });
    t.deepEqual(await askOnce(port), { version: '200' });
  }));

test('the predecessor is restarted during the upgrade: it is stale, waits, and serves when its successor dies', (t) =>
  slot(async () => {
    const { start, predecessor, port } = await startServing(t, { keepers: 0, fresh: 0 });
    const successor = start({ version: 200, alternative: 100 });
    await untilPhase(predecessor, 'drained');
    predecessor.kill('SIGKILL');
    await predecessor.exited;
    const stale = start({ version: 100, alternative: 200 });
    await untilPhase(stale, 'waiting');
    for (let count = 0; count < 20; count++) t.deepEqual(await askOnce(port), { version: '200' });
    await untilPhase(stale, 'waiting');
    successor.kill('SIGKILL');
    await untilPhase(stale, 'serving');
    t.deepEqual(await askOnce(port), { version: '100' });
  }));

test('a stale copy ends at SIGTERM at once', (t) =>
  slot(async () => {
    const { start, predecessor } = await startServing(t, { keepers: 0, fresh: 0 });
    const stale = start({ version: 50, alternative: 100 });
    await untilPhase(stale, 'waiting');
    stale.kill('SIGTERM');
    t.like(await stale.exited, { code: 0 });
    t.is(predecessor.state()?.phase, 'serving');
  }));

test('a copy restarted during the grace period of the other: it takes over what is left', (t) =>
  slot(async () => {
    const { start, predecessor, load } = await startServing(t, { keepers: 5 });
    // The old one got SIGTERM and serves until its clients are gone; a new version comes meanwhile.
    const successor = start({ version: 200, alternative: 100 });
    await untilPhase(predecessor, 'drained');
    predecessor.kill('SIGKILL');
    await predecessor.exited;
    successor.kill('SIGTERM');
    await untilPhase(successor, 'stopping');
    const stale = start({ version: 100, alternative: 200 });
    await untilPhase(stale, 'waiting');
    await load.goesOn(t, 3, 200);
    await load.stop();
    unharmed(t, load);
    t.like(await successor.exited, { code: 0 });
    await untilPhase(stale, 'serving');
  }));

test('a first version that finds another serving becomes its successor', (t) =>
  slot(async () => {
    const { start, predecessor, load } = await startServing(t, { keepers: 5 });
    const first = start({ version: 150 });
    await untilPhase(first, 'serving');
    await untilPhase(predecessor, 'drained');
    t.is(first.state()?.role, 'first');
    t.like(first.state()?.counters, { inherited: 1 });
    await load.goesOn(t, 3, 150);
    await load.stop();
    unharmed(t, load);
  }));

test('a predecessor without an answer, frozen before the successor came, is waited for', (t) =>
  slot(async () => {
    const { start, predecessor, load } = await startServing(t, { keepers: 3, fresh: 1 });
    predecessor.kill('SIGSTOP');
    await untilStopped(predecessor);
    const successor = start({ version: 200, alternative: 100 });
    await until('it has begun', () => successor.frames('sent hello') > 1);
    predecessor.kill('SIGCONT');
    await untilPhase(successor, 'serving');
    await load.goesOn(t, 3, 200);
    await load.stop();
    unharmed(t, load);
  }));

/* Bad input: a code, exit 1, and the old process serves on. */

const failing = (title: string, code: string, env: (directory: string) => Record<string, string>): void => {
  test(`${title}: ${code}`, (t) =>
    slot(async () => {
      const { directory, port, predecessor } = await startServing(t, { keepers: 0, fresh: 0 });
      fs.writeFileSync(join(directory, 'file'), '');
      const successor = startSidecar(t, {
        version: 200,
        alternative: 100,
        directory,
        port,
        script: 'test/fixtures/sdk/sidecar.js',
        env: env(directory),
      });
      t.like(await successor.exited, { code: 1 });
      t.is(await until('a code', () => codeIn(successor.output())), code);
      t.deepEqual(await askOnce(port), { version: '100' });
      // Its file is its own again, should the other have written there.
      await untilPhase(predecessor, 'serving');
    }));
};

failing('BATON_DIR too long for sockets', 'ERR_BATON_PATH_TOO_LONG', () => ({ BATON_DIR: `/tmp/${'x'.repeat(100)}` }));
failing('BATON_DIR missing', 'ERR_BATON_DIRECTORY', (directory) => ({ BATON_DIR: `${directory}/missing` }));
failing('BATON_DIR a file', 'ERR_BATON_DIRECTORY', (directory) => ({ BATON_DIR: `${directory}/file` }));
failing('the port in use, another folder', 'ERR_BATON_ADDRESS_IN_USE', (directory) => {
  fs.mkdirSync(`${directory}/other`);
  return { BATON_DIR: `${directory}/other` };
});
failing('two equal versions', 'ERR_BATON_VERSION', () => ({ SIDECARSET_VERSION: '100' }));
failing('the version in use', 'ERR_BATON_VERSION_IN_USE', () => ({
  SIDECARSET_VERSION: '100',
  SIDECARSET_VERSION_ALT: '0',
}));
failing('no version', 'ERR_BATON_VERSION', () => ({ SIDECARSET_VERSION: 'v2' }));

test('a successor whose second port is in use fails, and the old process serves on', (t) =>
  slot(async () => {
    const { start, predecessor, load } = await startServing(t, { keepers: 3, fresh: 1 });
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    t.teardown(() => blocker.close());
    const { port } = blocker.address() as { port: number };
    const successor = start({ version: 200, alternative: 100, env: { PORT: String(port), SOCKET_NAME: 'other' } });
    t.like(await successor.exited, { code: 1 });
    t.is(await until('a code', () => codeIn(successor.output())), 'ERR_BATON_ADDRESS_IN_USE');
    await load.goesOn(t, 3, 100);
    t.is(predecessor.state()?.counters.takenBack, 0);
    await load.stop();
    unharmed(t, load);
  }));

test('a socket that may not be connected to: ERR_BATON_UNREACHABLE', (t) =>
  slot(async () => {
    if (process.geteuid?.() !== 0) {
      t.log('skipped: only root can start processes of other users');
      t.pass();
      return;
    }
    const { directory, port, load } = await startServing(t, { keepers: 3, fresh: 1 });
    fs.chmodSync(directory, 0o777);
    fs.chmodSync(join(directory, '100.sock'), 0o000);
    const successor = spawn(process.execPath, [join(import.meta.dirname, '../../fixtures/sdk/sidecar.js')], {
      uid: 4711,
      gid: 4711,
      env: { SIDECARSET_VERSION: '200', SIDECARSET_VERSION_ALT: '100', BATON_DIR: directory, PORT: String(port) },
    });
    let output = '';
    successor.stdout.on('data', (chunk) => (output += String(chunk)));
    const [code] = (await once(successor, 'close')) as [number];
    t.is(code, 1);
    t.is(codeIn(output), 'ERR_BATON_UNREACHABLE', output);
    await load.goesOn(t, 3, 100);
    await load.stop();
    unharmed(t, load);
  }));

test('a folder that may not be written: ERR_BATON_DIRECTORY, before anything is handed over', (t) =>
  slot(async () => {
    if (process.geteuid?.() !== 0) {
      t.log('skipped: only root can start processes of other users');
      t.pass();
      return;
    }
    const { directory, port, load, predecessor } = await startServing(t, { keepers: 3, fresh: 1 });
    fs.chmodSync(directory, 0o755);
    fs.chmodSync(join(directory, '100.sock'), 0o666);
    const successor = spawn(process.execPath, [join(import.meta.dirname, '../../fixtures/sdk/sidecar.js')], {
      uid: 4711,
      gid: 4711,
      env: { SIDECARSET_VERSION: '200', SIDECARSET_VERSION_ALT: '100', BATON_DIR: directory, PORT: String(port) },
    });
    let output = '';
    successor.stdout.on('data', (chunk) => (output += String(chunk)));
    const [code] = (await once(successor, 'close')) as [number];
    t.is(code, 1);
    t.is(codeIn(output), 'ERR_BATON_DIRECTORY', output);
    await load.goesOn(t, 3, 100);
    await load.stop();
    unharmed(t, load);
    t.is(predecessor.state()?.counters.takenBack, 0);
  }));

test('another user takes over in BATON_DIR: it is reported, and nothing is lost', (t) =>
  slot(async () => {
    if (process.geteuid?.() !== 0) {
      t.log('skipped: only root can start processes of other users');
      t.pass();
      return;
    }
    const { directory, port, load, predecessor } = await startServing(t, { keepers: 3, fresh: 1 });
    fs.chmodSync(directory, 0o1777);
    const successor = spawn(process.execPath, [join(import.meta.dirname, '../../fixtures/sdk/sidecar.js')], {
      uid: 4711,
      gid: 4711,
      env: { SIDECARSET_VERSION: '200', SIDECARSET_VERSION_ALT: '100', BATON_DIR: directory, PORT: String(port) },
    });
    t.teardown(() => successor.kill('SIGKILL'));
    await untilPhase(predecessor, 'drained');
    await load.goesOn(t, 3, 200);
    t.true(predecessor.output().includes('"otherUser","user":4711'));
    await load.stop();
    unharmed(t, load);
  }));

test('the fallback folder open to others: ERR_BATON_DIRECTORY', (t) =>
  slot(async () => {
    const name = `open-${process.pid}`;
    const directory = join(`/dev/shm/baton-${process.geteuid?.()}`, name);
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    fs.chmodSync(directory, 0o750);
    t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));
    const sidecar = startSidecar(t, {
      version: 100,
      directory,
      port: 0,
      script: 'test/fixtures/sdk/sidecar.js',
      env: { BATON_DIR: '', SIDECAR_NAME: name },
    });
    t.like(await sidecar.exited, { code: 1 });
    t.is(await until('a code', () => codeIn(sidecar.output())), 'ERR_BATON_DIRECTORY');
  }));
