import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { connectClient, get } from '../../helpers/client.ts';
import { until, untilPhase, type Running } from '../../helpers/processes.ts';
import { frameOf, openRaw, type RawWebSocket } from '../../helpers/websocket.ts';
import { startLine, type Line } from '../upgrades.ts';

const script = 'test/fixtures/websocket.js';
const start = (t: ExecutionContext, env: Record<string, string> = {}): Promise<Line> => startLine(t, { script, env });

/** The next message after those that it has. */
async function next(client: RawWebSocket): Promise<string> {
  const count = client.messages.length;
  await until('a message', () => client.messages.length > count || client.closed() !== undefined);
  return String(client.messages[count] ?? client.closed());
}

const ask = (client: RawWebSocket, text: string): Promise<string> => {
  const answer = next(client);
  client.send(text);
  return answer;
};

interface Who {
  version: string;
  protocol: string;
  url: string;
  cookie: string;
  address: number;
  moves: number;
  clients: number;
}
const who = async (client: RawWebSocket): Promise<Who> => JSON.parse(await ask(client, 'who')) as Who;

/** Waits until a process has nothing to do but this one client. */
const untilStuck = async (t: ExecutionContext, old: Running): Promise<void> => {
  await untilPhase(old, 'draining', 'drained');
  await delay(300);
  t.is(old.state()?.phase, 'draining');
};

test.serial('the request and what was saved travel, over two upgrades', async (t) => {
  const line = await start(t);
  const headers = ['Cookie: a=b', 'Sec-WebSocket-Protocol: other, chat'];
  const client = await openRaw(line.port, '/room?name=x', headers);
  t.regex(client.head, /^HTTP\/1.1 101 [^]*Sec-WebSocket-Protocol: chat$/m);
  const first = await who(client);
  t.like(first, { version: '100', protocol: 'chat', url: '/room?name=x', cookie: 'a=b', moves: 0, clients: 1 });
  t.like((await line.replace()).counters, { moved: 1, finished: 0, cut: 0 });
  t.deepEqual(await who(client), { ...first, version: '101', moves: 1 });
  t.like((await line.replace()).counters, { moved: 1, finished: 0, cut: 0 });
  t.deepEqual(await who(client), { ...first, version: '102', moves: 2 });
  // A moved client ends as any other does.
  client.write(frameOf('close', Buffer.from([0x03, 0xe8])));
  t.is(await until('closed', () => client.closed()), 1000);
  await until('it is heard of', () => line.current().output().includes('client closed: 1000'));
});

test.serial('connections that were not upgraded move by themselves beside those that were', async (t) => {
  const line = await start(t);
  const client = await openRaw(line.port);
  const plain = await connectClient(line.port);
  plain.send(get());
  t.is((await plain.response()).version, '100');
  t.like((await line.replace()).counters, { moved: 2, finished: 0, cut: 0 });
  plain.send(get());
  t.is((await plain.response()).version, '101');
  t.is((await who(client)).version, '101');
});

for (const options of ['{}', '{"allowSynchronousEvents":false}', '{"clientTracking":false}']) {
  test.serial(`a client that sends without a pause moves in the middle of what it sends; ${options}`, async (t) => {
    const line = await start(t, { WS_OPTIONS: options });
    const client = await openRaw(line.port);
    let going = true;
    const isGoing = (): boolean => going;
    const size = 1 << 16;
    const padding = 'x'.repeat(size);
    let sent = 0;
    // The kernel's buffers are always full: the server never reads the end of a message without the next one's beginning.
    const sending = (async () => {
      while (isGoing()) {
        sent += 1;
        const drained = client.socket.write(frameOf('text', `n:${sent}:0:${padding}`));
        await new Promise((resolve) => (drained ? setImmediate(resolve) : client.socket.once('drain', resolve)));
      }
    })();
    for (let upgrade = 0; upgrade < 3; upgrade += 1) {
      await delay(100);
      t.like((await line.replace()).counters, { moved: 1, finished: 0, cut: 0 });
    }
    going = false;
    await sending;
    await until('all answers', () => client.messages.length >= sent);
    t.is(client.closed(), undefined);
    t.is(
      client.messages.findIndex((answer, index) => !String(answer).startsWith(`a:${index + 1}:`)),
      -1,
    );
    t.is(client.messages.length, sent);
  });
}

for (const cutAt of [1, 3, 7, 20, 70_000]) {
  test.serial(`a frame of which ${cutAt} bytes have come moves when it is whole`, async (t) => {
    const line = await start(t);
    const client = await openRaw(line.port);
    t.is(await ask(client, 'n:1:0:'), 'a:1:100:');
    const bytes = frameOf('text', `n:2:3:${'x'.repeat(100_000)}`);
    client.write(bytes.subarray(0, cutAt));
    await delay(100);
    const old = await line.upgrade();
    // One byte tells nothing yet: it moves along.
    if (cutAt > 1) await untilStuck(t, old);
    client.write(bytes.subarray(cutAt));
    t.regex(await next(client), /^a:2:10[01]:xxx$/);
    t.is(await ask(client, 'n:3:0:'), 'a:3:101:');
    t.like((await line.retire(old)).counters, { moved: 1, finished: 0, cut: 0 });
  });
}

test.serial('a message in fragments moves after its last one, whatever comes between them', async (t) => {
  const line = await start(t);
  const client = await openRaw(line.port);
  client.write(frameOf('text', 'n:1', false));
  await delay(100);
  const old = await line.upgrade();
  await untilStuck(t, old);
  client.write(frameOf('ping', 'between'));
  await until('its pong', () => client.pongs.includes('between'));
  client.write(frameOf('continuation', ':0', false));
  await untilStuck(t, old);
  client.write(frameOf('continuation', ':'));
  t.is(await next(client), 'a:1:100:');
  await line.retire(old);
  t.is(await ask(client, 'n:2:0:'), 'a:2:101:');
});

test.serial('a message that the server sends in fragments is sent to its end', async (t) => {
  const line = await start(t);
  const client = await openRaw(line.port);
  client.send('part');
  await delay(50);
  const old = await line.upgrade();
  await until('both parts', () => client.messages.length === 1);
  t.deepEqual(client.messages, ['first second']);
  t.like((await line.retire(old)).counters, { moved: 1 });
  t.is((await who(client)).version, '101');
});

test.serial('an answer that is being made is waited for, and what comes meanwhile is answered later', async (t) => {
  const line = await start(t);
  const client = await openRaw(line.port);
  client.send('slow:1500');
  await delay(100);
  const old = await line.upgrade();
  await untilStuck(t, old);
  client.send('n:1:0:');
  await until('both answers', () => client.messages.length === 2);
  t.deepEqual(client.messages, ['slow:100', 'a:1:101:']);
  t.like((await line.retire(old)).counters, { moved: 1, finished: 0 });
});

test.serial('pings on their way, in both directions, are answered', async (t) => {
  const line = await start(t);
  const client = await openRaw(line.port);
  client.send('ping');
  client.write(frameOf('ping', 'one'));
  const old = await line.upgrade();
  client.write(frameOf('ping', 'two'));
  await until('all', () => client.pings.length === 1 && client.pongs.length === 2);
  t.deepEqual([client.pings, client.pongs], [['are you there'], ['one', 'two']]);
  await line.retire(old);
  t.is((await who(client)).version, '101');
});

test.serial('a client that does not read moves once it has', async (t) => {
  const line = await start(t);
  const client = await openRaw(line.port);
  client.socket.pause();
  client.send('flood:30000000');
  await delay(200);
  const old = await line.upgrade();
  await untilStuck(t, old);
  // It is served meanwhile, although it cannot be answered yet.
  client.send('n:1:0:');
  await delay(300);
  client.socket.resume();
  await until('all of it', () => client.messages.length === 2);
  t.deepEqual(client.messages, [30_000_000, 'a:1:100:']);
  await line.retire(old);
  t.is(await ask(client, 'n:2:0:'), 'a:2:101:');
});

test.serial('a closing handshake ends where it began', async (t) => {
  const line = await start(t);
  const client = await openRaw(line.port);
  const half = await openRaw(line.port);
  // The first byte of the close frame has come.
  half.write(frameOf('close', Buffer.from([0x03, 0xe8])).subarray(0, 2));
  client.write(frameOf('close', Buffer.from([0x03, 0xe9])));
  await delay(50);
  const old = await line.upgrade();
  t.is(await until('closed', () => client.closed()), 1001);
  half.socket.destroy();
  t.like((await line.retire(old)).counters, { moved: 0, cut: 0 });
});

test.serial('a handshake that is answered after the upgrade began: the client moves then', async (t) => {
  const line = await start(t, { VERIFY_MS: '1200' });
  const opening = openRaw(line.port, '/late');
  await delay(100);
  const old = await line.upgrade({ VERIFY_MS: '0' });
  const client = await opening;
  t.like((await line.retire(old)).counters, { moved: 1, finished: 0 });
  t.like(await who(client), { version: '101', url: '/late', moves: 1 });
});

test.serial('clients that say nothing move again and again', async (t) => {
  const line = await start(t);
  const clients = await Promise.all(Array.from({ length: 5 }, () => openRaw(line.port)));
  for (let upgrade = 0; upgrade < 3; upgrade += 1) {
    t.like((await line.replace()).counters, { moved: 5, finished: 0, cut: 0 });
  }
  for (const client of clients) t.like(await who(client), { version: '103', moves: 3 });
});
