import test from 'ava';
import * as fs from 'node:fs';
import { startServing, whileStopped } from '../../helpers/scene.ts';
import { fakeSuccessor, hello } from '../../helpers/peer.ts';
import { until, untilPhase } from '../../helpers/processes.ts';
test('x', async (t) => {
  const { directory, predecessor } = await startServing(t, { keepers: 10 });
    const peer = fakeSuccessor(t, directory, 100);
    peer.say(hello());
    await peer.next('offer');
    await whileStopped(predecessor, () => {
      peer.say({ type: 'ready', sockets: ['http'] });
      peer.close();
    });
    await until('taken back', () => predecessor.state()?.counters.takenBack === 1);
    await untilPhase(predecessor, 'serving');
    console.log(fs.readFileSync(directory+'/frames-1','utf8'), predecessor.output(), JSON.stringify(predecessor.state()));
});
