import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import test from 'ava';
import { startServing, whileStopped } from '../../helpers/scene.ts';
import { fakeSuccessor, hello } from '../../helpers/peer.ts';
import { until, untilPhase } from '../../helpers/processes.ts';

/* Who owns a connection when the line breaks: never nobody, and never two. */

const idleClients = async (port: number, count: number): Promise<Socket[]> => {
  const clients = Array.from({ length: count }, () => connect(port, '127.0.0.1').setEncoding('latin1'));
  for (const client of clients) client.on('error', () => undefined);
  await Promise.all(clients.map((client) => once(client, 'connect')));
  await Promise.all(clients.map((client, index) => ask(client, `/first-${index}`)));
  return clients;
};

const ask = async (client: Socket, path: string): Promise<string> => {
  client.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
  const [text] = (await once(client, 'data', { signal: AbortSignal.timeout(5000) })) as [string];
  return text;
};

test('a successor that says ready and is gone at once: the predecessor accepts, and keeps every connection', async (t) => {
  const { directory, predecessor, port, load } = await startServing(t, { keepers: 10 });
  const clients = await idleClients(port, 70);
  for (let round = 1; round <= 5; round++) {
    const peer = fakeSuccessor(t, directory, 100);
    peer.say(hello());
    await peer.next('offer');
    await whileStopped(predecessor, () => {
      peer.say({ type: 'ready', sockets: ['http'] });
      peer.close();
    });
    await until('taken back', () => predecessor.state()?.counters.takenBack === round);
    await untilPhase(predecessor, 'serving');
    await load.goesOn(t, 2, 100);
    const answers = await Promise.all(clients.map((client, index) => ask(client, `/round-${round}-${index}`)));
    t.true(answers.every((answer, index) => answer.includes(`GET /round-${round}-${index},`)));
  }
  await load.stop();
  t.deepEqual(
    load.failed().map((keeper) => keeper.failure()),
    [],
  );
  t.like(load.fresh, { refused: 0, broken: [] });
});

for (const count of [1, 5, 64]) {
  test(`${count} acknowledgements in one write before the end of the line are final`, async (t) => {
    const { directory, predecessor, port } = await startServing(t, { keepers: 0, fresh: 0 });
    const clients = await idleClients(port, 80);
    const peer = fakeSuccessor(t, directory, 100);
    peer.say(hello());
    await peer.next('offer');
    peer.say({ type: 'ready', sockets: ['http'] });
    await until(
      'a full window',
      () => peer.frames.filter(({ message }) => message.type === 'connection').length === 64,
    );
    const offered = peer.frames.flatMap(({ message }) => (message.type === 'connection' ? [message] : []));
    const frame = (message: object): Buffer => {
      const body = JSON.stringify(message);
      const head = Buffer.alloc(4);
      head.writeUInt32BE(body.length);
      return Buffer.concat([head, Buffer.from(body)]);
    };
    // One read gets all of them; the answer to the first meets a line that is closed already.
    await whileStopped(predecessor, () => {
      peer.raw(Buffer.concat(offered.slice(0, count).map(({ id }) => frame({ type: 'ack', id }))));
      peer.close();
    });
    await untilPhase(predecessor, 'serving');

    const mine = new Set(offered.slice(0, count).map(({ remote }) => remote));
    const isMine = (client: Socket): boolean => mine.has(`127.0.0.1:${client.localPort}`);
    t.is(clients.filter(isMine).length, count);
    await Promise.all(
      clients
        .filter((client) => !isMine(client))
        .map(async (client, index) => {
          t.true((await ask(client, `/kept-${index}`)).includes(`/kept-${index},`));
        }),
    );
    // Those are the successor's: the predecessor reads nothing of them, and says nothing.
    let stolen = 0;
    for (const client of clients.filter(isMine)) {
      client.on('data', () => (stolen += 1));
      client.write('GET /stolen HTTP/1.1\r\nHost: test\r\n\r\n');
    }
    await Promise.all(clients.filter((client) => !isMine(client)).map((client) => ask(client, '/later')));
    t.is(stolen, 0, 'two processes read one stream');
    t.is(predecessor.state()?.counters.moved, count);
    for (const client of clients) client.destroy();
  });
}
