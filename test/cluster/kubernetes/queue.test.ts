import test from 'ava';
import * as fc from 'fast-check';
import { createQueue, type Queue } from '../../../cluster/kubernetes/queue.ts';
import { sleep } from '../../../cluster/kubernetes/clock.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';

interface Bench {
  queue: Queue;
  clock: FakeClock;
  /** `key@milliseconds` of each piece of work as it began. */
  began: string[];
  failed: [string, number][];
}

/** A queue whose work takes 100 ms and then does what `end` says. */
function bench({
  workers = 2,
  takes = 100,
  end = () => undefined,
}: { workers?: number; takes?: number; end?: (key: string, times: number) => number | undefined } = {}): Bench {
  const clock = createFakeClock();
  const began: string[] = [];
  const failed: [string, number][] = [];
  const times = new Map<string, number>();
  const queue = createQueue({
    workers,
    clock,
    random: () => 1,
    onFailure: (key, _error, retryIn) => failed.push([key, retryIn]),
    async work(key) {
      began.push(`${key}@${clock.now()}`);
      times.set(key, (times.get(key) ?? 0) + 1);
      await sleep(clock, takes);
      return end(key, times.get(key) ?? 0);
    },
  });
  return { queue, clock, began, failed };
}

test('a key asked for several times before its turn is worked on once', async (t) => {
  const { queue, clock, began } = bench({ workers: 1 });
  for (const key of ['a', 'b', 'b', 'c', 'b']) queue.add(key);
  t.is(queue.length, 2, 'a is being worked on');
  await clock.pass(1000);
  t.deepEqual(began, ['a@0', 'b@100', 'c@200']);
});

test('a key asked for while it is worked on has its turn once more, never twice at once', async (t) => {
  const { queue, clock, began } = bench();
  queue.add('a');
  await clock.pass(50);
  for (let times = 0; times < 3; times += 1) queue.add('a');
  await clock.pass(1000);
  t.deepEqual(began, ['a@0', 'a@100']);
});

test('so many workers and no more', async (t) => {
  const { queue, clock, began } = bench({ workers: 2 });
  for (const key of ['a', 'b', 'c', 'd', 'e']) queue.add(key);
  await clock.pass(1000);
  t.deepEqual(began, ['a@0', 'b@0', 'c@100', 'd@100', 'e@200']);
});

test('of several later moments the earliest counts, and work that begins before settles them', async (t) => {
  const { queue, clock, began } = bench();
  queue.addAfter('a', 500);
  queue.addAfter('a', 300);
  queue.addAfter('a', 400);
  queue.addAfter('b', 500);
  await clock.pass(350);
  queue.add('b');
  await clock.pass(2000);
  t.deepEqual(began, ['a@300', 'b@350']);
});

test('work says when it wants to be called again', async (t) => {
  const { queue, clock, began } = bench({ end: (_key, times) => (times < 3 ? 1000 : undefined) });
  queue.add('a');
  await clock.pass(10_000);
  t.deepEqual(began, ['a@0', 'a@1100', 'a@2200']);
});

test('failures are tried again with pauses that grow to a minute; a success forgets them', async (t) => {
  const { queue, clock, began, failed } = bench({
    takes: 0,
    end(_key, times) {
      if (times !== 20) throw new Error('again');
      return undefined;
    },
  });
  queue.add('a');
  await clock.pass(3_600_000);
  t.is(began.length, 20);
  t.deepEqual(
    failed.map(([, pause]) => pause),
    [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 20_480, 40_960, ...Array<number>(6).fill(60_000)],
  );
  queue.add('a');
  await clock.pass(1);
  t.deepEqual(failed.at(-1), ['a', 10]);
});

test('a stop waits for the work under way and begins nothing more', async (t) => {
  const { queue, clock, began } = bench({ workers: 1 });
  queue.add('a');
  queue.add('b');
  queue.addAfter('c', 10);
  await clock.pass(1);
  queue.add('a');
  let stopped = false;
  const stop = queue.stop().then(() => (stopped = true));
  queue.add('d');
  await clock.pass(98);
  t.false(stopped);
  await clock.pass(1);
  await stop;
  await clock.pass(10_000);
  t.deepEqual(began, ['a@0']);
});

test('whatever is asked and however it ends: every request is followed by work that begins after it', async (t) => {
  const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), wait: fc.nat(150), after: fc.option(fc.nat(200)) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 3 }), async (steps, workers) => {
      const clock = createFakeClock();
      const under = new Set<string>();
      const lastBegun = new Map<string, number>();
      let most = 0;
      let calls = 0;
      const queue = createQueue({
        workers,
        clock,
        onFailure: () => undefined,
        async work(key) {
          t.false(under.has(key), 'one key twice at once');
          under.add(key);
          most = Math.max(most, under.size);
          lastBegun.set(key, clock.now());
          await sleep(clock, 70);
          under.delete(key);
          calls += 1;
          if (calls % 3 === 0) throw new Error('every third fails');
          return undefined;
        },
      });
      const asked = new Map<string, number>();
      for (const { key, wait, after } of steps) {
        await clock.pass(wait);
        if (after === null) queue.add(key);
        else queue.addAfter(key, after);
        asked.set(key, clock.now());
      }
      await clock.pass(5000);
      t.true(most <= workers);
      for (const [key, at] of asked) t.true((lastBegun.get(key) ?? -1) >= at, `${key} asked at ${at}`);
    }),
    { numRuns: 40 },
  );
});
