import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import * as native from '../../../native/index.ts';
import { encodeFrame, MAX_FRAME } from '../../../sdk/frames.ts';
import { fakeSuccessor, fewestDescriptors, hello, openDescriptors, type FakePeer } from '../../helpers/peer.ts';
import { askOnce } from '../../helpers/load.ts';
import { freePort, startSidecar, until, untilPhase } from '../../helpers/processes.ts';
import { startServing, type Scene } from '../../helpers/scene.ts';
import { slots } from '../../helpers/slots.ts';

/*
 * Peers that break the protocol, against a real sidecar with clients: each is refused with a code, costs no descriptor for
 * longer than it stays, and no client notices.
 */
const slot = slots(6);

interface Hostile {
  title: string;
  /** What it does; the code that it is refused with. */
  act: (peer: FakePeer, scene: Scene, t: ExecutionContext) => void | Promise<void>;
  code: string;
  reads?: boolean;
}

/** Descriptors to send along: copies of the null device. */
const spare = (t: ExecutionContext, count: number): number[] => {
  const descriptors = Array.from({ length: count }, () => fs.openSync('/dev/null', 'r'));
  t.teardown(() => descriptors.forEach((descriptor) => fs.closeSync(descriptor)));
  return descriptors;
};
const header = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
};
/** Connects again where the listener's queue is full for a moment. */
const connectPatiently = (t: ExecutionContext, directory: string): Promise<FakePeer> =>
  until('room in the queue', () => {
    try {
      return fakeSuccessor(t, directory, 100);
    } catch (error) {
      t.is((error as native.SystemError).code, 'EAGAIN');
      return undefined;
    }
  });
const offered = async (peer: FakePeer): Promise<void> => {
  peer.say(hello());
  await peer.next('offer');
};
const handed = async (peer: FakePeer): Promise<void> => {
  await offered(peer);
  peer.say({ type: 'ready', sockets: ['http'] });
  await peer.next('stopped');
};

const peers: Hostile[] = [
  { title: 'garbage', act: (peer) => peer.raw(Buffer.alloc(64, 'A')), code: 'ERR_BATON_FRAME' },
  { title: 'HTTP', act: (peer) => peer.raw(Buffer.from('GET / HTTP/1.1\r\n\r\n')), code: 'ERR_BATON_FRAME' },
  { title: 'an empty frame', act: (peer) => peer.raw(header(0)), code: 'ERR_BATON_FRAME' },
  { title: 'an oversized frame', act: (peer) => peer.raw(header(MAX_FRAME + 1)), code: 'ERR_BATON_FRAME' },
  {
    title: 'no JSON',
    act: (peer) => peer.raw(Buffer.concat([header(3), Buffer.from('{a}')])),
    code: 'ERR_BATON_FRAME',
  },
  {
    title: 'no object',
    act: (peer) => peer.raw(Buffer.concat([header(4), Buffer.from('null')])),
    code: 'ERR_BATON_MESSAGE',
  },
  { title: 'a type of 8 MB', act: (peer) => peer.say({ type: 'x'.repeat(8e6) }), code: 'ERR_BATON_MESSAGE' },
  {
    title: 'a type of a million brackets',
    act: (peer) => {
      const body = Buffer.from(`{"type":${'['.repeat(1e6)}${']'.repeat(1e6)}}`);
      peer.raw(Buffer.concat([header(body.length), body]));
    },
    code: 'ERR_BATON_MESSAGE',
  },
  { title: 'an unknown type', act: (peer) => peer.say({ type: 'reset' }), code: 'ERR_BATON_MESSAGE' },
  { title: 'a prototype as type', act: (peer) => peer.say({ type: '__proto__' }), code: 'ERR_BATON_MESSAGE' },
  { title: 'a malformed hello', act: (peer) => peer.say(hello({ version: '-1' })), code: 'ERR_BATON_MESSAGE' },
  {
    title: 'more descriptors than announced',
    act: (peer, _, t) => peer.say(hello(), spare(t, 253), 1),
    code: 'ERR_BATON_FRAME',
  },
  {
    title: 'fewer descriptors than announced',
    act: (peer, _, t) => peer.say(hello(), spare(t, 1), 5),
    code: 'ERR_BATON_FRAME',
  },
  {
    title: 'thousands of descriptors with half a frame',
    act: (peer, _, t) => {
      const some = spare(t, 200);
      for (let part = 0; part < 8; part++) peer.raw(part === 0 ? header(1000) : Buffer.from('{'), some);
    },
    code: 'ERR_BATON_FRAME',
  },
  {
    title: 'an impossible number of descriptors',
    act: (peer) => peer.say(hello({ descriptors: -1 })),
    code: 'ERR_BATON_FRAME',
  },
  {
    title: 'descriptors on a ping, then hello twice',
    act: async (peer, _, t) => {
      peer.say({ type: 'ping' }, spare(t, 253));
      await offered(peer);
      peer.say(hello(), spare(t, 3));
    },
    code: 'ERR_BATON_MESSAGE',
  },
  { title: 'ready before hello', act: (peer) => peer.say({ type: 'ready', sockets: [] }), code: 'ERR_BATON_MESSAGE' },
  { title: 'back before hello', act: (peer) => peer.say({ type: 'back' }), code: 'ERR_BATON_MESSAGE' },
  { title: 'ack before hello', act: (peer) => peer.say({ type: 'ack', id: 1 }), code: 'ERR_BATON_MESSAGE' },
  {
    title: 'ack of an unknown id',
    act: async (peer) => {
      await handed(peer);
      peer.say({ type: 'ack', id: 4711 });
    },
    code: 'ERR_BATON_MESSAGE',
  },
  {
    title: 'ready twice',
    act: async (peer) => {
      await handed(peer);
      peer.say({ type: 'ready', sockets: ['http'] });
    },
    code: 'ERR_BATON_MESSAGE',
  },
  {
    title: "ready with the same socket twice, then a predecessor's words",
    act: async (peer) => {
      await offered(peer);
      peer.say({ type: 'ready', sockets: ['http', 'http', 'nothing'] });
      await peer.next('stopped');
      peer.say({ type: 'stopped' });
    },
    code: 'ERR_BATON_MESSAGE',
  },
  {
    title: 'a connection that nobody asked for',
    act: async (peer, _, t) => {
      await offered(peer);
      peer.say({ type: 'connection', id: 1, name: 'http', local: '', remote: '', head: '' }, spare(t, 1));
    },
    code: 'ERR_BATON_MESSAGE',
  },
  { title: 'silence', act: () => undefined, code: 'ERR_BATON_SILENT' },
  { title: 'silence after the offer', act: offered, code: 'ERR_BATON_SILENT' },
  { title: 'silence after ready', act: handed, code: 'ERR_BATON_SILENT' },
  { title: 'the same version', act: (peer) => peer.say(hello({ version: '100' })), code: 'ERR_BATON_VERSION_IN_USE' },
  { title: 'an older protocol', act: (peer) => peer.say(hello({ protocol: 0 })), code: 'ERR_BATON_PROTOCOL' },
  { title: 'no room for descriptors', act: (peer) => peer.say(hello({ nofile: 40 })), code: 'ERR_BATON_NO_ROOM' },
];

for (const { title, act, code } of peers) {
  test(`refused: ${title}`, (t) =>
    slot(async () => {
      const scene = await startServing(t, { keepers: 1, fresh: 1 });
      const { directory, predecessor, load } = scene;
      const before = await fewestDescriptors(predecessor.child.pid);
      const peer = fakeSuccessor(t, directory, 100);
      await act(peer, scene, t);
      t.is((await peer.next('refuse')).code, code);
      await until('the line ends', () => peer.closed());
      await untilPhase(predecessor, 'serving');
      await load.goesOn(t, 2, 100);
      // One client comes and goes all the time.
      await until('no descriptor is left', () => openDescriptors(predecessor.child.pid) <= before);
      await load.stop();
      t.deepEqual(
        load.failed().map((keeper) => keeper.failure()),
        [],
      );
      t.like(load.fresh, { refused: 0, broken: [] });
      t.is(predecessor.child.exitCode, null);
      t.true(fs.readFileSync(join(directory, '100.json')).length < 2000);
    }));
}

test('a newer protocol is offered, for the newer one knows more', (t) =>
  slot(async () => {
    const { directory } = await startServing(t, { keepers: 0, fresh: 0 });
    const peer = fakeSuccessor(t, directory, 100);
    peer.say(hello({ protocol: 99, surprise: true }));
    t.is((await peer.next('offer')).protocol, 2);
  }));

test('a second successor is refused while the first is busy, and welcome after', (t) =>
  slot(async () => {
    const { directory, predecessor, load } = await startServing(t, { keepers: 1, fresh: 1 });
    const first = fakeSuccessor(t, directory, 100);
    await offered(first);
    const second = fakeSuccessor(t, directory, 100);
    second.say(hello({ version: '300' }));
    t.is((await second.next('refuse')).code, 'ERR_BATON_BUSY');
    first.say({ type: 'ready', sockets: ['http'] });
    await first.next('stopped');
    const third = fakeSuccessor(t, directory, 100);
    third.say(hello({ version: '300' }));
    t.is((await third.next('refuse')).code, 'ERR_BATON_BUSY');
    first.close();
    await untilPhase(predecessor, 'serving');
    const fourth = fakeSuccessor(t, directory, 100);
    await offered(fourth);
    fourth.close();
    await load.goesOn(t, 2, 100);
    await load.stop();
    t.deepEqual(load.failed(), []);
    t.like(load.fresh, { refused: 0, broken: [] });
  }));

for (const alive of [false, true]) {
  test(`a peer that says hello${alive ? ', lives' : ''} and never reads, with 8 MB of state due`, (t) =>
    slot(async () => {
      const env = { STATES: '4', STATE_BYTES: '2000000' };
      const { directory, predecessor, load } = await startServing(t, { keepers: 1, fresh: 1, env });
      const before = await fewestDescriptors(predecessor.child.pid);
      const peer = fakeSuccessor(t, directory, 100, { reads: false });
      peer.say(hello());
      if (alive) peer.alive();
      await until('it is given up', () => predecessor.output().includes('ERR_BATON_SILENT'));
      await until('no descriptor is left', () => openDescriptors(predecessor.child.pid) <= before);
      await load.goesOn(t, 2, 100);
      await load.stop();
      t.deepEqual(load.failed(), []);
      t.like(load.fresh, { refused: 0, broken: [] });
    }));
}

test('truncated frames, then the end', (t) =>
  slot(async () => {
    const { directory, predecessor, load } = await startServing(t, { keepers: 1, fresh: 1 });
    const before = await fewestDescriptors(predecessor.child.pid);
    const whole = encodeFrame({ type: 'ready', sockets: ['http'] }, 2);
    for (let length = 0; length < whole.length; length++) {
      const peer = await connectPatiently(t, directory);
      if (length > 0) peer.raw(whole.subarray(0, length), spare(t, 2));
      peer.close();
    }
    await until('no descriptor is left', () => openDescriptors(predecessor.child.pid) <= before);
    await load.goesOn(t, 2, 100);
    await load.stop();
    t.deepEqual(load.failed(), []);
    t.like(load.fresh, { refused: 0, broken: [] });
  }));

test('100 peers at once that say nothing: a real successor gets through', (t) =>
  slot(async () => {
    const { directory, predecessor, load, start } = await startServing(t, { keepers: 2, fresh: 1 });
    const before = await fewestDescriptors(predecessor.child.pid);
    const peers: FakePeer[] = [];
    while (peers.length < 100) peers.push(await connectPatiently(t, directory));
    const successor = start({ version: 200, alternative: 100 });
    t.true(openDescriptors(predecessor.child.pid) < before + 60, 'they cost little');
    await until('all are refused or dropped', () => peers.every((peer) => peer.closed() !== undefined));
    const codes = new Set(
      peers.map(({ frames }) =>
        frames.flatMap(({ message }) => (message.type === 'refuse' ? [message.code] : [])).join(),
      ),
    );
    t.deepEqual([...codes].sort(), ['ERR_BATON_CROWDED', 'ERR_BATON_SILENT']);
    await untilPhase(successor, 'serving');
    await untilPhase(predecessor, 'drained');
    await load.goesOn(t, 2, 200);
    await load.stop();
    t.deepEqual(load.failed(), []);
    t.like(load.fresh, { refused: 0, broken: [] });
  }));

test('a predecessor at its limit of descriptors lives on, and refuses', (t) =>
  slot(async () => {
    const { directory, predecessor, port, load } = await startServing(t, { keepers: 1, fresh: 0 });
    const open = openDescriptors(predecessor.child.pid);
    const limit = spawn('prlimit', ['--pid', String(predecessor.child.pid), `--nofile=${open}:4096`]);
    const [code] = (await once(limit, 'exit').catch(() => [1])) as [number];
    if (code !== 0) {
      t.log('skipped: no prlimit');
      t.pass();
      return;
    }
    const peer = fakeSuccessor(t, directory, 100);
    peer.say(hello());
    await load.goesOn(t, 50, 100);
    t.is(predecessor.child.exitCode, null, predecessor.output());
    await once(spawn('prlimit', ['--pid', String(predecessor.child.pid), '--nofile=4096:4096']), 'exit');
    // With room again it is heard, or it was dropped and may come again.
    const other = fakeSuccessor(t, directory, 100);
    await until('an offer', () => {
      if (other.closed() === undefined && other.frames.length === 0) other.say(hello());
      return [...peer.frames, ...other.frames].some(({ message }) => message.type === 'offer');
    });
    t.true(port > 0);
    await load.stop();
    t.deepEqual(load.failed(), []);
  }));

test('another user in the fallback folder', (t) =>
  slot(async () => {
    if (process.geteuid?.() !== 0) {
      t.log('skipped: only root can start processes of other users');
      t.pass();
      return;
    }
    const folder = '/dev/shm/baton-0';
    const name = `test-${process.pid}`;
    const directory = join(folder, name);
    t.teardown(() => fs.rmSync(directory, { recursive: true, force: true }));
    const port = await freePort();
    const predecessor = startSidecar(t, {
      version: 100,
      directory,
      port,
      script: 'test/fixtures/sdk/sidecar.js',
      env: { BATON_DIR: '', SIDECAR_NAME: name },
    });
    await untilPhase(predecessor, 'serving');
    t.is(fs.statSync(directory).mode & 0o777, 0o700);
    const before = await fewestDescriptors(predecessor.child.pid);
    const path = join(directory, '100.sock');
    const visit = async (): Promise<string> => {
      const visitor = spawn(process.execPath, [join(import.meta.dirname, '../../fixtures/sdk/visitor.js'), path], {
        uid: 4711,
        gid: 4711,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      visitor.stdout.on('data', (chunk) => (output += String(chunk)));
      await once(visitor, 'close');
      return output;
    };
    t.regex(await visit(), /EACCES/);
    // Even where somebody opened the folder by mistake.
    fs.chmodSync(folder, 0o711);
    fs.chmodSync(directory, 0o711);
    fs.chmodSync(path, 0o666);
    const answer = await visit();
    fs.chmodSync(folder, 0o700);
    fs.chmodSync(directory, 0o700);
    t.regex(answer, /"refuse".*ERR_BATON_PEER/);
    t.notRegex(answer, /"offer"/);
    await until('no descriptor is left', () => openDescriptors(predecessor.child.pid) <= before);
    t.deepEqual(await askOnce(port), { version: '100' });
  }));
