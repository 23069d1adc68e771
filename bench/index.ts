import { descriptorBench } from './descriptor/index.ts';
import { coldHandovers, warmHandovers, type Handovers } from './handover/index.ts';
import { injectionBench } from './injection/index.ts';
import { latencyBench } from './latency/index.ts';
import { planBench } from './plan/index.ts';
import { protocols } from './protocols/clients.ts';
import { usual } from './protocols/index.ts';
import { printProtocols } from './protocols/print.ts';
import { printTable } from './table.ts';

const ms = (value: number): string => value.toFixed(2);

console.log(`Node ${process.version}, ${process.arch}. Machines are noisy: read ratios, and compare within one run.`);

const { rows } = await descriptorBench();
printTable(
  'A message with descriptors, there and back (goal: at most 3 times C)',
  ['descriptors', 'C, us', 'Baton, us', 'ratio'],
  rows.map((row) => [String(row.descriptors), ms(row.cMicros), ms(row.addonMicros), row.ratio.toFixed(2)]),
);

const warm = [await warmHandovers(1, 150), await warmHandovers(10, 60), await warmHandovers(1000, 6)];
const cold = [await coldHandovers(1, 20), await coldHandovers(10, 10), await coldHandovers(1000, 3)];
const one = warm[0]?.medianMs ?? NaN;
const handoverRows = (kind: string, all: Handovers[]): string[][] =>
  all.map((row) => [
    `${row.sockets} ${kind}`,
    ms(row.medianMs),
    ms(row.minMs),
    ms(row.maxMs),
    (row.medianMs / one).toFixed(1),
  ]);
printTable(
  'A handover between two processes: connected until accepting (goal: median under 2 ms with 1 socket)',
  ['sockets', 'median, ms', 'min, ms', 'max, ms', 'median / first row'],
  [...handoverRows('(same two processes in turn)', warm), ...handoverRows('(a new process each time)', cold)],
);

printTable(
  'One plan of a rollout, maxUnavailable 10% (goal: under 50 ms for 10,000 pods, in proportion to the pods)',
  ['fleet', 'pods', 'median, ms', 'us per pod'],
  planBench([1000, 10_000, 100_000]).map(({ kind, pods, medianMs }) => [
    kind,
    String(pods),
    ms(medianMs),
    ((medianMs / pods) * 1000).toFixed(1),
  ]),
);

const { before, during, after, failed, closed } = await latencyBench();
printTable(
  `Latency of an HTTP/1.1 load over upgrades; ${failed} requests failed, ${closed} connections closed (goal: p99 during / before at most 1.5)`,
  ['', 'p50, ms', 'p99, ms', 'p99 / before'],
  Object.entries({ before, during, after }).map(([when, { p50, p99 }]) => [
    when,
    ms(p50),
    ms(p99),
    (p99 / before.p99).toFixed(2),
  ]),
);

printTable(
  'Injection into one pod, by processor time (goal: linear in the matching sets, and next to nothing for the others)',
  ['sets', 'matching', 'us', 'us / matching set'],
  injectionBench().map(({ sets, matching, microsPerPod }) => [
    String(sets),
    String(matching),
    microsPerPod.toFixed(0),
    (microsPerPod / matching).toFixed(0),
  ]),
);
await printProtocols(protocols, usual);
