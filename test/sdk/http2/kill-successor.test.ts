import test from 'ava';
import { certificate } from '../../helpers/certificate.ts';
import { untilPhase } from '../../helpers/processes.ts';
import { createScene } from '../../helpers/scene.ts';
import { slots } from '../../helpers/slots.ts';
import { startStreams } from './clients.ts';

/*
 * The successor dies at each frame of the handover. Sessions that were asked to leave end, others open; nobody is refused,
 * and only streams of sessions that the dead process had accepted fail.
 */
const slot = slots(2);
const script = 'test/fixtures/http2-server.js';
const [clients, streams] = [6, 3];

const faults: { fault: string; accepted: boolean }[] = [
  { fault: 'sent hello', accepted: false },
  { fault: 'received offer', accepted: false },
  { fault: 'received state#1', accepted: false },
  { fault: 'sent ready', accepted: false },
  { fault: 'received stopped', accepted: false },
  { fault: 'received drained', accepted: true },
  { fault: 'sent ping', accepted: true },
  { fault: 'received ping', accepted: true },
];

for (const secure of [false, true]) {
  for (const { fault, accepted } of faults) {
    // Only a TLS server has a state of its own to send: its ticket keys.
    if (!secure && fault.includes('state')) continue;
    test(`${secure ? 'secure' : 'clear'}: successor killed at "${fault}"`, (t) =>
      slot(async () => {
        const { start, port } = await createScene(t);
        const env = secure ? certificate(t) : {};
        const predecessor = start({ version: 100, script, env });
        await untilPhase(predecessor, 'serving');
        const load = startStreams(t, port, { secure, clients, streams });
        await load.goOn(5, 100);
        const dying = start({ version: 200, alternative: 100, script, env, fault: `${fault}:SIGKILL` });
        t.like(await dying.exited, { signal: 'SIGKILL' });
        await load.goOn(5, 100);
        const lost = [...load.failures()];
        t.false(
          lost.some((why) => why.includes('ECONNREFUSED')),
          lost.join(),
        );
        if (!accepted) t.deepEqual(lost, [], 'the dead process never accepted');
        // Each stream that it had, and the end of each session.
        t.true(lost.length <= clients * (streams + 1), lost.join());
        await untilPhase(predecessor, 'serving');
        t.is(predecessor.state()?.counters.takenBack, predecessor.frames('received ready'));

        const again = start({ version: 200, alternative: 100, script, env });
        await untilPhase(again, 'serving');
        await untilPhase(predecessor, 'drained');
        await load.goOn(5, 200);
        await load.stop();
        t.deepEqual(load.failures().slice(lost.length), []);
        t.is(predecessor.child.exitCode, null, predecessor.output());
      }));
  }
}
