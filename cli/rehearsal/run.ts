import { copies, env as names, versionAltKey, versionKey } from '../../api/pod-contract.ts';
import type { Image } from '../../local/container.ts';
import { serves } from '../../local/hot-upgrade.ts';
import type { ContainerSpec, Pod } from '../../local/pod.ts';
import { startPod } from '../../local/pod.ts';
import { readStateFile } from '../../local/state-file.ts';
import { upgrade } from '../../local/upgrader.ts';
import { injected, nextVersion } from '../../local/versions.ts';
import type { Workspace } from '../../local/workspace.ts';
import type { Armed } from './faults.ts';
import { armImages } from './faults.ts';
import type { Latency, LoadSummary } from './load-types.ts';
import type { RunningLoad } from './load.ts';
import { startLoad } from './load.ts';
import { pause } from './pace.ts';
import type { Program } from './program.ts';
import { writeShim } from './program.ts';
import type { Progress } from './progress.ts';
import type { Findings } from './report.ts';
import type { Scenario } from './scenario.ts';
import { addBucket, emptyTimeline } from './timeline.ts';

const volume = 'd';
const tailLines = 15;

export interface RunOptions {
  port: number;
  workspace: Workspace;
  /** Folder for the containers' logs. */
  logs: string;
  program: Program;
  progress: Progress;
  signal: AbortSignal;
}

export interface RunResult {
  findings: Findings;
  /** The last lines of each container's log. */
  tails: Record<string, string[]>;
}

/**
 * Runs a rehearsal from the first version's start to the end of the last upgrade. However it ends, no process is left and
 * the workspace is removed. Throws `ERR_BATON_NOT_STARTED` when the first version does not come to serve.
 */
export async function runRehearsal(scenario: Scenario, options: RunOptions): Promise<RunResult> {
  const { port, progress, signal } = options;
  const { host, name } = scenario.sidecar;
  const startedAt = Date.now();
  const armed = imagesOf(scenario, options.workspace.directory('f'));
  const pod = start(scenario, armed.images[0] ?? imageOf(scenario, 'version 1', {}), options);
  let load: RunningLoad | undefined;
  try {
    const timeline = emptyTimeline();
    const upgrades: Findings['upgrades'] = [];
    progress.step(`starting ${name}`);
    await firstServes(pod, scenario, signal);
    progress.keep(`${copies(name)[0]} serves on ${host}:${port}`);
    if (scenario.load.kind !== 'none' && !signal.aborted) {
      progress.step(`load: ${scenario.load.connections} connections`);
      load = await startLoad(scenario.load, [{ host, port }], options.program, (bucket) => addBucket(timeline, bucket));
    }
    await pause(scenario.pauses.before, signal);
    let version = '1';
    for (const [index, { fault }] of scenario.upgrades.entries()) {
      if (signal.aborted) break;
      if (index > 0) await pause(scenario.pauses.between, signal);
      await load?.enter('during');
      armed.begin(index);
      version = nextVersion(version);
      const outcome = await upgrade(pod, {
        sidecar: name,
        volume,
        version,
        image: armed.images[index + 1] ?? imageOf(scenario, `version ${version}`, {}),
        idleImage: imageOf(scenario, 'idle', {}),
        migrationTimeout: scenario.timeouts.migration,
        drainTimeout: scenario.timeouts.drain,
        soak: scenario.soak,
        signal,
        onPhase: (phase, detail) =>
          progress.step(`upgrade ${index + 1}/${scenario.upgrades.length}  ${phase.padEnd(12)} ${detail}`),
      });
      const latency: Latency | undefined = await load?.enter('after');
      upgrades.push({ outcome, fault, happened: armed.happened(index), latency });
      progress.step(`upgrade ${index + 1}/${scenario.upgrades.length}  ${outcome.result}`);
    }
    await pause(scenario.pauses.after, signal);
    const interrupted = signal.aborted;
    const summary: LoadSummary | undefined = await load?.stop();
    load = undefined;
    const findings = { startedAt, endedAt: Date.now(), port, summary, upgrades, timeline, interrupted };
    return { findings, tails: tailsOf(pod, name) };
  } finally {
    load?.kill();
    await pod.stop();
  }
}

function start(scenario: Scenario, image: Image, options: RunOptions): Pod {
  const { name, host, grace } = scenario.sidecar;
  const [first, second] = copies(name);
  const bin = options.workspace.directory('bin');
  writeShim(bin, options.program);
  const container = (copy: string, its: Image): ContainerSpec => ({
    name: copy,
    image: its,
    env: { HOST: host, PORT: String(options.port) },
    envFromAnnotations: { [names.version]: versionKey(copy), [names.versionAlt]: versionAltKey(copy) },
    volume,
    grace,
  });
  return startPod({
    annotations: injected(name),
    containers: [container(first, image), container(second, imageOf(scenario, 'idle', {}))],
    workspace: options.workspace,
    logs: options.logs,
    cwd: scenario.directory,
    baseEnv: { ...definedEnv(), PATH: `${bin}:${process.env['PATH'] ?? '/usr/bin:/bin'}` },
  });
}

function imagesOf(scenario: Scenario, directory: string): Armed {
  const first = imageOf(scenario, 'version 1', {});
  const later = scenario.upgrades.map((planned, index) => imageOf(scenario, `version ${index + 2}`, planned));
  return armImages(
    [first, ...later],
    scenario.upgrades.map(({ fault }) => fault),
    directory,
  );
}

function imageOf(
  { sidecar }: Scenario,
  name: string,
  change: { command?: string[]; env?: Record<string, string> },
): Image {
  return {
    name,
    command: change.command ?? sidecar.command,
    env: { ...sidecar.env, ...change.env },
    ...(sidecar.postStart ? { postStart: sidecar.postStart } : {}),
  };
}

async function firstServes(pod: Pod, scenario: Scenario, signal: AbortSignal): Promise<void> {
  const [first, second] = copies(scenario.sidecar.name);
  const deadline = Date.now() + scenario.timeouts.start;
  while (!signal.aborted) {
    const state = readStateFile(pod.volume(volume), '1');
    const status = pod.status(first);
    const hooked = status.hook !== 'running' && status.hook !== 'failed';
    if (hooked && serves({ status, state }, Date.now()) && pod.status(second).state.type === 'running') return;
    for (const copy of [first, second]) {
      const { restartCount, lastExit } = pod.status(copy);
      // One crash may be bad luck, and the kubelet's answer to it is part of the contract; two are not.
      if (restartCount >= 2 && lastExit) throw notStarted(pod, copy, `${copy} keeps ending (${lastExit.reason})`);
    }
    if (Date.now() >= deadline) {
      const seconds = scenario.timeouts.start / 1000;
      const seen = state
        ? `its state file says ${state.phase}${state.error ? ` (${state.error.code}: ${state.error.message})` : ''}`
        : 'it wrote no state file, so it seems not to use baton-sidecar';
      throw notStarted(pod, first, `${first} did not serve within ${seconds} s; ${seen}`);
    }
    await pod.changed(20);
  }
}

function notStarted(pod: Pod, container: string, why: string): Error {
  const tail = pod.logTail(container, tailLines).map((line) => `  ${line}\n`);
  const log = tail.length === 0 ? 'It printed nothing.' : `Its last output:\n${tail.join('')}`.trimEnd();
  return Object.assign(new Error(`${why}. ${log}`), { code: 'ERR_BATON_NOT_STARTED' });
}

function tailsOf(pod: Pod, sidecar: string): Record<string, string[]> {
  return Object.fromEntries(copies(sidecar).map((copy) => [copy, pod.logTail(copy, tailLines)]));
}

/** What this process has in its environment, but for what only a sidecar has. */
export function definedEnv(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    // Those of a rehearsal that this one runs in.
    if (value !== undefined && !(Object.values(names) as string[]).includes(name)) env[name] = value;
  }
  return env;
}
