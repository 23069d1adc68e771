import * as fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import * as native from '../../native/index.ts';
import {
  connectTo,
  listenForSuccessors,
  MAX_SOCKET_PATH,
  openDirectory,
  removeLeftovers,
  tryOwn,
  versionsIn,
  type Directory,
} from '../../sdk/directory.ts';
import { temporaryDirectory } from '../helpers/processes.ts';
import { openDescriptors, target } from '../native/helpers.ts';

const who = { name: 'sidecar', version: '100', uid: process.geteuid?.() ?? 0, pid: process.pid };
const open = (path: string, change: Partial<typeof who> = {}): Directory =>
  openDirectory({ BATON_DIR: path }, { ...who, ...change });
const listen = (t: ExecutionContext, directory: Directory, version: string): number => {
  const socket = listenForSuccessors(directory, version, process.pid);
  let closed = false;
  t.teardown(() => {
    if (!closed) native.close(socket);
    closed = true;
  });
  return socket;
};

test('a path that just fits is taken, a longer one is refused, counted in bytes', (t) => {
  const base = temporaryDirectory(t);
  const rest = MAX_SOCKET_PATH - Buffer.byteLength(join(base, '/', `.100.${process.pid}.sock`)) - 1;
  const fitting = join(base, 'x'.repeat(rest));
  fs.mkdirSync(fitting);
  const directory = open(fitting);
  listen(t, directory, '100');
  t.deepEqual(versionsIn(directory), ['100']);
  t.throws(() => open(`${fitting}x`), { code: 'ERR_BATON_PATH_TOO_LONG', message: /BATON_DIR/ });
  t.throws(() => open(join(base, 'ü'.repeat(rest))), { code: 'ERR_BATON_PATH_TOO_LONG' });
  t.throws(() => open(fitting, { version: '1'.repeat(32) }), { code: 'ERR_BATON_PATH_TOO_LONG' });
});

test('missing folders and files are refused; slashes at the end do not matter', (t) => {
  const base = temporaryDirectory(t);
  fs.writeFileSync(join(base, 'file'), '');
  t.throws(() => open(join(base, 'missing')), { code: 'ERR_BATON_DIRECTORY', message: /missing/ });
  t.throws(() => open(join(base, 'file')), { code: 'ERR_BATON_DIRECTORY', message: /no folder/ });
  t.throws(() => open(join(base, 'file', 'in')), { code: 'ERR_BATON_DIRECTORY', message: /ENOTDIR/ });
  t.is(open(`${base}///`).path, base);
  t.false(open(base).sameUserOnly);
});

test("the fallback is this user's alone, or refused", (t) => {
  const name = `directory-test-${process.pid}`;
  const own = openDirectory({}, { ...who, name });
  t.teardown(() => fs.rmSync(own.path, { recursive: true, force: true }));
  t.true(own.sameUserOnly);
  t.is(own.path, `/dev/shm/baton-${who.uid}/${name}`);
  t.is(fs.statSync(own.path).mode & 0o777, 0o700);
  listen(t, own, '100');
  t.is(fs.statSync(own.socketOf('100')).mode & 0o777, 0o600);
  for (const mode of [0o701, 0o710, 0o770, 0o1777]) {
    fs.chmodSync(own.path, mode);
    t.throws(() => openDirectory({}, { ...who, name }), { code: 'ERR_BATON_DIRECTORY' }, mode.toString(8));
  }
  fs.chmodSync(own.path, 0o700);
  const link = `/dev/shm/baton-${who.uid}/${name}-link`;
  fs.symlinkSync(own.path, link);
  t.teardown(() => fs.rmSync(link, { force: true }));
  t.throws(() => openDirectory({}, { ...who, name: `${name}-link` }), { code: 'ERR_BATON_DIRECTORY' });
  t.throws(() => openDirectory({}, { ...who, name: 'x'.repeat(100) }), {
    code: 'ERR_BATON_PATH_TOO_LONG',
    message: /name of the sidecar/,
  });
});

test('versions are sorted as numbers, and other files are passed over', (t) => {
  const directory = open(temporaryDirectory(t));
  for (const name of [
    '9.sock',
    '10.sock',
    '18446744073709551616.sock',
    '.11.1.sock',
    '0.sock',
    '07.sock',
    'x.sock',
    '10.json',
    'owner',
  ]) {
    fs.writeFileSync(join(directory.path, name), '');
  }
  t.deepEqual(versionsIn(directory), ['18446744073709551616', '10', '9']);
});

test('a version that listens is connected to, one that is dead or was never there is not', (t) => {
  const directory = open(temporaryDirectory(t));
  t.is(connectTo(directory, '100'), undefined);
  const socket = listenForSuccessors(directory, '100', process.pid);
  const line = connectTo(directory, '100');
  t.is(typeof line, 'number');
  native.close(line as number);
  native.close(socket);
  t.true(fs.existsSync(directory.socketOf('100')));
  t.is(connectTo(directory, '100'), undefined);
  // A new life of the same version replaces the path in one step.
  listen(t, directory, '100');
  const again = connectTo(directory, '100');
  t.is(typeof again, 'number');
  native.close(again as number);
  t.deepEqual(fs.readdirSync(directory.path), ['100.sock']);
  fs.writeFileSync(directory.socketOf('50'), '');
  t.is(connectTo(directory, '50'), undefined);
});

test('a full queue is told apart from a dead process', (t) => {
  const directory = open(temporaryDirectory(t));
  listen(t, directory, '100');
  const lines: number[] = [];
  t.teardown(() => lines.forEach(native.close));
  const error = t.throws(() => {
    for (let count = 0; count < 100; count++) lines.push(connectTo(directory, '100') as number);
  });
  t.like(error, { code: 'ERR_BATON_CROWDED' });
});

test('leftovers of older versions go, those of the living and of newer ones stay', (t) => {
  const directory = open(temporaryDirectory(t));
  const life = listen(t, directory, '80');
  for (const version of ['70', '90', '200']) native.close(listenForSuccessors(directory, version, process.pid));
  for (const version of ['70', '80', '90', '100', '200']) fs.writeFileSync(directory.stateOf(version), '{}');
  removeLeftovers(directory, '100');
  t.deepEqual(fs.readdirSync(directory.path).sort(), ['100.json', '200.json', '200.sock', '80.json', '80.sock']);
  // Also where its queue is full.
  const lines: number[] = [];
  t.teardown(() => lines.forEach(native.close));
  t.throws(() => {
    for (;;) lines.push(connectTo(directory, '80') as number);
  });
  removeLeftovers(directory, '100');
  t.true(fs.existsSync(directory.socketOf('80')));
  t.is(typeof life, 'number');
});

test('one owner at a time, through links never, and the file is not replaced', (t) => {
  const directory = open(temporaryDirectory(t));
  const lock = tryOwn(directory) as number;
  t.is(typeof lock, 'number');
  const copies = (): number => openDescriptors().filter((descriptor) => target(descriptor) === target(lock)).length;
  t.is(copies(), 1);
  t.is(tryOwn(directory), undefined);
  t.is(copies(), 1);
  const copy = native.duplicate(lock);
  native.close(lock);
  t.is(tryOwn(directory), undefined, 'a copy of the descriptor holds it too');
  native.close(copy);
  const again = tryOwn(directory) as number;
  t.is(typeof again, 'number');
  native.close(again);
  fs.rmSync(join(directory.path, 'owner'));
  fs.symlinkSync('/dev/null', join(directory.path, 'owner'));
  t.throws(() => tryOwn(directory), { code: 'ELOOP' });
});

test('a name that is no folder of its own is refused, where it names one', (t) => {
  for (const name of ['', '.', '..', '../evil', 'a/b', '/tmp', 'a\0b', 'a b']) {
    t.throws(() => openDirectory({}, { ...who, name }), { code: 'ERR_BATON_ARGUMENT' }, JSON.stringify(name));
    t.notThrows(() => open(temporaryDirectory(t), { name }));
  }
});
