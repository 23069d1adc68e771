import { once } from 'node:events';
import { connect, createServer, type ClientHttp2Session, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttp } from 'node:http';
import { createServer as createNet, type AddressInfo } from 'node:net';
import { Duplex } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { isHttp2, writeFrame } from '../../sdk/internals-http2.ts';
import { until } from '../helpers/processes.ts';

/** A PING that asks for an answer: harmless, and seen by the other side. */
const FRAME = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0, ...Buffer.from('12345678')]);

async function pair(t: ExecutionContext): Promise<{ near: ServerHttp2Session; far: ClientHttp2Session }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'session');
  const far = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [near] = (await accepted) as [ServerHttp2Session];
  t.teardown(() => {
    far.destroy();
    near.destroy();
    server.close();
  });
  await until('settings', () => !near.pendingSettingsAck);
  return { near, far };
}

test('this runtime has the shape that the first GOAWAY needs', async (t) => {
  const { near, far } = await pair(t);
  const ping = once(far, 'ping');
  t.is(writeFrame(near, FRAME), 'written');
  const [payload] = (await ping) as [Buffer];
  t.is(payload.toString(), '12345678');
});

test('a session that is over, encrypted, or of another shape gets none', async (t) => {
  const { near } = await pair(t);
  const { socket } = near;
  const like = (change: object): ServerHttp2Session =>
    ({ destroyed: false, encrypted: false, socket, ...change }) as unknown as ServerHttp2Session;
  t.is(writeFrame(like({}), FRAME), 'written');
  t.is(writeFrame(like({ destroyed: true }), FRAME), 'never');
  t.is(writeFrame(like({ encrypted: true }), FRAME), 'never');
  t.is(writeFrame(like({ encrypted: undefined }), FRAME), 'never');
  for (const handle of [
    null,
    undefined,
    5,
    {},
    { fd: 5 },
    { fd: -1, writeQueueSize: 0 },
    { fd: 5, writeQueueSize: 'x' },
  ]) {
    t.is(writeFrame(like({ socket: { _handle: handle } }), FRAME), 'never');
  }
  t.is(writeFrame(like({ socket: { _handle: { fd: 5, writeQueueSize: 1 } } }), FRAME), 'later');
});

test('a session on a stream that is no socket gets none', async (t) => {
  const server = createServer();
  const session = once(server, 'session');
  server.emit('connection', new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() }));
  const [near] = (await session) as [ServerHttp2Session];
  t.teardown(() => near.destroy());
  t.is(writeFrame(near, FRAME), 'never');
});

test('which servers speak HTTP/2', (t) => {
  t.true(isHttp2(createServer()));
  t.false(isHttp2(createHttp()));
  t.false(isHttp2(createNet()));
});
