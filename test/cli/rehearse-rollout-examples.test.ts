// The rollouts of examples/sidecarsets, as they are documented. Needs `npm run build:sdk build:cli`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { PodReport, RolloutReport } from '../../cli/rehearsal/rollout/report.ts';
import { temporaryDirectory } from '../helpers/processes.ts';
import { validRollout } from './rehearse-helpers.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

async function rehearse(t: ExecutionContext, example: string): Promise<RolloutReport> {
  const directory = temporaryDirectory(t);
  const args = ['dist/baton.js', 'rehearse', `examples/sidecarsets/${example}.yaml`, '--report', directory];
  const child = spawn(process.execPath, args, { cwd: root });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  t.is(code, 0, output);
  const report = JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')) as RolloutReport;
  t.deepEqual(validRollout(report), []);
  t.like(report, { requests: { failed: 0 }, connections: { refused: 0, closed: 0 } });
  return report;
}

/** When a pod came to serve with an image for the first time; Infinity if it never did. */
const since = ({ moments }: PodReport, image: string): number =>
  moments.find(({ images }) => images === image)?.startMs ?? Infinity;

test.serial('a partition, then the rest, never more than maxUnavailable at once', async (t) => {
  const { steps, pods, connections } = await rehearse(t, 'rehearse-rollout');
  t.true(steps.every(({ unavailable, notReady }) => unavailable.most <= 2 && notReady.most === 0));
  t.true(
    steps.some(({ unavailable }) => unavailable.most === 2),
    'it also makes use of what is allowed',
  );
  const second = steps[1]?.startMs ?? 0;
  t.is(pods.filter((pod) => since(pod, 'echo:2') < second).length, 2);
  t.true(pods.every((pod) => since(pod, 'echo:2') < Infinity));
  t.is(connections?.moved, 20);
});

test.serial('canaries: by a selector, and as a set of its own for new pods', async (t) => {
  const { steps, pods } = await rehearse(t, 'rehearse-canary');
  const second = steps[1]?.startMs ?? 0;
  const early = pods.filter((pod) => since(pod, 'echo:2') < second).map(({ name }) => name);
  t.deepEqual(early, ['canary']);
  const created = pods.find(({ name }) => name === 'canary-0');
  t.deepEqual(
    created?.sidecarSets.map(({ name }) => name),
    ['echo-canary'],
  );
  t.is(created?.moments.at(-1)?.images, 'echo:3');
});

test.serial('scatter: the first half has pods of both zones', async (t) => {
  const { steps, pods } = await rehearse(t, 'rehearse-scatter');
  const second = steps[1]?.startMs ?? 0;
  const early = pods.filter((pod) => since(pod, 'echo:2') < second).map(({ name }) => name.split('-')[0]);
  t.deepEqual(early.sort(), ['east', 'west']);
});

test.serial('a failing version halts at the first pod, with the agent restarted after each step', async (t) => {
  const { steps, pods, faults } = await rehearse(t, 'rehearse-halt');
  t.like(steps[0], { result: 'halted', pods: { failed: 1, waiting: 3 }, unavailable: { most: 1, allowed: 1 } });
  t.deepEqual(faults, [{ image: 'echo:2', fault: 'crash-after-ready', happened: true }]);
  const second = steps[1]?.startMs ?? 0;
  const isUpgrading = ({ moments }: PodReport): boolean =>
    moments.some(({ phase, startMs }) => phase !== null && startMs < second);
  t.is(pods.filter(isUpgrading).length, 1, 'the others were not touched');
  t.true(pods.every(({ moments }) => !moments.some(({ images, ready }) => ready && images === 'echo:2')));
  t.is(pods.find(({ name }) => name === 'web-4')?.moments[0]?.images, 'echo:1', 'new pods get what works');
});
