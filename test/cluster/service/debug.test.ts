import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { ApiError } from '../../../api/error.ts';
import { createMeters } from '../../../cluster/service/meters.ts';
import { serveServicePages } from '../../../cluster/service/pages.ts';
import { createWatchBook } from '../../../cluster/service/watches.ts';
import { pods } from '../../../cluster/resource.ts';
import { freePort } from '../../helpers/processes.ts';

const log = pino({ level: 'silent' });

interface Answer {
  status: number;
  text: string;
}

/** A service's pages; asks the health port. */
async function served(t: ExecutionContext, debug?: () => object): Promise<(path: string) => Promise<Answer>> {
  const ports = { metrics: await freePort(), health: await freePort() };
  const options = { ports, registry: new Registry(), waitsFor: () => undefined, log };
  const server = await serveServicePages({ ...options, ...(debug && { debug }) });
  t.teardown(() => server.close());
  return async (path) => {
    const answer = await fetch(`http://127.0.0.1:${ports.health}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
}

test('without being asked for there is nothing under /debug', async (t) => {
  const ask = await served(t);
  t.is((await ask('/healthz')).status, 200);
  for (const page of ['heap', 'profile', 'state']) t.is((await ask(`/debug/${page}`)).status, 404);
});

test('the state is the service’s, the heap is V8’s', async (t) => {
  const ask = await served(t, () => ({ queue: { waiting: 3 } }));
  const state = JSON.parse((await ask('/debug/state')).text) as { uptimeSeconds: number; queue: object };
  t.deepEqual(state.queue, { waiting: 3 });
  t.true(state.uptimeSeconds >= 0);
  const heap = JSON.parse((await ask('/debug/heap')).text) as {
    process: { rss: number };
    heap: { used_heap_size: number };
    spaces: { space_name: string }[];
  };
  t.true(heap.process.rss > heap.heap.used_heap_size && heap.heap.used_heap_size > 1e6);
  t.true(heap.spaces.some(({ space_name: name }) => name === 'old_space'));
});

test('a CPU profile names what runs; one at a time, and of a length that can be', async (t) => {
  const ask = await served(t, () => ({}));
  const both = Promise.all([ask('/debug/profile?seconds=1'), ask('/debug/profile?seconds=1')]);
  const timer = setInterval(burnSomeTime, 20);
  t.teardown(() => clearInterval(timer));
  const [profile, refused] = (await both).sort((a, b) => a.status - b.status);
  t.deepEqual(refused, { status: 409, text: 'a profile is being taken: ask again when it is done\n' });
  t.is(profile.status, 200);
  const { nodes, samples } = JSON.parse(profile.text) as {
    nodes: { callFrame: { functionName: string } }[];
    samples: number[];
  };
  t.true(nodes.some(({ callFrame }) => callFrame.functionName === 'burnSomeTime'));
  t.true(samples.length > 100);
  for (const seconds of ['0', '121', 'x', '']) {
    const answer = await ask(`/debug/profile?seconds=${seconds}`);
    t.deepEqual(answer, { status: 400, text: `seconds must be from 1 to 120, not ${seconds}\n` });
  }
});

function burnSomeTime(): void {
  const end = performance.now() + 10;
  while (performance.now() < end);
}

test('the state of a watch is its last list and what was last said of it', (t) => {
  let now = 0;
  const book = createWatchBook(createMeters(new Registry()), log, () => now);
  t.deepEqual(book.state(), {});
  book.report(pods, { type: 'listed', objects: 7, pages: 1, ms: 3 });
  now = 1000;
  const error = new ApiError('ERR_BATON_UNAVAILABLE', 'away');
  book.report(pods, { type: 'failed', error, retryIn: 1 });
  t.deepEqual(book.state(), {
    pods: {
      listedAt: '1970-01-01T00:00:00.000Z',
      objects: 7,
      last: { type: 'failed', at: '1970-01-01T00:00:01.000Z', message: 'away' },
    },
  });
  book.report(pods, { type: 'ended' });
  t.deepEqual(book.state()['pods']?.last, { type: 'ended', at: '1970-01-01T00:00:01.000Z' });
});
