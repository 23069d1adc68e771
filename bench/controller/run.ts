import { parseArgs } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { printTable } from '../table.ts';
import { bareLoop, pauseBench, rollOut, type Rollout } from './cold.ts';
import { creationBench, makeFleet } from './creation.ts';
import { createPods, untilStatuses } from './fleet.ts';
import { hotBench } from './hot.ts';
import { startPlace } from './place.ts';
import { reviewBench } from './review.ts';
import { cpuSeconds, rssMiB } from './usage.ts';

const help = `Usage: npx tsx bench/controller/run.ts [--pods N] [--node-flag FLAG]...

Measures the built controller on a real API server; takes a quarter of an hour with the default of 10,000 pods. What else runs
on the machine counts: read ratios. A flag is given to the controller's Node, such as --cpu-prof.
`;
const { values } = parseArgs({
  options: {
    pods: { type: 'string', default: '10000' },
    'node-flag': { type: 'string', multiple: true },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(help);
  process.exit();
}
const count = Number(values.pods);
const few = Math.min(1000, count);
const half = Math.ceil(count / 2);
const ends: (() => unknown)[] = [];
const rows: string[][] = [];
const row = (what: string, goal: string, value: string): void => {
  rows.push([what, goal, value]);
  process.stderr.write(`${(performance.now() / 1000).toFixed(0)} s  ${what}: ${value}\n`);
};
const rate = (value: number): string => value.toFixed(0);
try {
  const place = await startPlace({ teardown: (end) => void ends.unshift(end) }, values['node-flag']);
  const rss = (): string => rssMiB(place.controller().pid()).toFixed(0);
  row('memory at the start, MiB', '', rss());

  const creation = await creationBench(place, count);
  row('pods created without a webhook, /s', '', rate(creation.bare));
  row('pods created and injected, /s', '>= 500', rate(creation.injected));
  row('  while a kubelet writes their statuses', '', rate(creation.withKubelet));
  row('controller, CPU ms a pod created', '', creation.cpuPerPodMs.toFixed(2));
  row(`memory with ${count} pods, MiB`, '<= 150', rss());
  const review = await reviewBench(place);
  row('a review at 200/s, p50 / p99, ms', '<= 2.0 / 3.5', `${review.p50.toFixed(1)} / ${review.p99.toFixed(1)}`);
  row('a review, CPU ms', '<= 0.6', review.cpuMs.toFixed(2));

  const bare: number[] = [];
  const rollouts: Rollout[] = [];
  for (const [image, barelyImage] of [
    ['side:2', 'side:3'],
    ['side:4', 'side:5'],
  ] as const) {
    const rollout = await rollOut(place, 'cold', count, { image });
    rollouts.push(rollout);
    row(`cold rollout of ${count}, pods/s`, '', rate(rollout.rate));
    row('  writes a pod', '1', rollout.writesPerPod.toFixed(3));
    row('  status writes a second', '<= 1', rollout.statusWritesPerSecond.toFixed(2));
    row('  status behind at most, s', '<= 2', rollout.statusBehind.toFixed(1));
    row('  controller, CPU ms a pod', '', ((rollout.cpuSeconds / count) * 1000).toFixed(2));
    row('  memory, MiB', '<= 150', rollout.rssMiB.toFixed(0));
    row('  log, MiB', '< 20', rollout.logMiB.toFixed(2));
    bare.push(await bareLoop(place, 'cold', count, barelyImage));
    row('the same patches in a bare loop, pods/s', '', rate(bare.at(-1) ?? NaN));
  }
  const mean = (all: number[]): number => all.reduce((sum, one) => sum + one, 0) / all.length;
  row('rollout / bare loop', '>= 0.9', (mean(rollouts.map((one) => one.rate)) / mean(bare)).toFixed(2));

  const pause = await pauseBench(place, 'cold', 'side:6');
  row('written in the second after a pause, and after it', 'in flight, 0', `${pause.first}, ${pause.later}`);

  await makeFleet(place, 'few');
  const before = place.statuses();
  await createPods(place.driver, 'few', few);
  await untilStatuses(place, before, few);
  const whole = await rollOut(place, 'few', few, { image: 'side:2' });
  const tenth = await rollOut(place, 'few', few, { image: 'side:3', maxUnavailable: '10%' });
  row(`${few} pods, maxUnavailable 100%, s`, '', whole.seconds.toFixed(1));
  row(`${few} pods, maxUnavailable 10%, s`, '', tenth.seconds.toFixed(1));
  row('10% / 100%', '<= 1.5', (tenth.seconds / whole.seconds).toFixed(2));

  const hot = await hotBench(place, half);
  row(`hot rollout of ${half}, s`, '', hot.seconds.toFixed(1));
  row('  writes a pod', '<= 3', hot.writesPerPod.toFixed(3));
  row(
    '  from the new copy’s start to the old one’s end, p50 / p99, s',
    'at once',
    `${(hot.p50 / 1000).toFixed(1)} / ${(hot.p99 / 1000).toFixed(1)}`,
  );
  row('  memory, MiB', '', hot.rssMiB.toFixed(0));

  await delay(5_000);
  const pid = place.controller().pid();
  const cpu = cpuSeconds(pid);
  await delay(60_000);
  row('idle, CPU s a minute', '<= 0.22', (cpuSeconds(pid) - cpu).toFixed(2));
  await place.stopController();
  printTable('The controller on a real API server', ['', 'goal', 'measured'], rows);
} finally {
  for (const end of ends) await end();
}
process.exit();
