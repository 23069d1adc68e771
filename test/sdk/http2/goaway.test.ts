import test, { type ExecutionContext } from 'ava';
import { until } from '../../helpers/processes.ts';
import { startLine, type Line } from '../upgrades.ts';
import { ACK, lastStream, wireClient, type WireClient } from './frames.ts';

const HIGHEST = 2 ** 31 - 1;
const start = (t: ExecutionContext): Promise<Line> => startLine(t, { script: 'test/fixtures/http2-server.js' });

/** Streams that were answered to their end. */
const answered = (client: WireClient): number[] =>
  client.frames().flatMap(({ type, flags, stream }) => (type === 'DATA' && flags & 1 ? [stream] : []));

async function greeted(t: ExecutionContext, line: Line): Promise<WireClient> {
  const client = await wireClient(t, line.port);
  client.greet();
  await client.next('SETTINGS');
  client.send('SETTINGS', 0, ACK);
  return client;
}

test('first GOAWAY, PING, and after its answer and a pause the last GOAWAY: what was opened between is served', async (t) => {
  const line = await start(t);
  const client = await greeted(t, line);
  client.get(1);
  await until('an answer', () => answered(client).length === 1);
  const old = await line.upgrade();
  t.is(lastStream(await client.next('GOAWAY')), HIGHEST);
  const { payload } = await client.next('PING');
  // It has not acknowledged, so what it sends may have been under way.
  client.get(3);
  await until('an answer', () => answered(client).length === 2);
  client.send('PING', 0, ACK, payload);
  client.get(5, '/?lines=4');
  const last = await client.next('GOAWAY', 2);
  t.is(lastStream(last), 5);
  t.is(last.payload.readUInt32BE(4), 0, 'no error');
  await until('an answer', () => answered(client).length === 3);
  await until('the end', () => client.closed());
  const order = client.frames().flatMap(({ type, flags }) => (/GOAWAY|PING/.test(type) && flags === 0 ? [type] : []));
  t.deepEqual(order.slice(0, 3), ['GOAWAY', 'PING', 'GOAWAY']);
  t.deepEqual(answered(client), [1, 3, 5]);
  t.like((await line.retire(old)).counters, { finished: 1, cut: 0, moved: 0 });
});

test('a client that never answers the PING gets its last GOAWAY nevertheless, and the drain ends', async (t) => {
  const line = await start(t);
  const client = await greeted(t, line);
  client.get(1);
  await until('an answer', () => answered(client).length === 1);
  const old = await line.upgrade();
  t.is(lastStream(await client.next('GOAWAY', 1)), HIGHEST);
  t.is(lastStream(await client.next('GOAWAY', 2)), 1);
  t.like((await line.retire(old)).counters, { finished: 1, cut: 0 });
});

test('a connection without a preface is served, told after the settings, and left', async (t) => {
  const line = await start(t);
  const client = await wireClient(t, line.port);
  // The server's settings show that it was accepted; the client has said nothing yet.
  await client.next('SETTINGS');
  const old = await line.upgrade();
  client.greet();
  client.get(1);
  await until('an answer', () => answered(client).length === 1);
  t.false(client.frames().some(({ type }) => type === 'GOAWAY'));
  client.send('SETTINGS', 0, ACK);
  t.is(lastStream(await client.next('GOAWAY')), HIGHEST);
  client.send('PING', 0, ACK, (await client.next('PING')).payload);
  t.is(lastStream(await client.next('GOAWAY', 2)), 1);
  t.like((await line.retire(old)).counters, { finished: 1, cut: 0 });
});

test('a client that never says anything is left after a while', async (t) => {
  const line = await start(t);
  const client = await wireClient(t, line.port);
  await client.next('SETTINGS');
  const old = await line.upgrade();
  t.is(lastStream(await client.next('GOAWAY')), 0);
  t.like((await line.retire(old)).counters, { finished: 1, cut: 0 });
});

test('a client that does not read: no frame is cut in two, and all of its answer arrives', async (t) => {
  const line = await start(t);
  const client = await greeted(t, line);
  const bytes = 16_000_000;
  const window = Buffer.alloc(4);
  window.writeUInt32BE(HIGHEST - 65_535);
  client.send('WINDOW_UPDATE', 0, 0, window);
  const settings = Buffer.alloc(6);
  settings.writeUInt16BE(4);
  settings.writeUInt32BE(HIGHEST, 2);
  client.send('SETTINGS', 0, 0, settings);
  await client.next('SETTINGS', 3);
  client.get(1, `/?bytes=${bytes}`);
  await client.next('DATA');
  client.socket.pause();
  const old = await line.upgrade();
  const state = old.state();
  t.is(state?.phase, 'draining');
  client.socket.resume();
  t.is(lastStream(await client.next('GOAWAY')), HIGHEST);
  client.send('PING', 0, ACK, (await client.next('PING')).payload);
  await until('the answer', () => answered(client).length === 1);
  const received = client.frames().reduce((sum, { type, payload }) => sum + (type === 'DATA' ? payload.length : 0), 0);
  t.is(received, bytes + 'hello from version 100\n'.length);
  t.false(client.frames().some(({ type }) => type.startsWith('unknown')));
  t.like((await line.retire(old)).counters, { finished: 1, cut: 0 });
});
