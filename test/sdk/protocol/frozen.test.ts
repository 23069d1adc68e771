import test from 'ava';
import { sharedSockets, startServing, untilStopped } from '../../helpers/scene.ts';
import { until, untilPhase } from '../../helpers/processes.ts';
import { askOnce } from '../../helpers/load.ts';
import { slots } from '../../helpers/slots.ts';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * One side is stopped for longer than the silence that the other bears, and woken again. Each client numbers its
 * questions: an answer too many, too few or in the wrong order means that two processes read one stream.
 */
const slot = slots(3);

for (const fault of [
  'received offer',
  'sent ready',
  'received stopped',
  'received connection#1',
  'received connection#12',
  'sent ack#1',
  'sent ack#12',
]) {
  test(`successor frozen at "${fault}"`, (t) =>
    slot(async () => {
      const { start, predecessor, load, port } = await startServing(t);
      const frozen = start({ version: 200, alternative: 100, fault: `${fault}:SIGSTOP` });
      await untilStopped(frozen);
      if (predecessor.frames('sent stopped') > 0) {
        // Silence: the predecessor takes back.
        await until('taken back', () => predecessor.state()?.counters.takenBack === 1);
        await untilPhase(predecessor, 'serving');
      } else await delay(3500);
      // Those who wait for an answer of the frozen process go on when it wakes; the rest, and newcomers, at once.
      // A loop of clients that the frozen process accepted from waits for it; others do not.
      for (let count = 0; count < 6; count++) t.deepEqual(await askOnce(port), { version: '100' });
      const waiting = load.keepers.filter((keeper) => keeper.asked() > keeper.answered() && keeper.version() === '200');
      t.true(waiting.length <= frozen.frames('sent ack'));
      frozen.kill('SIGCONT');
      await untilPhase(frozen, 'serving');
      await untilPhase(predecessor, 'drained');
      await load.goesOn(t, 5, 200);
      t.is(sharedSockets(predecessor, frozen), 1, 'a connection has two owners');
      await load.stop();
      t.deepEqual(
        load.failed().map((keeper) => keeper.failure()),
        [],
      );
      t.like(load.fresh, { refused: 0, broken: [] });
    }));
}

test('successor frozen while it serves, after the drain', (t) =>
  slot(async () => {
    const { start, predecessor, load, port } = await startServing(t);
    const successor = start({ version: 200, alternative: 100 });
    await untilPhase(predecessor, 'drained');
    successor.kill('SIGSTOP');
    await until('taken back', () => predecessor.state()?.counters.takenBack === 1);
    // A loop of clients that the frozen process accepted from waits for it; others do not.
    for (let count = 0; count < 6; count++) t.deepEqual(await askOnce(port), { version: '100' });
    successor.kill('SIGCONT');
    await untilPhase(predecessor, 'drained');
    await load.goesOn(t, 5, 200);
    t.is(sharedSockets(predecessor, successor), 1, 'a connection has two owners');
    await load.stop();
    t.deepEqual(
      load.failed().map((keeper) => keeper.failure()),
      [],
    );
    t.like(load.fresh, { refused: 0, broken: [] });
  }));

for (const fault of [
  'received hello',
  'sent offer',
  'received ready',
  'sent stopped',
  'sent connection#1',
  'sent connection#12',
  'received ack#1',
  'received ack#5',
]) {
  test(`predecessor frozen at "${fault}"`, (t) =>
    slot(async () => {
      const { start, predecessor, load } = await startServing(t, { fault: `${fault}:SIGSTOP` });
      const successor = start({ version: 200, alternative: 100 });
      await untilStopped(predecessor);
      await delay(4000);
      predecessor.kill('SIGCONT');
      await untilPhase(successor, 'serving');
      await untilPhase(predecessor, 'drained');
      await load.goesOn(t, 5, 200);
      t.is(sharedSockets(predecessor, successor), 1, 'a connection has two owners');
      await load.stop();
      t.deepEqual(
        load.failed().map((keeper) => keeper.failure()),
        [],
      );
      t.like(load.fresh, { refused: 0, broken: [] });
      t.is(predecessor.child.exitCode, null);
    }));
}
