import { parseArgs } from 'node:util';
import { bareLoop, rollOut } from './cold.ts';
import { creationBench } from './creation.ts';
import { startPlace } from './place.ts';
import { reviewBench } from './review.ts';
import { rssMiB } from './usage.ts';

const { values } = parseArgs({
  options: { pods: { type: 'string', default: '10000' }, 'node-flag': { type: 'string', multiple: true } },
});
const count = Number(values.pods);
const ends: (() => unknown)[] = [];
try {
  const place = await startPlace({ teardown: (end) => void ends.unshift(end) }, values['node-flag']);
  const say = (what: string, value: object): void =>
    console.log(`${(performance.now() / 1000).toFixed(0)} s  ${what} ${JSON.stringify(value)}`);
  say('creation', await creationBench(place, count));
  const heap = async (): Promise<void> => {
    const { text } = (await place.controller().page('/metrics')) ?? { text: '' };
    const mib = (name: string): number =>
      Math.round(Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]) / 2 ** 20);
    const spaces = [...text.matchAll(/^nodejs_heap_space_size_(used|total)_bytes\{space="(\w+)"\} (\d+)/gm)].map(
      ([, a, b, c]) => `${b} ${a} ${Math.round(Number(c) / 2 ** 20)}`,
    );
    say('memory', {
      rss: rssMiB(place.controller().pid),
      used: mib('nodejs_heap_size_used_bytes'),
      total: mib('nodejs_heap_size_total_bytes'),
      external: mib('nodejs_external_memory_bytes'),
      spaces,
    });
  };
  await heap();
  say('review', await reviewBench(place));
  say('cold', await rollOut(place, 'cold', count, { image: 'side:2' }));
  await heap();
  say('bare', [await bareLoop(place, 'cold', count, 'side:3')]);
  say('cold', await rollOut(place, 'cold', count, { image: 'side:4' }));
  await heap();
  say('bare', [await bareLoop(place, 'cold', count, 'side:5')]);
  await place.stopController();
} finally {
  for (const end of ends) await end();
}
process.exit();
