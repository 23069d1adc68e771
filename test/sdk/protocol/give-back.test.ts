import test from 'ava';
import { askOnce } from '../../helpers/load.ts';
import { until, untilPhase } from '../../helpers/processes.ts';
import { sharedSockets, startServing, untilStopped } from '../../helpers/scene.ts';
import { slots } from '../../helpers/slots.ts';

/* The successor gets SIGTERM and gives back; one of the two dies or stands still at each frame of that. */
const slot = slots(2);

for (const fault of ['sent back', 'received resumed', 'sent connection#1', 'sent connection#5', 'received ack#5']) {
  test(`the successor is killed at "${fault}" while it gives back`, (t) =>
    slot(async () => {
      const { start, predecessor, load, port } = await startServing(t);
      const successor = start({ version: 200, alternative: 100, fault: `${fault}:SIGKILL` });
      await untilPhase(predecessor, 'drained');
      successor.kill('SIGTERM');
      t.like(await successor.exited, { signal: 'SIGKILL' });
      await untilPhase(predecessor, 'serving');
      t.deepEqual(await askOnce(port), { version: '100' });
      await load.goesOn(t, 5);
      const lost = load.failed().length;
      // Two of those that came back may be newcomers' connections.
      t.true(load.keepers.length - lost >= predecessor.frames('sent ack') - 2, 'what came back lives on');
      t.is(predecessor.state()?.counters.takenBack, 1);
      await load.stop();
      t.is(load.failed().length, lost);
      t.is(load.fresh.refused, 0);
      t.true(load.fresh.broken.length <= 2);
    }));
}

for (const fault of ['received back', 'sent resumed', 'received connection#1', 'sent ack#5']) {
  test(`the predecessor is killed at "${fault}" while it takes back`, (t) =>
    slot(async () => {
      const { start, predecessor, load, port } = await startServing(t, { fault: `${fault}:SIGKILL` });
      const successor = start({ version: 200, alternative: 100 });
      await untilPhase(predecessor, 'drained');
      successor.kill('SIGTERM');
      t.like(await predecessor.exited, { signal: 'SIGKILL' });
      // Nobody is left to give to: it serves until its clients are gone.
      await load.goesOn(t, 5, 200);
      t.deepEqual(await askOnce(port), { version: '200' });
      const lost = load.failed().length;
      t.true(lost <= predecessor.frames('sent ack'), `${lost} failed`);
      await load.stop();
      t.is(load.failed().length, lost);
      t.is(load.fresh.refused, 0);
      t.true(load.fresh.broken.length <= 2);
      t.like(await successor.exited, { code: 0 });
    }));
}

for (const fault of ['received back', 'sent resumed', 'received connection#3', 'sent ack#3']) {
  test(`the predecessor is frozen at "${fault}" while it takes back`, (t) =>
    slot(async () => {
      const { start, predecessor, load, port } = await startServing(t, { fault: `${fault}:SIGSTOP` });
      const successor = start({ version: 200, alternative: 100 });
      await untilPhase(predecessor, 'drained');
      successor.kill('SIGTERM');
      await untilStopped(predecessor);
      // The silence ends the line; the successor accepts again.
      await until('the successor answers', async () => {
        const answer = await Promise.race([askOnce(port), new Promise((resolve) => setTimeout(resolve, 500))]);
        return answer !== undefined;
      });
      predecessor.kill('SIGCONT');
      await load.goesOn(t, 5);
      t.is(sharedSockets(predecessor, successor), 1, 'a connection has two owners');
      await load.stop();
      t.deepEqual(
        load.failed().map((keeper) => keeper.failure()),
        [],
      );
      t.like(load.fresh, { refused: 0, broken: [] });
      t.like(await successor.exited, { code: 0 });
      await untilPhase(predecessor, 'serving');
    }));
}
