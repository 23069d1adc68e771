// The pods' volumes as an agent reads them; a pod can put anything into its own.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { stateFilesOf } from '../../../agent/pod-directory/state-files.ts';
import type { StateFile } from '../../../api/pod-contract.ts';
import { copies, versionKey } from '../../../api/pod-contract.ts';
import { makeVolume, type PodVolume, recordFor, stateOf } from '../pod-volume.ts';
import { rootTest } from '../root-test.ts';

const write = ({ folder }: PodVolume, state: StateFile): void =>
  writeFileSync(join(folder(), `${state.version}.json`), JSON.stringify(state));
const read = ({ kubeletRoot, pod }: PodVolume): StateFile[] | undefined => stateFilesOf(kubeletRoot, pod).get('echo');
const descriptors = (): number => readdirSync('/proc/self/fd').length;

test('the files of both copies, of the idle version and of those before the upgrade', (t) => {
  const volume = makeVolume(t);
  const [first] = copies('echo');
  const previous = { hash: null, working: {}, versions: { [first]: '5' }, images: {}, containerIDs: {} };
  Object.assign(volume.pod.metadata.annotations, recordFor({ previous }));
  for (const version of ['0', '5', '7', '8', '9']) write(volume, stateOf(version));
  const versions = read(volume)?.map(({ version }) => version);
  t.deepEqual(versions, ['0', '7', '8', '5'], 'nobody knows of a version 9');
});

test('a sidecar that wrote nothing has no files; one without the volume is not in the table', (t) => {
  const volume = makeVolume(t, { sidecars: ['echo', 'log'] });
  write(volume, stateOf('7'));
  const { containers } = volume.pod.spec ?? { containers: [] };
  for (const container of containers) if (container.name.startsWith('log')) container.volumeMounts = [];
  t.deepEqual([...stateFilesOf(volume.kubeletRoot, volume.pod).keys()], ['echo']);
  rmSync(volume.folder(), { recursive: true });
  t.deepEqual(read(volume), [], 'the kubelet makes its folder when a copy starts');
});

test('a name of a container that leads elsewhere is none', (t) => {
  const volume = makeVolume(t);
  const containers = volume.pod.spec?.containers ?? [];
  for (const sidecar of ['..', '../..', 'a/b', '.', '']) {
    for (const [index, name] of copies(sidecar).entries()) {
      Object.assign(containers[index] ?? {}, {
        name,
        volumeMounts: [{ name: 'baton', mountPath: '/x', subPath: sidecar }],
      });
    }
    t.is(stateFilesOf(volume.kubeletRoot, volume.pod).size, 0, sidecar);
  }
});

const versionsThatLeadElsewhere = ['../8', '..', '/etc/passwd', '8/../8', '', '8\0'];
test('nor does a version of an annotation', (t) => {
  const volume = makeVolume(t);
  write(volume, stateOf('8'));
  const [first, second] = copies('echo');
  for (const version of versionsThatLeadElsewhere) {
    Object.assign(volume.pod.metadata.annotations, { [versionKey(first)]: version, [versionKey(second)]: version });
    t.deepEqual(read(volume), [], version);
  }
});

const passwd = '/etc/passwd';
/** What a pod may put in the place of `8.json`. */
const hostile: Record<string, (path: string) => void> = {
  'a FIFO': (path) => void execFileSync('mkfifo', [path]),
  'a file of a terabyte': (path) => {
    writeFileSync(path, '');
    truncateSync(path, 2 ** 40);
  },
  'a file of 65 KiB': (path) => writeFileSync(path, JSON.stringify(stateOf('8')).padEnd(65 * 1024)),
  'a link to a file of the node': (path) => symlinkSync(passwd, path),
  'a link to a good state file': (path) => {
    const other = join(path, '..', 'other');
    writeFileSync(other, JSON.stringify(stateOf('8')));
    symlinkSync(other, path);
  },
  'a link to itself': (path) => symlinkSync(path, path),
  'a folder': (path) => mkdirSync(path),
  // From within its folder: the whole path is too long for a socket's.
  'a socket': (path) =>
    void spawnSync(
      process.execPath,
      ['-e', `require('net').createServer().listen('8.json', () => process.kill(process.pid, 'SIGKILL'))`],
      { cwd: dirname(path) },
    ),
  'an empty file': (path) => writeFileSync(path, ''),
  'half a file': (path) => writeFileSync(path, JSON.stringify(stateOf('8')).slice(0, 50)),
  'deep JSON': (path) => writeFileSync(path, '['.repeat(64 * 1024)),
  'deep JSON that ends': (path) => writeFileSync(path, '['.repeat(32 * 1024) + ']'.repeat(32 * 1024)),
  'another version’s file': (path) => writeFileSync(path, JSON.stringify(stateOf('7'))),
  'a phase that does not exist': (path) => writeFileSync(path, JSON.stringify({ ...stateOf('8'), phase: 'x' })),
  'wrong types': (path) => writeFileSync(path, JSON.stringify({ ...stateOf('8'), heartbeatAt: '2000' })),
  'an endless number': (path) =>
    writeFileSync(path, JSON.stringify(stateOf('8')).replace('"heartbeatAt":2000', '"heartbeatAt":1e999')),
  'a list': (path) => writeFileSync(path, JSON.stringify([stateOf('8')])),
  'no UTF-8': (path) => writeFileSync(path, Buffer.alloc(1000, 0xff)),
};

for (const [what, put] of Object.entries(hostile)) {
  test(`${what} is no state file, and leaves nothing open`, (t) => {
    const volume = makeVolume(t);
    write(volume, stateOf('7'));
    put(join(volume.folder(), '8.json'));
    t.truthy(lstatSync(join(volume.folder(), '8.json')));
    const before = descriptors();
    t.deepEqual(read(volume), [stateOf('7')]);
    t.is(descriptors(), before);
  });
}

test('whatever bytes a file has, it is no state file, or one of its own version', (t) => {
  const volume = makeVolume(t);
  const good = JSON.stringify(stateOf('8'));
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  const cut = fc.nat(good.length).map((length) => Buffer.from(good.slice(0, length)));
  const changed = fc
    .tuple(fc.constantFrom(...Object.keys(stateOf('8'))), fc.jsonValue())
    .map(([key, value]) => Buffer.from(JSON.stringify({ ...stateOf('8'), [key]: value })));
  let read8 = 0;
  fc.assert(
    fc.property(fc.oneof(bytes, cut, changed), (content) => {
      writeFileSync(join(volume.folder(), '8.json'), content);
      for (const state of read(volume) ?? []) {
        read8 += 1;
        t.is(state.version, '8');
        t.true(Number.isFinite(state.heartbeatAt) && typeof state.holdsListeners === 'boolean');
      }
    }),
    { numRuns: 500 },
  );
  t.true(read8 > 0);
});

rootTest('a device is not opened', (t) => {
  const volume = makeVolume(t);
  // /dev/tty's driver answers ENXIO to a process without a terminal: opening it would be an error here.
  execFileSync('mknod', [join(volume.folder(), '8.json'), 'c', '5', '0']);
  execFileSync('mknod', [join(volume.folder(), '7.json'), 'c', '1', '5']);
  t.deepEqual(read(volume), []);
});

test('fields that do not belong there are dropped, long texts cut', (t) => {
  const volume = makeVolume(t);
  const error = { code: 'E', message: 'x'.repeat(10_000) };
  const file = join(volume.folder(), '8.json');
  writeFileSync(file, JSON.stringify({ ...stateOf('8', { error }), __proto__: { a: 1 }, extra: 'x'.repeat(1000) }));
  const [state] = read(volume) ?? [];
  t.deepEqual(state, stateOf('8', { error: { ...error, message: 'x'.repeat(2000) } }));
});

test('twenty thousand other files cost nothing: they are not even listed', (t) => {
  const volume = makeVolume(t);
  write(volume, stateOf('7'));
  for (let index = 0; index < 20_000; index += 1) writeFileSync(join(volume.folder(), `${index + 100}.json`), '');
  const times = Array.from({ length: 10 }, () => {
    const start = performance.now();
    t.deepEqual(read(volume), [stateOf('7')]);
    return performance.now() - start;
  });
  t.true(Math.min(...times) < 5, `${Math.min(...times)} ms`);
});

test('a folder that is a link is not entered, at any height', (t) => {
  const volume = makeVolume(t);
  const real = mkdtempSync(join(tmpdir(), 'baton-real-'));
  t.teardown(() => rmSync(real, { recursive: true, force: true }));
  const moved = join(real, 'moved');
  write(volume, stateOf('7'));
  renameSync(volume.folder(), moved);
  symlinkSync(moved, volume.folder());
  t.deepEqual(read(volume), []);
  rmSync(volume.folder());
  renameSync(moved, volume.folder());
  t.is(read(volume)?.length, 1);
  for (const height of [
    volume.path,
    join(volume.path, '..'),
    join(volume.path, '../..'),
    join(volume.path, '../../..'),
  ]) {
    renameSync(height, moved);
    symlinkSync(moved, height);
    t.throws(() => read(volume), { code: 'ERR_BATON_KUBELET_ROOT' }, height);
    rmSync(height);
    renameSync(moved, height);
  }
  t.is(read(volume)?.length, 1);
});

test('a pod that swaps file and folder all the time gets nothing read that is not its own', async (t) => {
  const volume = makeVolume(t);
  const secret = mkdtempSync(join(tmpdir(), 'baton-secret-'));
  t.teardown(() => rmSync(secret, { recursive: true, force: true }));
  writeFileSync(join(secret, '8.json'), JSON.stringify(stateOf('8', { pid: 4242 })));
  const swapping = spawn(
    process.execPath,
    [
      '-e',
      `const { renameSync, symlinkSync, rmSync, writeFileSync, mkdirSync } = require('fs');
       const [folder, secret, good] = process.argv.slice(1);
       const tries = (act) => { try { act(); } catch {} };
       console.log('swapping');
       for (;;) {
         tries(() => renameSync(folder, folder + '.kept'));
         tries(() => symlinkSync(secret, folder));
         tries(() => rmSync(folder));
         tries(() => renameSync(folder + '.kept', folder));
         tries(() => { rmSync(folder + '/8.json', { force: true }); symlinkSync(secret + '/8.json', folder + '/8.json'); });
         tries(() => { writeFileSync(folder + '/new', good); renameSync(folder + '/new', folder + '/8.json'); });
       }`,
      volume.folder(),
      secret,
      JSON.stringify(stateOf('8')),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.teardown(() => swapping.kill('SIGKILL'));
  await once(swapping.stdout, 'data');
  const before = descriptors();
  const seen = { nothing: 0, good: 0 };
  const end = Date.now() + 30_000;
  for (let turn = 0; turn < 5_000 || seen.nothing === 0 || seen.good === 0; turn += 1) {
    if (Date.now() > end) return t.fail(JSON.stringify(seen));
    const [state] = read(volume) ?? [];
    if (state) t.is(state.pid, 1);
    seen[state ? 'good' : 'nothing'] += 1;
  }
  t.is(descriptors(), before);
  return undefined;
});

test('a kubelet whose root is elsewhere is an error, not a sidecar without the SDK', (t) => {
  const volume = makeVolume(t);
  write(volume, stateOf('7'));
  const error = t.throws(() => stateFilesOf(join(volume.kubeletRoot, 'pods'), volume.pod), {
    code: 'ERR_BATON_KUBELET_ROOT',
  });
  t.regex(error.message, /it has no folder pods.*--root-dir/);
  const other = { ...volume.pod, metadata: { ...volume.pod.metadata, uid: 'another' } };
  t.throws(() => stateFilesOf(volume.kubeletRoot, other), {
    code: 'ERR_BATON_KUBELET_ROOT',
    message: /of pod another/,
  });
  for (const uid of ['..', '', '../x', 'a/b']) {
    const hidden = { ...volume.pod, metadata: { ...volume.pod.metadata, uid } };
    t.throws(() => stateFilesOf(volume.kubeletRoot, hidden), { code: 'ERR_BATON_KUBELET_ROOT' }, uid);
  }
});

rootTest('a volume in memory that is not mounted where the agent looks is an error', (t) => {
  const volume = makeVolume(t, { medium: 'Memory' });
  const error = t.throws(() => read(volume), { code: 'ERR_BATON_MOUNT_PROPAGATION' });
  t.regex(error.message, /HostToContainer/);
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', volume.path]);
  t.teardown(() => void execFileSync('umount', [volume.path]));
  mkdirSync(volume.folder());
  write(volume, stateOf('7'));
  t.deepEqual(read(volume), [stateOf('7')]);
});

rootTest('a file that the agent may not read is an error', (t) => {
  const volume = makeVolume(t);
  write(volume, stateOf('7'));
  chmodSync(join(volume.folder(), '7.json'), 0o000);
  chmodSync(volume.kubeletRoot, 0o755);
  for (const path of ['pods', `pods/${volume.uid}`]) chmodSync(join(volume.kubeletRoot, path), 0o755);
  process.seteuid?.(65534);
  try {
    t.throws(() => read(volume), { code: 'ERR_BATON_UNREADABLE' });
  } finally {
    process.seteuid?.(0);
  }
});
