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
import { runRehearsal } from './rehearsal/run.ts';
import type { Scenario } from './rehearsal/scenario.ts';
import { formatProblem, parseScenario } from './rehearsal/scenario.ts';
import { formatReport } from './rehearsal/text.ts';

export const help = `Usage: baton rehearse FILE [--report DIR]

Runs a sidecar's two copies on this machine, drives load, upgrades it, and says what the clients saw.

FILE is the scenario (YAML); docs/reference/rehearsal.md describes it.

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
  const scenario = readScenario(usage.file);
  if (Array.isArray(scenario)) {
    for (const line of scenario) io.stderr.write(`${line}\n`);
    return 2;
  }
  const interrupt = io.signal ? { signal: io.signal, dispose: () => undefined } : listenForInterrupt();
  try {
    return await run(scenario, usage.report, { ...io, signal: interrupt.signal });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    io.stderr.write(`baton rehearse: ${(error as Error).message} [${code}]\n`);
    return code === 'ERR_BATON_NOT_STARTED' ? 1 : 2;
  } finally {
    interrupt.dispose();
  }
}

async function run(scenario: Scenario, reportDirectory: string | undefined, io: Required<Io>): Promise<number> {
  if (reportDirectory !== undefined) mkdirSync(reportDirectory, { recursive: true });
  const port = await findPort(scenario.sidecar.host, scenario.sidecar.port);
  const workspace = makeWorkspace();
  const progress = makeProgress(io.stderr);
  let report: Report;
  let tails: Record<string, string[]>;
  try {
    const logs = reportDirectory ?? workspace.directory('logs');
    const program = thisProgram();
    const result = await runRehearsal(scenario, { port, workspace, logs, program, progress, signal: io.signal });
    tails = result.tails;
    report = makeReport(scenario, result.findings);
  } finally {
    progress.end();
    workspace.remove();
  }
  if (reportDirectory !== undefined) {
    writeFileSync(join(reportDirectory, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
    writeFileSync(join(reportDirectory, 'report.html'), formatPage(report));
  }
  io.stdout.write(formatReport(report, reportDirectory, tails));
  if (reportDirectory !== undefined) io.stdout.write(`page          ${reportDirectory}/report.html\n`);
  return { 'as-expected': 0, 'not-as-expected': 1, interrupted: 130 }[report.outcome];
}

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

/** The scenario, or the lines that say what is wrong with it. */
function readScenario(file: string): Scenario | string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return [`baton rehearse: cannot read the scenario: ${(error as Error).message}`];
  }
  const scenario = parseScenario(text, file);
  return Array.isArray(scenario) ? scenario.map((problem) => formatProblem(file, problem)) : scenario;
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
