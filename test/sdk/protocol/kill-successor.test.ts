import test from 'ava';
import { startServing } from '../../helpers/scene.ts';
import { untilPhase } from '../../helpers/processes.ts';
import { slots } from '../../helpers/slots.ts';

/*
 * The successor dies at each frame that it sends or receives. Whatever the moment: nobody is refused, only what the dead
 * process owned fails, the predecessor serves on, and the restarted successor takes over without a loss.
 */
const slot = slots(2);
const env = { STATES: '2' };

const faults: { fault: string; keepers?: number; accepted: boolean }[] = [
  { fault: 'sent hello', accepted: false },
  { fault: 'received offer', accepted: false },
  { fault: 'received state#1', accepted: false },
  { fault: 'received state#2', accepted: false },
  { fault: 'sent ready', accepted: false },
  { fault: 'received stopped', accepted: false },
  { fault: 'received connection#1', accepted: true },
  { fault: 'received connection#30', keepers: 36, accepted: true },
  { fault: 'sent ack#1', accepted: true },
  { fault: 'sent ack#30', keepers: 36, accepted: true },
  { fault: 'received drained', accepted: true },
  { fault: 'received ping', accepted: true },
  { fault: 'sent ping', accepted: true },
];

for (const { fault, keepers, accepted } of faults) {
  test(`successor killed at "${fault}"`, (t) =>
    slot(async () => {
      const { start, predecessor, load } = await startServing(t, { env, ...(keepers && { keepers }) });
      const dying = start({ version: 200, alternative: 100, fault: `${fault}:SIGKILL`, env });
      t.like(await dying.exited, { signal: 'SIGKILL' });
      await load.goesOn(t, 5, 100);
      const owned = dying.frames('sent ack');
      const lost = load.failed();
      t.true(
        lost.length <= owned,
        `${lost.length} connections failed, ${owned} were acknowledged: ${lost.map((k) => k.failure()).join()}`,
      );
      if (owned === 0) t.deepEqual(lost, []);
      if (!accepted) t.deepEqual(load.fresh.broken, [], 'the dead process never accepted');
      t.true(load.fresh.broken.length <= 2, 'what it had accepted, one for each loop of clients');
      await untilPhase(predecessor, 'serving');
      t.is(predecessor.state()?.counters.takenBack, predecessor.frames('received ready'));

      const again = start({ version: 200, alternative: 100, env });
      await untilPhase(again, 'serving');
      await load.goesOn(t, 3, 200);
      await untilPhase(predecessor, 'drained');
      await load.stop();
      t.is(load.fresh.refused, 0);
      t.is(
        load.failed().length,
        lost.length,
        load
          .failed()
          .map((keeper) => keeper.failure())
          .join(),
      );
      t.is(predecessor.child.exitCode, null);
      t.is(predecessor.state()?.error, undefined);
    }));
}

test('successor killed while it serves, after the drain', (t) =>
  slot(async () => {
    const { start, predecessor, load } = await startServing(t);
    const successor = start({ version: 200, alternative: 100 });
    await untilPhase(predecessor, 'drained');
    await load.goesOn(t, 3, 200);
    successor.kill('SIGKILL');
    await untilPhase(predecessor, 'serving');
    // All had moved and died with it; those who connect anew are answered by the predecessor, and none was refused.
    const { answered } = load.fresh;
    await load.goesOn(t, 5);
    t.true(load.fresh.answered > answered);
    t.is(load.fresh.refused, 0);
    t.true(load.fresh.broken.length <= 2);
    t.is(predecessor.state()?.counters.takenBack, 1);
    const again = start({ version: 200, alternative: 100 });
    await untilPhase(again, 'serving');
    await load.goesOn(t, 5);
    await load.stop();
    t.is(load.fresh.refused, 0);
  }));
