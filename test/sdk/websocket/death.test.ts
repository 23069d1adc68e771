import test, { type ExecutionContext } from 'ava';
import { until, untilPhase } from '../../helpers/processes.ts';
import { createScene, type Logged, type Scene } from '../../helpers/scene.ts';
import { slots } from '../../helpers/slots.ts';
import { talk } from '../../helpers/websocket.ts';
import { withWs } from './clients.ts';

/* One of the two copies dies, or gives back, while 20 clients talk without a pause. */
const slot = slots(2);
const script = 'test/fixtures/websocket.js';
const COUNT = 20;

interface Talking {
  /** Those that were closed or lost something. */
  wrong(): string[];
  /** Waits until all that are not wrong got further answers, the last of them from this version. */
  answeredBy(version: number): Promise<unknown>;
  /** Waits for the last answers. */
  stop(): Promise<void>;
}

async function startTalking(t: ExecutionContext, port: number): Promise<Talking> {
  let going = true;
  t.teardown(() => (going = false));
  const talks = Array.from({ length: COUNT }, () =>
    talk(withWs(`ws://127.0.0.1:${port}/?push=5`), { going: () => going }),
  );
  const results = talks.map(({ result }) => result);
  const talking: Talking = {
    wrong: () => results.flatMap(({ wrong }) => wrong ?? []),
    answeredBy(version) {
      const before = results.map(({ answered }) => answered);
      return until(`answers of ${version}`, () =>
        results.every(
          ({ answered, last, wrong }, index) =>
            wrong !== undefined || (last === String(version) && answered > (before[index] ?? 0) + 2),
        ),
      );
    },
    async stop() {
      going = false;
      await Promise.all(talks.map(({ done }) => done));
    },
  };
  await until('all talk', () => results.every(({ answered }) => answered > 0));
  return talking;
}

async function startScene(
  t: ExecutionContext,
  fault?: string,
): Promise<Scene & { predecessor: Logged; talking: Talking }> {
  const scene = await createScene(t);
  const predecessor = scene.start({ version: 100, script, ...(fault && { fault }) });
  await untilPhase(predecessor, 'serving');
  return { ...scene, predecessor, talking: await startTalking(t, scene.port) };
}

/** Ends the talks: those whose owner died were closed without a word, and nobody else saw anything. */
async function checkLost(t: ExecutionContext, talking: Talking, lost: string[]): Promise<void> {
  await talking.stop();
  t.deepEqual(talking.wrong(), lost);
  for (const why of lost) t.is(why, 'closed: 1006');
}

const FAULTS = [
  'sent hello',
  'received offer',
  'sent ready',
  'received stopped',
  'received connection#1',
  'received connection#10',
  'sent ack#1',
  'sent ack#10',
  'received drained',
  'received ping',
];

for (const fault of FAULTS) {
  test(`successor killed at "${fault}"`, (t) =>
    slot(async () => {
      const { start, predecessor, talking } = await startScene(t);
      const dying = start({ version: 200, alternative: 100, script, fault: `${fault}:SIGKILL` });
      t.like(await dying.exited, { signal: 'SIGKILL' });
      await untilPhase(predecessor, 'serving');
      await talking.answeredBy(100);
      const lost = talking.wrong();
      const owned = dying.frames('sent ack');
      t.true(lost.length <= owned, `${lost.length} were closed, ${owned} were acknowledged`);
      const again = start({ version: 200, alternative: 100, script });
      await untilPhase(again, 'serving');
      await talking.answeredBy(200);
      t.like((await untilPhase(predecessor, 'drained')).counters, { cut: 0 });
      await checkLost(t, talking, lost);
    }));
}

for (const when of ['while it drains', 'when it has drained']) {
  test(`a successor that gets SIGTERM gives its clients back, ${when}`, (t) =>
    slot(async () => {
      const { start, predecessor, talking } = await startScene(t);
      const successor = start({ version: 200, alternative: 100, script });
      await untilPhase(successor, 'serving');
      if (when === 'when it has drained') await untilPhase(predecessor, 'drained');
      successor.kill('SIGTERM');
      t.like(await successor.exited, { code: 0 });
      await talking.answeredBy(100);
      await checkLost(t, talking, []);
      t.like(predecessor.state()?.counters, { takenBack: 1, cut: 0 });
    }));
}

for (const fault of ['sent back', 'received resumed', 'sent connection#1', 'sent connection#10', 'received ack#10']) {
  test(`the successor is killed at "${fault}" while it gives back`, (t) =>
    slot(async () => {
      const { start, predecessor, talking } = await startScene(t);
      const successor = start({ version: 200, alternative: 100, script, fault: `${fault}:SIGKILL` });
      await untilPhase(predecessor, 'drained');
      successor.kill('SIGTERM');
      t.like(await successor.exited, { signal: 'SIGKILL' });
      await talking.answeredBy(100);
      const lost = talking.wrong();
      t.true(COUNT - lost.length >= predecessor.frames('sent ack'), 'what came back lives on');
      await checkLost(t, talking, lost);
    }));
}

for (const fault of ['received back', 'sent resumed', 'received connection#1', 'sent ack#10']) {
  test(`the predecessor is killed at "${fault}" while it takes back`, (t) =>
    slot(async () => {
      const { start, predecessor, talking } = await startScene(t, `${fault}:SIGKILL`);
      const successor = start({ version: 200, alternative: 100, script });
      await untilPhase(predecessor, 'drained');
      successor.kill('SIGTERM');
      t.like(await predecessor.exited, { signal: 'SIGKILL' });
      await talking.answeredBy(200);
      const lost = talking.wrong();
      t.true(lost.length <= predecessor.frames('sent ack'), `${lost.length} were closed`);
      await checkLost(t, talking, lost);
    }));
}

for (const fault of ['sent stopped', 'sent connection#10', 'received ack#10']) {
  test(`the predecessor is killed at "${fault}" while it hands over`, (t) =>
    slot(async () => {
      const { start, predecessor, talking } = await startScene(t, `${fault}:SIGKILL`);
      const successor = start({ version: 200, alternative: 100, script });
      t.like(await predecessor.exited, { signal: 'SIGKILL' });
      await untilPhase(successor, 'serving');
      await talking.answeredBy(200);
      const lost = talking.wrong();
      t.true(COUNT - lost.length >= successor.frames('sent ack'), 'what came lives on');
      await checkLost(t, talking, lost);
    }));
}
