import test from 'ava';
import * as native from '../../../native/index.ts';
import { startDatagrams } from '../../helpers/datagrams.ts';
import { fakePredecessor, fakeSuccessor, hello, openDescriptors } from '../../helpers/peer.ts';
import { freePort, startSidecar, temporaryDirectory, untilPhase } from '../../helpers/processes.ts';
import { createScene } from '../../helpers/scene.ts';

/* Peers of another age, and peers that break the protocol. */
const script = 'test/fixtures/udp-echo.js';

test('a successor that does not know UDP is offered none, and the first serves on', async (t) => {
  const { directory, port, start } = await createScene(t);
  const first = start({ version: 100, script });
  await untilPhase(first, 'serving');
  const load = await startDatagrams(t, port);
  const peer = fakeSuccessor(t, directory, 100);
  peer.say(hello({ protocol: 1 }));
  t.like(await peer.next('offer'), { protocol: 1, sockets: [], total: 0 });
  peer.say({ type: 'ready', sockets: ['udp'] });
  peer.alive();
  t.is((await peer.next('stopped')).finals, 0);
  await load.goesOn(50, 100);
  peer.close();
  await untilPhase(first, 'serving');
  await load.goesOn(50, 100);
  await load.pause();
  t.deepEqual((await load.counts()).counts, load.answered());
});

test('a successor of protocol 2 without counters, or with a token that is none: the counts stay', async (t) => {
  const { directory, port, start } = await createScene(t);
  const first = start({ version: 100, script });
  await untilPhase(first, 'serving');
  const load = await startDatagrams(t, port);
  await load.goesOn(50, 100);
  await load.pause();
  const before = openDescriptors(first.child.pid);
  const token = native.listenTcp({ host: '127.0.0.1', port: 0, backlog: 1 });
  t.teardown(() => native.close(token));
  for (const [ready, descriptors] of [
    [{}, []],
    [{ counts: ['answered'] }, []],
    [{ counts: ['answered'] }, [token]],
    [{ counts: ['unknown'] }, native.socketPair()],
  ] as const) {
    const peer = fakeSuccessor(t, directory, 100);
    peer.say(hello({ protocol: 2 }));
    const { sockets } = await peer.next('offer');
    t.deepEqual(sockets, [{ name: 'udp', kind: 'udp', address: `127.0.0.1:${port}`, backlog: 0 }]);
    peer.say({ type: 'ready', sockets: ['udp'], ...ready }, descriptors);
    t.is((await peer.next('stopped')).finals, 0);
    peer.close();
    await untilPhase(first, 'serving');
    t.deepEqual((await load.counts()).counts, load.answered());
  }
  t.is(openDescriptors(first.child.pid), before + 1, 'one token lives, and is watched');
});

test('counts that nobody asked for are refused', async (t) => {
  const { directory, port, start } = await createScene(t);
  const first = start({ version: 100, script });
  await untilPhase(first, 'serving');
  const load = await startDatagrams(t, port);
  await load.goesOn(50, 100);
  await load.pause();
  const final = { type: 'final', key: 'answered', bytes: Buffer.from('{"100":1000}').toString('base64'), id: 1 };
  for (const way of [[], ['ready'], ['ready', 'back', 'unknown']]) {
    const peer = fakeSuccessor(t, directory, 100);
    peer.say(hello({ protocol: 2 }));
    await peer.next('offer');
    if (way.includes('ready')) {
      peer.say({ type: 'ready', sockets: ['udp'] });
      await peer.next('stopped');
    }
    if (way.includes('back')) {
      peer.say({ type: 'back' });
      t.deepEqual((await peer.next('resumed')).counts, ['answered']);
    }
    peer.say(way.includes('unknown') ? { ...final, key: 'unknown' } : final);
    t.is((await peer.next('refuse')).code, 'ERR_BATON_MESSAGE');
    await untilPhase(first, 'serving');
    t.deepEqual((await load.counts()).counts, load.answered());
  }
});

for (const [what, kind, make] of [
  ['a TCP listener as udp', 'udp', () => native.listenTcp({ host: '127.0.0.1', port: 0, backlog: 1 })],
  ['a Unix listener as tcp', 'tcp', () => native.listenUnix(`\0baton-test-${process.pid}`, 1)],
  ['a UDP socket as tcp', 'tcp', () => native.bindUdp({ host: '127.0.0.1', port: 0 })],
  ['a Unix socket as udp', 'udp', () => native.socketPair()[0]],
] as const) {
  test(`a predecessor that offers ${what} is refused`, async (t) => {
    const directory = temporaryDirectory(t);
    const port = await freePort();
    const descriptor = make();
    t.teardown(() => native.close(descriptor));
    fakePredecessor(t, directory, 100, (peer) => {
      const sockets = [{ name: 'udp', kind, address: `127.0.0.1:${port}`, backlog: 0 }];
      peer.say({ type: 'offer', protocol: 2, version: '100', sockets, total: 1, states: 0 }, [descriptor]);
    });
    const successor = startSidecar(t, { version: 200, alternative: 100, directory, port, script });
    t.is((await successor.exited).code, 1);
    t.regex(successor.output(), /"code":"ERR_BATON_KIND"/);
  });
}

test('a successor takes over from a predecessor of protocol 1', async (t) => {
  const directory = temporaryDirectory(t);
  const port = await freePort();
  fakePredecessor(t, directory, 100, (peer) => {
    peer.say({ type: 'offer', protocol: 1, version: '100', sockets: [], total: 0, states: 0 });
    peer.alive();
    void peer.next('ready').then(({ sockets, counts }) => {
      t.deepEqual([sockets, counts], [[], ['answered']]);
      peer.say({ type: 'stopped' });
      peer.say({ type: 'drained', moved: 0, finished: 0, cut: 0 });
    });
  });
  const successor = startSidecar(t, { version: 200, alternative: 100, directory, port, script });
  await untilPhase(successor, 'serving');
  const load = await startDatagrams(t, port);
  await load.goesOn(50, 200);
});
