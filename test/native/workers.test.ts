import { once } from 'node:events';
import test from 'ava';
import { close, receive, send, socketPair } from '../../native/index.ts';
import { startWorker } from './fixtures/start-worker.ts';
import { run, target } from './helpers.ts';

test('eight workers load the addon and use it at once', async (t) => {
  const pairs = Array.from({ length: 8 }, () => socketPair());
  const workers = pairs.map(([, far]) => startWorker('echo', far));
  await Promise.all(workers.map((each) => once(each, 'message')));
  pairs.forEach(([near], index) => send(near, Buffer.from([index]), [near]));
  await Promise.all(workers.map((each) => once(each, 'exit')));
  pairs.forEach(([near, far], index) => {
    const into = new Uint8Array(2);
    t.is(receive(near, into)?.bytes, 1);
    t.is(into[0], index);
    close(near);
    close(far);
  });
});

test('a worker ended while it watches, by terminate or by its own exit', async (t) => {
  for (const how of ['terminate', 'exit'] as const) {
    const [near, far] = socketPair();
    const name = target(far);
    const each = startWorker(how === 'exit' ? 'exit' : 'watch', far);
    await once(each, 'message');
    if (how === 'terminate') await each.terminate();
    else {
      send(near, Buffer.from('x'));
      const [code] = (await once(each, 'exit')) as [number];
      t.is(code, 5);
    }
    // The watch did not own the descriptor: it is still open, and usable here.
    t.is(target(far), name);
    t.is(send(far, Buffer.from('after')), 5);
    close(near);
    close(far);
  }
});

test('workers come and go without a crash while their watches are busy', (t) => {
  const { status, signal, stdout, stderr } = run('worker-churn.ts');
  t.is(signal, null, stderr);
  t.is(status, 0, stderr);
  t.deepEqual(JSON.parse(stdout), { rounds: 12, leaked: 0 });
});
