import { parseArgs } from 'node:util';
import { creationBench } from './creation.ts';
import { startPlace } from './place.ts';
import { rssMiB } from './usage.ts';

const { values } = parseArgs({ options: { pods: { type: 'string', default: '10000' }, 'node-flag': { type: 'string', multiple: true } } });
const count = Number(values.pods);
const ends: (() => unknown)[] = [];
try {
  const place = await startPlace({ teardown: (end) => void ends.unshift(end) }, values['node-flag']);
  const say = (text: string): void => console.log(`${(performance.now() / 1000).toFixed(0)} s  ${text}`);
  say('started');
  const creation = await creationBench(place, count);
  say(JSON.stringify(creation));
  say(`RSS ${rssMiB(place.controller().pid)}`);
  await place.stopController();
} finally {
  for (const end of ends) await end();
}
process.exit();
