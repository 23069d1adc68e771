import test, { type ExecutionContext } from 'ava';
import { until, untilPhase } from '../../helpers/processes.ts';
import { createScene, type Logged, type Scene } from '../../helpers/scene.ts';
import { slots } from '../../helpers/slots.ts';
import { talk, type Talk } from '../../helpers/websocket.ts';
import { withWs } from './clients.ts';

/* One of the two copies dies, or gives back, while 20 clients talk without a pause. */
const slot = slots(2);
const script = 'test/fixtures/websocket.js';
const COUNT = 20;

interface Talking {
  /** Those that were closed or lost something. */
  wrong(): string[];
  /** Waits until all that are not wrong got answers of a version. */
  answeredBy(version: number): Promise<unknown>;
  stop(): Promise<Talk[]>;
}

async function startTalking(t: ExecutionContext, port: number): Promise<Talking> {
  let going = true;
  const heard = Array.from({ length: COUNT }, () => ({ last: '', why: undefined as string | undefined }));
  const talks = heard.map((entry) =>
    talk(
      (hear, ended) =>
        withWs(`ws://127.0.0.1:${port}/?push=5`)(
          (text) => {
            if (text.startsWith('a:')) entry.last = text.split(':')[2] ?? '';
            hear(text);
          },
          (why) => {
            if (going) entry.why ??= why;
            ended(why);
          },
        ),
      { going: () => going },
    ),
  );
  t.teardown(() => (going = false));
  const talking: Talking = {
    wrong: () => heard.flatMap(({ why }) => why ?? []),
    answeredBy: (version) =>
      until(`answers of ${version}`, () =>
        heard.every(({ last, why }) => why !== undefined || last === String(version)),
      ),
    stop() {
      going = false;
      return Promise.all(talks);
    },
  };
  await until('all talk', () => heard.every(({ last }) => last !== ''));
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

/** A client whose owner died was closed without a word; nobody else saw anything. */
function checkLost(t: ExecutionContext, lost: string[], results: Talk[]): void {
  t.deepEqual(
    results.flatMap(({ wrong }) => wrong ?? []),
    lost.map((why) => `closed: ${why}`),
  );
  for (const why of lost) t.is(why, '1006');
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
      t.deepEqual(talking.wrong(), lost);
      checkLost(t, lost, await talking.stop());
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
      checkLost(t, [], await talking.stop());
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
      checkLost(t, lost, await talking.stop());
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
      checkLost(t, lost, await talking.stop());
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
      checkLost(t, lost, await talking.stop());
    }));
}
