import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeWorkspace } from '../local/workspace.ts';
import type { Io } from './io.ts';
import { UsageError } from './options.ts';
import { formatPage } from './rehearsal/html.ts';
import { loadArgument } from './rehearsal/load.ts';
import { driveLoad } from './rehearsal/load-process.ts';
import { findPort } from './rehearsal/port.ts';
import { thisProgram } from './rehearsal/program.ts';
import { makeProgress } from './rehearsal/progress.ts';
import type { Report } from './rehearsal/report.ts';
import { makeReport } from './rehearsal/report.ts';
import { formatRolloutPage } from './rehearsal/rollout/page.ts';
import { makeRolloutReport } from './rehearsal/rollout/report.ts';
import { type RolloutOptions, runRollout } from './rehearsal/rollout/run.ts';
import { isRollout, parseRollout, type RolloutScenario } from './rehearsal/rollout/scenario.ts';
import { formatRollout } from './rehearsal/rollout/text.ts';
import { runRehearsal } from './rehearsal/run.ts';
import type { Scenario } from './rehearsal/scenario.ts';
import { formatProblem, parseScenario } from './rehearsal/scenario.ts';
import { formatReport } from './rehearsal/text.ts';

export const help = `Usage: baton rehearse FILE [--report DIR]

Runs a sidecar's two copies on this machine, drives load, upgrades it, and says what the clients saw. Or, for a scenario with
SidecarSets and pods: injects, runs all pods, and rolls out as controller and agent do in a cluster.

FILE is the scenario (YAML); docs/reference/rehearsal.md describes both kinds.

Options:
  --report DIR  also write DIR/report.json, DIR/report.html and the sidecar's logs
  --help        this text

Exit status: 0 all that the scenario expects came true; 1 it did not; 2 a bad scenario or wrong usage; 130 interrupted.
`;

/** `baton rehearse`: returns the exit status; throws {@link UsageError} and what `parseArgs` throws. */
export async function rehearse(args: string[], io: Io): Promise<number> {
  if (args[0] === loadArgument) return driveLoad();
  const usage = readUsage(args);
  if (usage.help) {
    io.stdout.write(help);
    return 0;
  }
  const run = readScenario(usage.file, io);
  if (!run) return 2;
  const interrupt = io.signal ? { signal: io.signal, dispose: () => undefined } : listenForInterrupt();
  try {
    return await rehearseIn(run, usage.report, { ...io, signal: interrupt.signal });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    io.stderr.write(`baton rehearse: ${(error as Error).message} [${code}]\n`);
    return code === 'ERR_BATON_NOT_STARTED' ? 1 : 2;
  } finally {
    interrupt.dispose();
  }
}

/** A rehearsal of either kind, ready to run. */
type Run = (surroundings: RolloutOptions, reportDirectory: string | undefined) => Promise<Ended>;

interface Ended {
  outcome: Report['outcome'];
  /** `report.json` and `report.html`. */
  json: unknown;
  page: () => string;
  text: string;
}

async function rehearseIn(run: Run, reportDirectory: string | undefined, io: Required<Io>): Promise<number> {
  if (reportDirectory !== undefined) mkdirSync(reportDirectory, { recursive: true });
  const workspace = makeWorkspace();
  const progress = makeProgress(io.stderr);
  let ended: Ended;
  try {
    const logs = reportDirectory ?? workspace.directory('logs');
    const surroundings = { workspace, logs, program: thisProgram(), progress, signal: io.signal };
    ended = await run(surroundings, reportDirectory);
  } finally {
    progress.end();
    workspace.remove();
  }
  if (reportDirectory !== undefined) {
    writeFileSync(join(reportDirectory, 'report.json'), `${JSON.stringify(ended.json, null, 2)}\n`);
    writeFileSync(join(reportDirectory, 'report.html'), ended.page());
  }
  io.stdout.write(ended.text);
  return { 'as-expected': 0, 'not-as-expected': 1, interrupted: 130 }[ended.outcome];
}

const sidecarRun =
  (scenario: Scenario): Run =>
  async (surroundings, reportDirectory) => {
    const port = await findPort(scenario.sidecar.host, scenario.sidecar.port);
    const { findings, tails } = await runRehearsal(scenario, { port, ...surroundings });
    const report = makeReport(scenario, findings);
    const text = formatReport(report, reportDirectory, tails);
    return { outcome: report.outcome, json: report, page: () => formatPage(report), text };
  };

const rolloutRun =
  (scenario: RolloutScenario): Run =>
  async (surroundings, reportDirectory) => {
    const findings = await runRollout(scenario, surroundings);
    const report = makeRolloutReport(scenario, findings);
    const text = formatRollout(report, reportDirectory, findings.tails);
    return { outcome: report.outcome, json: report, page: () => formatRolloutPage(report), text };
  };

function readUsage(args: string[]): { file: string; report?: string; help: boolean } {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { report: { type: 'string' }, help: { type: 'boolean', default: false } },
  });
  if (values.help) return { file: '', help: true };
  const [file] = positionals;
  if (file === undefined) throw new UsageError('FILE, the scenario, is missing');
  if (positionals.length > 1) throw new UsageError(`there is one FILE, not ${positionals.length}`);
  return { file, help: false, ...(values.report === undefined ? {} : { report: values.report }) };
}

/** What the file asks for; undefined after what is wrong with it was told. */
function readScenario(file: string, io: Io): Run | undefined {
  const tell = (line: string): void => void io.stderr.write(`${line}\n`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    tell(`baton rehearse: cannot read the scenario: ${(error as Error).message}`);
    return undefined;
  }
  if (isRollout(text)) {
    const { scenario, lines } = parseRollout(text, file);
    lines.forEach(tell);
    return scenario && rolloutRun(scenario);
  }
  const scenario = parseScenario(text, file);
  if (!Array.isArray(scenario)) return sidecarRun(scenario);
  for (const problem of scenario) tell(formatProblem(file, problem));
  return undefined;
}

function listenForInterrupt(): { signal: AbortSignal; dispose: () => void } {
  const interrupt = new AbortController();
  const abort = () => interrupt.abort();
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  return {
    signal: interrupt.signal,
    dispose: () => {
      process.off('SIGINT', abort);
      process.off('SIGTERM', abort);
    },
  };
}
