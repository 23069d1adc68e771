import { maxUnavailableOf } from '../../../api/int-or-percent.ts';
import { pods, sidecarSets } from '../../../cluster/resource.ts';
import type { Plan, PodVerdict } from '../../../controller/rollout/plan.ts';
import type { Latency, LoadSummary } from '../load-types.ts';
import { type RunningLoad, startLoad } from '../load.ts';
import { pause } from '../pace.ts';
import { type Program, writeShim } from '../program.ts';
import type { Progress } from '../progress.ts';
import { definedEnv } from '../run.ts';
import { addBucket, emptyTimeline, type Timeline } from '../timeline.ts';
import type { Workspace } from '../../../local/workspace.ts';
import type { Reconciled } from './controller.ts';
import { createHistory, type History, type PodHistory } from './history.ts';
import type { WirePod, WireSet } from './home.ts';
import { armImages } from './images.ts';
import { tailsOf } from './logs.ts';
import { addressesOf, keyOf, namespacesOf } from './places.ts';
import { atRest, type Rest } from './rest.ts';
import type { RolloutScenario } from './scenario.ts';
import { startAll } from './start.ts';
import type { Step } from './steps.ts';
import { startSystem, type System } from './system.ts';

export interface RolloutOptions {
  workspace: Workspace;
  /** Folder for the containers' logs. */
  logs: string;
  program: Program;
  progress: Progress;
  signal: AbortSignal;
}

/** How a step went. Times in milliseconds since the epoch. */
export interface StepOutcome {
  step: Step;
  result: Rest;
  startedAt: number;
  endedAt: number;
  /** Of the set that the step is about, when it was over. */
  plan?: Plan;
  /** The most pods at any moment of the step, and what the set allows. */
  unavailable: number;
  allowed: number | null;
  notReady: number;
  latency: Latency | undefined;
}

/** What a rollout brought to light. */
export interface RolloutFindings {
  startedAt: number;
  endedAt: number;
  summary: LoadSummary | undefined;
  timeline: Timeline;
  steps: StepOutcome[];
  pods: (PodHistory & { address: string; verdicts: Record<string, PodVerdict> })[];
  faults: { image: string; fault: string; happened: boolean }[];
  interrupted: boolean;
  /** Of pods that did not come out as updated: the last lines of their containers' logs, by `pod/container`. */
  tails: Record<string, string[]>;
}

/**
 * Runs a rollout from the first pods to the last step. However it ends, no process is left.
 *
 * @throws `ERR_BATON_NOT_STARTED` when the pods do not come to be ready
 */
export async function runRollout(scenario: RolloutScenario, options: RolloutOptions): Promise<RolloutFindings> {
  const { progress, signal } = options;
  const startedAt = Date.now();
  const addresses = await addressesOf(scenario);
  const history = createHistory(Date.now, namespacesOf(scenario));
  const armed = armImages(scenario, options.workspace);
  let current = '';
  let told = '';
  const system = startSystem({
    images: armed.images,
    addressOf: (pod) => addresses.get(keyOf(pod)) ?? '127.0.0.1',
    logs: options.logs,
    cwd: scenario.directory,
    baseEnv: environment(options),
    agentRestarted: scenario.agent === 'restarted',
    warn: (message) => progress.keep(`warning: ${message}`),
    onPod: (pod, isGone) => history.pod(pod, isGone),
    onSet: (set) => history.set(set),
    onStep(pod, step) {
      const what = step.do === 'patch' ? step.phase : step.do;
      if ('because' in step)
        progress.step(`${current}  ${pod.metadata.name ?? ''}  ${what.padEnd(12)} ${step.because}`);
    },
    onSeen(seen) {
      const line = `${current}  ${standing(seen)}`;
      if (line !== told) progress.step(line);
      told = line;
    },
  });
  let load: RunningLoad | undefined;
  try {
    current = 'starting';
    await startAll(scenario, system, addresses, signal);
    progress.keep(`${scenario.pods.length} pods are ready`);
    const timeline = emptyTimeline();
    if (scenario.load.kind !== 'none' && !signal.aborted) {
      const targets = scenario.pods.map((pod) => ({ host: addresses.get(keyOf(pod)) ?? '', port: scenario.port }));
      load = await startLoad(scenario.load, targets, options.program, (bucket) =>
        addBucket(timeline, { ...bucket, byVersion: {} }),
      );
    }
    await pause(scenario.pauses.before, signal);
    const steps: StepOutcome[] = [];
    for (const [index, step] of scenario.steps.entries()) {
      if (signal.aborted) break;
      if (index > 0) await pause(scenario.pauses.between, signal);
      current = `step ${index + 1}/${scenario.steps.length}`;
      progress.keep(`${current}  ${step.name}`);
      await load?.enter('during');
      const outcome = await take(step, scenario, system, history, signal);
      steps.push({ ...outcome, latency: await load?.enter('after') });
    }
    await pause(scenario.pauses.after, signal);
    const interrupted = signal.aborted;
    const summary = await load?.stop();
    load = undefined;
    const plans = system.controller.seen()?.plans ?? new Map<string, Plan>();
    const podFindings = history.pods().map((pod) => ({
      ...pod,
      address: addresses.get(keyOf(pod)) ?? '',
      verdicts: verdictsOf(pod, plans),
    }));
    const endedAt = Date.now();
    const tails = await tailsOf(system, plans);
    const common = { startedAt, endedAt, summary, timeline, steps, interrupted, tails };
    return { ...common, pods: podFindings, faults: armed.faults() };
  } finally {
    load?.kill();
    await system.stop();
  }
}

async function take(
  step: Step,
  scenario: RolloutScenario,
  { cluster, ...system }: System,
  history: History,
  signal: AbortSignal,
): Promise<Omit<StepOutcome, 'latency'>> {
  const startedAt = Date.now();
  history.begin();
  for (const set of step.create.sidecarSets) await cluster.create<WireSet>(sidecarSets, set);
  const { sidecarSet: name = '' } = step;
  if (step.patch) await cluster.patch(sidecarSets, { name }, step.patch);
  for (const pod of step.create.pods) await cluster.create<WirePod>(pods, pod as WirePod);
  const result = await atRest({ cluster, ...system }, startedAt + scenario.timeouts.step, signal);
  const plan = system.controller.seen()?.plans.get(name);
  const { items } = await cluster.list<WireSet>(sidecarSets, { fields: { 'metadata.name': name } });
  const strategy = items[0]?.spec.updateStrategy;
  return {
    step,
    result,
    startedAt,
    endedAt: Date.now(),
    ...(plan && { plan }),
    unavailable: history.mostUnavailable(name),
    allowed: plan ? maxUnavailableOf(strategy?.maxUnavailable, plan.status.matchedPods) : null,
    notReady: history.mostNotReady(),
  };
}

function environment({ workspace, program }: RolloutOptions): Record<string, string> {
  const bin = workspace.directory('bin');
  writeShim(bin, program);
  return { ...definedEnv(), PATH: `${bin}:${process.env['PATH'] ?? '/usr/bin:/bin'}` };
}

/** How far each set is, in a line. */
function standing({ plans }: Reconciled): string {
  const each = [...plans].map(([name, plan]) => {
    const { matchedPods, updatedReadyPods } = plan.status;
    const failed = plan.pods.filter(({ verdict }) => verdict === 'failed').length;
    const more = [failed > 0 ? `, ${failed} failed` : '', plan.halted ? ', halted' : ''].join('');
    return `${name}: ${updatedReadyPods} of ${matchedPods} updated and ready${more}`;
  });
  return each.join('; ');
}

function verdictsOf({ namespace, name }: PodHistory, plans: ReadonlyMap<string, Plan>): Record<string, PodVerdict> {
  return Object.fromEntries(
    [...plans].flatMap(([set, plan]) => {
      const found = plan.pods.find((pod) => pod.name === name && pod.namespace === namespace);
      return found && found.verdict !== 'unmatched' ? [[set, found]] : [];
    }),
  );
}
