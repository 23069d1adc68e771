import test from 'ava';
import { startServing } from '../../helpers/scene.ts';
import { until, untilPhase } from '../../helpers/processes.ts';
import { slots } from '../../helpers/slots.ts';

/*
 * The predecessor dies at each frame that it sends or receives. The successor goes on with the sockets that it was offered;
 * only connections that it had not acknowledged end with their owner.
 */
const slot = slots(2);
const env = { STATES: '2' };

const faults: { fault: string; keepers?: number }[] = [
  { fault: 'received hello' },
  { fault: 'sent offer' },
  { fault: 'sent state#1' },
  { fault: 'sent state#2' },
  { fault: 'received ready' },
  { fault: 'sent stopped' },
  { fault: 'sent connection#1' },
  { fault: 'sent connection#30', keepers: 36 },
  { fault: 'received ack#1' },
  { fault: 'received ack#30', keepers: 36 },
  { fault: 'sent drained' },
  { fault: 'received ping' },
  { fault: 'sent ping' },
];

for (const { fault, keepers } of faults) {
  test(`predecessor killed at "${fault}"`, (t) =>
    slot(async () => {
      const { start, predecessor, load } = await startServing(t, {
        env,
        fault: `${fault}:SIGKILL`,
        ...(keepers && { keepers }),
      });
      const successor = start({ version: 200, alternative: 100, env });
      t.like(await predecessor.exited, { signal: 'SIGKILL' });
      await untilPhase(successor, 'serving');
      const acknowledged = successor.frames('sent ack');
      const failed = (): number => load.failed().length;
      await load.goesOn(t, 5, 200);
      // Two of them may be newcomers' connections.
      t.true(
        load.keepers.length - failed() >= predecessor.frames('received ack') - 2,
        'what was acknowledged lives on',
      );
      t.true(acknowledged >= predecessor.frames('received ack'));
      const before = failed();
      const offered = predecessor.frames('sent offer') > 0 && successor.frames('received offer') > 0;
      if (offered) {
        // The listening sockets were here already: no gap.
        t.is(load.fresh.refused, 0);
        t.true(load.fresh.broken.length <= 2);
      }
      if (predecessor.frames('sent stopped') > 0) {
        await until('a report', () => successor.output().includes('"predecessorGone"'));
        t.is(successor.output().split('"predecessorGone"').length, 2, 'told once');
      }
      await load.goesOn(t, 5, 200);
      await load.stop();
      t.is(failed(), before);
      t.is(successor.child.exitCode, null);

      // The sidecar can be upgraded again.
      const next = start({ version: 300, alternative: 200, env });
      await untilPhase(next, 'serving');
      await untilPhase(successor, 'drained');
    }));
}
