// Runtimes that are not there, or do not answer; test/cluster/agent/ has the real one.
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { connectRuntime, isConclusive } from '../../../agent/cri/client.ts';
import { containersFrom, type Life } from '../../../agent/cri/containers.ts';
import { temporaryDirectory } from '../../helpers/processes.ts';

test('no socket: an error that names it, at once, and nothing conclusive', async (t) => {
  const socket = join(temporaryDirectory(t), 'none.sock');
  const runtime = connectRuntime(socket);
  t.teardown(() => runtime.close());
  const error = await t.throwsAsync(runtime.version(), { code: 'ERR_BATON_RUNTIME' });
  t.true(error.message.includes(socket));
  t.false(isConclusive(await t.throwsAsync(runtime.pullImage('a:1'))));
  await t.throwsAsync(runtime.containersOf('u'), { code: 'ERR_BATON_RUNTIME' });
});

test('one that hangs: an error at the deadline', async (t) => {
  const socket = join(temporaryDirectory(t), 'mute.sock');
  const connections: Socket[] = [];
  const server = createServer((connection) => void connections.push(connection.resume()));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const runtime = connectRuntime(socket);
  t.teardown(() => {
    runtime.close();
    server.close();
    // The gRPC library goes on waiting for the greeting of a server that it is connected to.
    for (const connection of connections) connection.destroy();
  });
  const error = await t.throwsAsync(runtime.version(), { code: 'ERR_BATON_RUNTIME' });
  t.is((error as { facts?: { status?: string } }).facts?.status, 'DEADLINE_EXCEEDED');
  t.false(isConclusive(error));
});

const second = (seconds: number): string => `${1_700_000_000 + seconds}000000000`;
const life = (id: string, created: number, changes: Partial<Life> = {}): Life => ({
  id,
  metadata: { name: 'echo-1', attempt: 0 },
  state: 'CONTAINER_RUNNING',
  createdAt: second(created),
  startedAt: second(created + 1),
  finishedAt: '0',
  exitCode: 0,
  imageRef: '',
  imageId: '',
  reason: '',
  labels: {},
  image: [`image of ${id}`],
  ...changes,
});

test('the newest life is the one that was made last, whatever attempt it calls itself', (t) => {
  const containers = containersFrom([
    life('old', 10, {
      state: 'CONTAINER_EXITED',
      exitCode: 137,
      reason: 'OOMKilled',
      metadata: { name: 'echo-1', attempt: 4 },
    }),
    life('new', 20),
    life('other', 5, { metadata: { name: 'app', attempt: 0 }, state: 'CONTAINER_CREATED', startedAt: '0' }),
  ]);
  const at = (seconds: number): number => (1_700_000_000 + seconds) * 1000;
  t.deepEqual(containers.get('echo-1'), {
    id: 'new',
    running: true,
    image: ['image of new'],
    createdAt: at(20),
    startedAt: at(21),
    exits: [{ id: 'old', image: ['image of old'], startedBy: at(11), reason: 'OOMKilled', exitCode: 137 }],
  });
  t.deepEqual(containers.get('app'), { id: 'other', running: false, image: ['image of other'], exits: [] });
});

test('a life that ended is its own exit; one that never started began when it was made', (t) => {
  const ended = life('a', 10, { state: 'CONTAINER_EXITED', startedAt: '0', exitCode: 128, reason: 'StartError' });
  t.deepEqual(containersFrom([ended]).get('echo-1'), {
    id: 'a',
    running: false,
    image: ['image of a'],
    exits: [{ id: 'a', image: ['image of a'], startedBy: 1_700_000_010_000, reason: 'StartError', exitCode: 128 }],
  });
});
