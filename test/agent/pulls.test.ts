import test, { type ExecutionContext } from 'ava';
import { createPulls, type PullReport, type Pulls } from '../../agent/pulls.ts';

interface Registry {
  pulls: Pulls;
  reports: PullReport[];
  /** The pulls that run. */
  running: Map<string, { end: (error?: Error) => Promise<void> }>;
  begun: string[];
  clock: { now: number };
}

function registry(): Registry {
  const running: Registry['running'] = new Map();
  const begun: string[] = [];
  const reports: PullReport[] = [];
  const clock = { now: 1000 };
  const pullImage = (image: string): Promise<void> =>
    new Promise((resolve, reject) => {
      begun.push(image);
      const end = async (error?: Error): Promise<void> => {
        running.delete(image);
        if (error) reject(error);
        else resolve();
        // What follows from it.
        await new Promise(setImmediate);
      };
      running.set(image, { end });
    });
  const isConclusive = (error: unknown): boolean => String(error).includes('not found');
  const onPull = (report: PullReport): void => void reports.push(report);
  return {
    pulls: createPulls({ pullImage, isConclusive, now: () => clock.now, onPull }),
    reports,
    running,
    begun,
    clock,
  };
}

const stateOf = ({ pulls }: Registry, image: string): string | undefined => pulls.seen().get(image)?.state;

test('an image is pulled once, however often it is asked for', async (t) => {
  const { pulls, running, begun, reports, clock } = registry();
  pulls.begin('a');
  pulls.begin('a');
  t.deepEqual(begun, ['a']);
  clock.now += 250;
  await running.get('a')?.end();
  t.deepEqual(reports, [{ image: 'a', outcome: 'pulled', ms: 250 }]);
  pulls.begin('a');
  t.deepEqual(begun, ['a', 'a'], 'asked again: the registry may say otherwise by now');
});

test('two at once, the others in turn, and waiting counts as being pulled', async (t) => {
  const world = registry();
  const { pulls, running, begun } = world;
  for (const image of ['a', 'b', 'c', 'd', 'c']) pulls.begin(image);
  t.deepEqual(begun, ['a', 'b']);
  t.is(stateOf(world, 'c'), 'running');
  await running.get('b')?.end(new Error('no network'));
  t.deepEqual(begun, ['a', 'b', 'c']);
  await running.get('a')?.end();
  await running.get('c')?.end();
  await running.get('d')?.end();
  t.deepEqual(begun, ['a', 'b', 'c', 'd']);
  t.deepEqual([...running.keys()], []);
});

const failures: [string, 'absent' | 'unclear'][] = [
  ['side:2: not found', 'absent'],
  ['401 Unauthorized', 'unclear'],
];
for (const [message, outcome] of failures) {
  test(`"${message}" is ${outcome}, for a minute`, async (t: ExecutionContext) => {
    const world = registry();
    const { pulls, running, reports, clock } = world;
    pulls.begin('a');
    await running.get('a')?.end(new Error(message));
    t.deepEqual(pulls.seen().get('a'), { state: outcome, since: 1000, message });
    t.deepEqual(reports, [{ image: 'a', outcome, ms: 0, message }]);
    clock.now += 60_001;
    t.is(stateOf(world, 'a'), undefined);
  });
}

test('a long message is cut: it goes into annotations and events', async (t) => {
  const { pulls, running } = registry();
  pulls.begin('a');
  await running.get('a')?.end(new Error('x'.repeat(10_000)));
  const seen = pulls.seen().get('a');
  t.is(seen && 'message' in seen && seen.message.length, 500);
});
