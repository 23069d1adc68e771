// Datagrams of real sockets, from the SDK and from anybody else who may be in the container.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { loadDatagrams } from '../../../cli/datagrams.ts';
import { readNotice } from '../../../agent/notifications/notice.ts';
import { createNotifications, type Notifications } from '../../../agent/notifications/notifications.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import * as native from '../../../native/index.ts';
import { keepStateFile, type StateFile } from '../../../sdk/state-file.ts';
import { startSidecar, until } from '../../helpers/processes.ts';
import { makeVolume, recordFor, type PodVolume } from '../pod-volume.ts';
import { serialRootTest } from '../root-test.ts';

const bind = loadDatagrams();
if (!bind) throw new Error('the addon does not load: run `npm run build:native`');

interface Listening extends PodVolume {
  notifications: Notifications;
  notices: string[];
  errors: { code?: string }[];
  socket: (sidecar?: string) => string;
  /** The pod is under way, or not. */
  attend: (isUnderWay: boolean, pod?: Pod) => void;
  send: (text: string | Buffer, sidecar?: string) => boolean;
}

function listen(t: ExecutionContext, volume: PodVolume = makeVolume(t)): Listening {
  const notices: string[] = [];
  const errors: { code?: string }[] = [];
  // Paths of volumes are longer than a socket's may be; a container sees a short one.
  const short = mkdtempSync(join(tmpdir(), 'b-'));
  symlinkSync(volume.path, join(short, 'v'));
  const notifications = createNotifications({
    kubeletRoot: volume.kubeletRoot,
    bind: bind as NonNullable<typeof bind>,
    now: Date.now,
    onNotice: (uid) => void notices.push(uid),
    onError: (_, error) => void errors.push(error as { code?: string }),
  });
  t.teardown(() => {
    notifications.close();
    rmSync(short, { recursive: true });
  });
  const socket = (sidecar = 'echo'): string => join(short, 'v', sidecar, 'agent.sock');
  return {
    ...volume,
    notifications,
    notices,
    errors,
    socket,
    attend: (isUnderWay, pod = volume.pod) => notifications.attend([pod], new Set(isUnderWay ? [volume.uid] : [])),
    send: (text, sidecar) => native.notify(socket(sidecar), Buffer.from(text)),
  };
}

const notice = JSON.stringify({ version: '8', phase: 'serving' });
const heartbeats = { now: Date.now, warn: () => undefined };
const state: StateFile = {
  version: '8',
  role: 'first',
  phase: 'starting',
  pid: 1,
  processStart: 1,
  startedAt: 1,
  heartbeatAt: 1,
  holdsListeners: false,
  counters: { inherited: 0, bound: 0, moved: 0, received: 0, finished: 0, cut: 0, takenBack: 0 },
};

test.serial('a socket is there while the upgrade is under way, and anybody in the container may send', async (t) => {
  const { attend, send, socket, notices, errors, uid } = listen(t);
  attend(false);
  t.false(existsSync(socket()));
  attend(true);
  attend(true);
  t.is(statSync(socket()).mode & 0o777, 0o666);
  t.true(send(notice));
  await until('a notice', () => notices.length === 1);
  t.deepEqual(notices, [uid]);
  attend(false);
  t.false(existsSync(socket()));
  t.false(send(notice));
  t.deepEqual(errors, []);
});

test.serial('each sidecar of a pod has its own', async (t) => {
  const { attend, send, notices } = listen(t, makeVolume(t, { sidecars: ['echo', 'log'] }));
  attend(true);
  t.true(send(notice, 'echo'));
  t.true(send(notice, 'log'));
  await until('both', () => notices.length === 2);
});

test.serial('when the pod is being deleted nothing of it stays open', (t) => {
  const { attend, pod, errors } = listen(t);
  attend(true);
  t.true(openSockets().length > 0, 'the listing of sockets shows it');
  attend(true, { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
  t.deepEqual(openSockets(), []);
  t.deepEqual(errors, []);
});

test.serial('a pod that has ended is not listened to, and its volume may be gone', (t) => {
  const { attend, pod, kubeletRoot, errors } = listen(t);
  Object.assign(pod.metadata.annotations, recordFor());
  attend(true);
  rmSync(join(kubeletRoot, 'pods'), { recursive: true });
  for (const phase of ['Failed', 'Succeeded']) attend(true, { ...pod, status: { phase } });
  t.deepEqual(openSockets(), []);
  t.deepEqual(errors, []);
});

test.serial('when the pod and its volume are gone, so is the socket', (t) => {
  const { attend, notifications, kubeletRoot, errors } = listen(t);
  attend(true);
  rmSync(join(kubeletRoot, 'pods'), { recursive: true });
  notifications.attend([], new Set());
  t.deepEqual(openSockets(), []);
  t.deepEqual(errors, []);
});

serialRootTest('a volume with its socket can be unmounted once the pod is being deleted', (t) => {
  const volume = makeVolume(t, { medium: 'Memory' });
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', volume.path]);
  t.teardown(() => void execFileSync('umount', ['-q', volume.path], { stdio: 'ignore' }));
  mkdirSync(volume.folder());
  const { attend, pod } = listen(t, volume);
  attend(true);
  t.throws(
    () => execFileSync('umount', [volume.path], { stdio: 'pipe' }),
    { message: /busy/ },
    'a bound socket pins it',
  );
  attend(true, { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
  t.notThrows(() => execFileSync('umount', [volume.path], { stdio: 'pipe' }));
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', volume.path]);
});

/** As an agent that was killed leaves it. */
function leaveSocket(path: string): void {
  const script = `require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  const { signal } = spawnSync(process.execPath, ['-e', script, path]);
  if (signal !== 'SIGKILL') throw new Error(`the socket ${path} was not left: ${String(signal)}`);
}

test.serial('what a killed agent left is replaced where the upgrade goes on', async (t) => {
  const { attend, socket, send, notices } = listen(t);
  leaveSocket(socket());
  attend(true);
  t.true(send(notice));
  await until('a notice', () => notices.length === 1);
});

test.serial('what a killed agent left is removed where the upgrade ended without it', (t) => {
  const { attend, socket, pod, errors } = listen(t);
  leaveSocket(socket());
  t.true(lstatSync(socket()).isSocket());
  Object.assign(pod.metadata.annotations, recordFor({ phase: 'Done' }));
  attend(false);
  t.false(existsSync(socket()));
  t.deepEqual(errors, []);
});

test.serial('what is no notice wakes nobody', async (t) => {
  const { attend, send, notices } = listen(t);
  attend(true);
  const bad = [
    '',
    '{',
    '[]',
    'null',
    '7',
    '{"version":8,"phase":"serving"}',
    '{"version":"../8","phase":"serving"}',
    '{"version":"8","phase":"x y"}',
    '{"version":"8"}',
    '['.repeat(500),
    JSON.stringify({ version: '8', phase: 'serving', padding: 'x'.repeat(600) }),
    Buffer.alloc(60_000, 0xff),
  ];
  for (const text of bad) {
    t.is(readNotice(Buffer.from(text)), undefined);
    // The kernel queues few datagrams (net.unix.max_dgram_qlen): the agent has to read them meanwhile.
    await until('room in the queue', () => send(text));
  }
  await until('room in the queue', () => send(notice));
  await until('the one notice', () => notices.length > 0);
  t.is(notices.length, 1);
});

test.serial('whatever bytes come, a notice is what was checked', (t) => {
  const json = fc.json().map((text) => Buffer.from(text));
  const near = fc
    .record({
      version: fc.oneof(fc.string(), fc.nat().map(String)),
      phase: fc.oneof(fc.string(), fc.constant('serving')),
    })
    .map((value) => Buffer.from(JSON.stringify(value)));
  const bytes = fc.uint8Array({ maxLength: 600 }).map((array) => Buffer.from(array));
  let good = 0;
  fc.assert(
    fc.property(fc.oneof(json, near, bytes), (datagram) => {
      const read = readNotice(datagram);
      if (!read) return;
      good += 1;
      t.regex(read.version, /^\d{1,20}$/);
      t.regex(read.phase, /^[a-z]{1,20}$/);
    }),
    { numRuns: 500 },
  );
  t.true(good > 0);
});

test.serial('who floods the socket is listened to no longer, and other pods still are', async (t) => {
  const flooded = listen(t);
  const other = listen(t);
  flooded.attend(true);
  other.attend(true);
  await until('the end of it', () => {
    for (let sent = 0; sent < 100; sent += 1) flooded.send('x'.repeat(100));
    return flooded.errors.length > 0;
  });
  t.deepEqual(
    flooded.errors.map(({ code }) => code),
    ['ERR_BATON_FLOOD'],
  );
  t.false(flooded.send(notice));
  t.is(openSockets().length, 1);
  t.true(other.send(notice));
  await until('the other’s notice', () => other.notices.length === 1);
  flooded.attend(true);
  t.false(flooded.send(notice), 'until its next upgrade');
  flooded.attend(false);
  t.false(existsSync(flooded.socket()));
  flooded.attend(true);
  t.true(flooded.send(notice));
});

test.serial('a link in the place of the socket is replaced, and nothing changes where it leads', (t) => {
  const { attend, socket, folder, send } = listen(t);
  const target = join(folder(), 'target');
  writeFileSync(target, 'mine', { mode: 0o600 });
  symlinkSync(target, socket());
  attend(true);
  t.true(send(notice));
  t.is(readFileSync(target, 'utf8'), 'mine');
  t.is(statSync(target).mode & 0o777, 0o600);
});

test.serial('a folder in its place is an error, told once, and the pod is polled', (t) => {
  const { attend, socket, errors } = listen(t);
  mkdirSync(socket());
  attend(true);
  attend(true);
  t.is(errors.length, 1);
  t.regex(String(errors[0]?.code), /^E(ISDIR|PERM)$/);
  attend(false);
  t.true(lstatSync(socket()).isDirectory());
});

test.serial('the SDK tells each change and each heartbeat, and goes on where nobody listens', async (t) => {
  const { attend, socket, folder, notices } = listen(t);
  const warnings: string[] = [];
  const environment = { ...heartbeats, warn: (message: string) => void warnings.push(message) };
  const keeper = keepStateFile(join(folder(), '8.json'), state, { agentSocket: socket(), environment });
  t.teardown(() => keeper.close());
  attend(true);
  keeper.update({ phase: 'serving' });
  await until('the change', () => notices.length === 1);
  await until('a heartbeat', () => notices.length === 2);
  attend(false);
  keeper.update({ phase: 'draining' });
  attend(true);
  keeper.update({ phase: 'drained' });
  await until('the next change', () => notices.length === 3);
  t.deepEqual(warnings, []);
});

test.serial('the SDK warns of nothing when something else is in the socket’s place', async (t) => {
  const { socket, folder } = listen(t);
  const warnings: string[] = [];
  const environment = { ...heartbeats, warn: (message: string) => void warnings.push(message) };
  const keeper = keepStateFile(join(folder(), '8.json'), state, { agentSocket: socket(), environment });
  writeFileSync(socket(), '');
  keeper.update({ phase: 'serving' });
  rmSync(socket());
  mkdirSync(socket());
  keeper.update({ phase: 'draining' });
  rmSync(socket(), { recursive: true });
  const stream = createServer();
  t.teardown(() => stream.close());
  await new Promise<void>((resolve) => stream.listen(socket(), resolve));
  keeper.update({ phase: 'drained' });
  keeper.close();
  t.deepEqual(warnings, []);
  t.is((JSON.parse(readFileSync(join(folder(), '8.json'), 'utf8')) as StateFile).phase, 'drained');
});

test.serial('a sidecar’s process wakes the agent', async (t) => {
  const { attend, socket, notices } = listen(t);
  attend(true);
  const sidecar = startSidecar(t, {
    version: 8,
    directory: join(socket(), '..'),
    port: 0,
    script: 'examples/smallest/sidecar.js',
  });
  await until('notices', () => notices.length >= 2).catch((error: unknown) => {
    t.log(sidecar.output());
    throw error;
  });
  t.pass();
});

/** The sockets of this process that are bound in pods' volumes (proc(5)). */
function openSockets(): string[] {
  const own = readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${name}`))?.[1] ?? [];
    } catch {
      // The listing's own.
      return [];
    }
  });
  const bound = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return bound.filter((line) => line.endsWith('/agent.sock') && own.includes(line.split(/\s+/)[6] ?? ''));
}
