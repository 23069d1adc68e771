import * as fs from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import * as native from '../../../native/index.ts';
import { fakePredecessor, openDescriptors, type FakePeer } from '../../helpers/peer.ts';
import {
  freePort,
  startSidecar,
  temporaryDirectory,
  until,
  untilPhase,
  type Running,
} from '../../helpers/processes.ts';
import { slots } from '../../helpers/slots.ts';

/* Predecessors that break the protocol, against a real successor: it ends with a code, or looks again where that is right. */
const slot = slots(8);

const listener = (t: ExecutionContext, port = 0): number => {
  const descriptor = native.listenTcp({ host: '127.0.0.1', port, backlog: 16 });
  t.teardown(() => native.close(descriptor));
  return descriptor;
};
const opened = (t: ExecutionContext, descriptor: number): number => {
  t.teardown(() => native.close(descriptor));
  return descriptor;
};
const socketOf = (port: number, name = 'http'): object => ({
  name,
  kind: 'tcp',
  address: `127.0.0.1:${port}`,
  backlog: 16,
});
const offer = (sockets: object[], change: object = {}): object => ({
  type: 'offer',
  protocol: 1,
  version: '100',
  sockets,
  total: sockets.length,
  states: 0,
  ...change,
});

type Act = (peer: FakePeer, port: number, t: ExecutionContext, count: number) => void | Promise<void>;

const startSuccessor = async (
  t: ExecutionContext,
  act: Act,
): Promise<Running & { port: number; directory: string }> => {
  const directory = temporaryDirectory(t);
  const port = await freePort();
  fakePredecessor(t, directory, 100, (peer, count) => {
    void (async () => {
      await act(peer, port, t, count);
    })().catch((error: unknown) => t.log(String(error)));
  });
  const successor = startSidecar(t, {
    version: 200,
    alternative: 100,
    directory,
    port,
    script: 'test/fixtures/sdk/sidecar.js',
    env: { TIMEOUT_MS: '4000' },
  });
  return { ...successor, port, directory };
};
const codeIn = (output: string): string | undefined => /"type":"error","code":"(\w+)"/.exec(output)?.[1];

const endings: { title: string; act: Act; code: string }[] = [
  {
    title: 'refuses with a code',
    act: (peer) => peer.say({ type: 'refuse', code: 'ERR_BATON_NO_ROOM', message: 'full' }),
    code: 'ERR_BATON_NO_ROOM',
  },
  {
    title: 'refuses with a code of its own',
    act: (peer) => peer.say({ type: 'refuse', code: 'EWHATEVER', message: 'no' }),
    code: 'ERR_BATON_REFUSED',
  },
  {
    title: 'offers in a later protocol',
    act: (peer, port, t) => peer.say(offer([socketOf(port)], { protocol: 3 }), [listener(t, port)]),
    code: 'ERR_BATON_PROTOCOL',
  },
  {
    title: 'offers in an older protocol',
    act: (peer, port, t) => peer.say(offer([socketOf(port)], { protocol: 0 }), [listener(t, port)]),
    code: 'ERR_BATON_PROTOCOL',
  },
  {
    title: 'offers two sockets with one descriptor',
    act: (peer, port, t) => peer.say(offer([socketOf(port), socketOf(port, 'other')]), [listener(t, port)]),
    code: 'ERR_BATON_MESSAGE',
  },
  {
    title: 'offers one socket with three descriptors',
    act: (peer, port, t) => peer.say(offer([socketOf(port)]), [listener(t, port), listener(t), listener(t)]),
    code: 'ERR_BATON_MESSAGE',
  },
  {
    title: 'offers a socket that does not listen',
    act(peer, port, t) {
      const [one, other] = native.socketPair();
      peer.say(offer([socketOf(port)]), [opened(t, one)]);
      opened(t, other);
    },
    code: 'ERR_BATON_KIND',
  },
  {
    title: 'offers a UDP socket',
    act: (peer, port, t) =>
      peer.say(offer([socketOf(port)]), [opened(t, native.bindUdp({ host: '127.0.0.1', port: 0 }))]),
    code: 'ERR_BATON_KIND',
  },
  {
    title: 'offers /dev/null',
    act: (peer, port, t) => peer.say(offer([socketOf(port)]), [opened(t, fs.openSync('/dev/null', 'r'))]),
    code: 'ERR_BATON_KIND',
  },
  { title: 'says ready', act: (peer) => peer.say({ type: 'ready', sockets: [] }), code: 'ERR_BATON_MESSAGE' },
  {
    title: 'sends no state that it announced, but lives',
    act(peer, port, t) {
      peer.alive();
      peer.say(offer([socketOf(port)], { states: 3 }), [listener(t, port)]);
    },
    code: 'ERR_BATON_TIMEOUT',
  },
  { title: 'lives, and offers nothing', act: (peer) => peer.alive(), code: 'ERR_BATON_TIMEOUT' },
  {
    title: 'lives, and hangs after ready',
    act(peer, port, t) {
      peer.alive();
      peer.say(offer([socketOf(port)]), [listener(t, port)]);
    },
    code: 'ERR_BATON_TIMEOUT',
  },
  // Looked for again and again, until the time for that is over.
  { title: 'speaks garbage', act: (peer) => peer.raw(Buffer.alloc(64, 'A')), code: 'ERR_BATON_OWNER' },
  { title: 'hangs', act: () => undefined, code: 'ERR_BATON_OWNER' },
  { title: 'hangs up', act: (peer) => peer.close(), code: 'ERR_BATON_OWNER' },
  {
    title: 'is busy for ever',
    act: (peer) => peer.say({ type: 'refuse', code: 'ERR_BATON_BUSY', message: 'busy' }),
    code: 'ERR_BATON_OWNER',
  },
];

for (const { title, act, code } of endings) {
  test(`a predecessor that ${title}: ${code}`, (t) =>
    slot(async () => {
      const successor = await startSuccessor(t, act);
      t.like(await successor.exited, { code: 1 }, successor.output());
      t.is(await until('a code', () => codeIn(successor.output())), code);
      const file = JSON.parse(fs.readFileSync(`${successor.directory}/200.json`, 'utf8')) as {
        phase: string;
        error: object;
      };
      t.is(file.phase, 'failed');
      t.like(file.error, { code });
    }));
}

test('a predecessor that hangs up twice and then hands over', (t) =>
  slot(async () => {
    const successor = await startSuccessor(t, async (peer, port, context, count) => {
      if (count < 3) {
        peer.close();
        return;
      }
      await peer.next('hello');
      peer.alive();
      peer.say(offer([socketOf(port)]), [listener(context, port)]);
      t.deepEqual((await peer.next('ready')).sockets, ['http']);
      peer.say({ type: 'stopped' });
    });
    await untilPhase(successor, 'serving');
    t.like(successor.state()?.counters, { inherited: 1, bound: 0 });
  }));

test('a predecessor that sends bad connections after stopped: each is refused, none is kept', (t) =>
  slot(async () => {
    let line: FakePeer | undefined;
    const successor = await startSuccessor(t, async (peer, port, context) => {
      await peer.next('hello');
      peer.alive();
      peer.say(offer([socketOf(port)]), [listener(context, port)]);
      await peer.next('ready');
      peer.say({ type: 'stopped' });
      line = peer;
    });
    await untilPhase(successor, 'serving');
    const peer = await until('the line', () => line);
    const before = openDescriptors(successor.child.pid);
    const frame = (id: number, name = 'http'): object => ({
      type: 'connection',
      id,
      name,
      local: '',
      remote: '',
      head: '',
    });
    const nothing = opened(t, fs.openSync('/dev/null', 'r'));
    peer.say(frame(1));
    peer.say(frame(2), [nothing]);
    peer.say(frame(3), [listener(t)]);
    peer.say(frame(4, 'unknown'), [opened(t, native.socketPair()[0])]);
    peer.say(frame(5), [opened(t, native.bindUdp({ host: '127.0.0.1', port: 0 }))]);
    const codes = [];
    for (let id = 1; id <= 5; id++) codes.push((await peer.next('nack')).code);
    t.deepEqual(codes, [
      'ERR_BATON_MESSAGE',
      'ERR_BATON_KIND',
      'ERR_BATON_KIND',
      'ERR_BATON_UNKNOWN_SOCKET',
      'ERR_BATON_KIND',
    ]);
    await until('nothing is left open', () => openDescriptors(successor.child.pid) <= before);
    t.is(successor.child.exitCode, null);
  }));

test('a predecessor that says what only successors say, after stopped: it is told so, and the successor serves on', (t) =>
  slot(async () => {
    const lines: FakePeer[] = [];
    const successor = await startSuccessor(t, async (peer, port, context, count) => {
      lines.push(peer);
      peer.alive();
      await peer.next('hello');
      if (count > 1) {
        peer.say({ type: 'stopped' });
        return;
      }
      peer.say(offer([socketOf(port)]), [listener(context, port)]);
      await peer.next('ready');
      peer.say({ type: 'stopped' });
    });
    await untilPhase(successor, 'serving');
    lines[0]?.say({ type: 'back' });
    t.is((await (lines[0] as FakePeer).next('refuse')).code, 'ERR_BATON_MESSAGE');
    // It mends the line, and says that it serves.
    const second = await until('the next line', () => lines[1]);
    const again = await until('a hello', () => second.frames.find(({ message }) => message.type === 'hello'));
    t.like(again.message, { serving: ['http'] });
    t.is(successor.state()?.phase, 'serving');
  }));
