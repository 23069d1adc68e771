import { descriptorBench } from './descriptor/index.ts';
import { handoverBench } from './handover/index.ts';
import { latencyBench } from './latency/index.ts';
import { printTable } from './table.ts';

const ms = (value: number): string => value.toFixed(2);

console.log(`Node ${process.version}, ${process.arch}. Machines are noisy: read ratios, and compare within one run.`);

const { rows } = await descriptorBench();
printTable(
  'A message with descriptors, there and back (goal: at most 3 times C)',
  ['descriptors', 'C, us', 'Baton, us', 'ratio'],
  rows.map((row) => [String(row.descriptors), ms(row.cMicros), ms(row.addonMicros), row.ratio.toFixed(2)]),
);

const handovers = [];
for (const [sockets, rounds] of [
  [1, 30],
  [10, 20],
  [1000, 5],
] as const) {
  handovers.push(await handoverBench(sockets, rounds));
}
const one = handovers[0]?.medianMs ?? NaN;
printTable(
  'A handover between two processes: connected until accepting (goal: median under 2 ms with 1 socket)',
  ['sockets', 'median, ms', 'min, ms', 'max, ms', 'median / 1 socket'],
  handovers.map((row) => [String(row.sockets), ms(row.medianMs), ms(row.minMs), ms(row.maxMs), (row.medianMs / one).toFixed(1)]),
);

const { before, during, after, failed, closed } = await latencyBench();
printTable(
  `Latency of an HTTP/1.1 load over upgrades; ${failed} requests failed, ${closed} connections closed (goal: p99 during / before at most 1.5)`,
  ['', 'p50, ms', 'p99, ms', 'p99 / before'],
  Object.entries({ before, during, after }).map(([when, { p50, p99 }]) => [when, ms(p50), ms(p99), (p99 / before.p99).toFixed(2)]),
);
