import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ApiError } from '../api/error.ts';
import { nearest } from '../api/nearest.ts';
import { createKubernetesCluster } from '../cluster/kubernetes/client.ts';
import type { Io } from './io.ts';
import { clusterHelp, clusterOptions, personsConfig } from './kubeconfig.ts';
import { isJson, UsageError } from './options.ts';
import { drawLine, drawSet, drawSets, fitted } from './status/draw.ts';
import { followSets, Unseen, type Followed } from './status/follow.ts';
import type { SetReport } from './status/report.ts';
import { createScreen, type Terminal } from './status/screen.ts';
import { versionOf } from './version.ts';

export const help = `Usage: baton status [SIDECARSET] [OPTIONS]
       kubectl baton status [SIDECARSET] [OPTIONS]

Shows how the rollout of a SidecarSet fares: its pods by phase, what fails and why, how long it still takes, and what to do
next. Without a name, a row for each SidecarSet.

On a terminal it is drawn anew in place until nothing more happens by itself, or Ctrl-C. Elsewhere it is shown once.

Options:
  -w, --watch          also elsewhere: a line for each change, and all of it at the end; --no-watch shows it once
  -o, --output json    as JSON; with --watch an object a line, for each change
${clusterHelp}
  --help               this text

Needs to get, list and watch SidecarSets, pods, nodes and namespaces.

Exit status: 0 the rollout goes on, is over, or rests as its spec says; 1 it is halted, pods need somebody, or the cluster does
not answer; 2 wrong usage.
`;

/** From one look to the next, in milliseconds: soonest, and when nothing happens. */
const LOOKS = { least: 250, most: 1000 };

/** Runs `baton status`; resolves with the exit status. */
export async function runStatus(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    allowNegative: true,
    options: {
      watch: { type: 'boolean', short: 'w' },
      output: { type: 'string', short: 'o' },
      ...clusterOptions,
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const [name, ...others] = positionals;
  if (others.length > 0) throw new UsageError('name one SidecarSet, or none for all of them');
  const asJson = isJson(values.output);
  const isTerminal = (io.stdout as Terminal).isTTY === true;
  const watch = values.watch ?? (isTerminal && !asJson);
  const config = personsConfig(values);

  const end = new AbortController();
  const signal = io.signal ? AbortSignal.any([io.signal, end.signal]) : end.signal;
  let changed: () => void = () => undefined;
  const cluster = createKubernetesCluster({
    config,
    userAgent: `baton/${versionOf()}`,
    limit: { qps: 50, burst: 100 },
    timeout: 10_000,
  });
  const followed = followSets({ cluster, signal, now: Date.now, onChange: () => changed() });
  try {
    if (!(await followed.synced)) return 1;
    const show = asJson ? showJson : isTerminal && watch ? showOnScreen : showLines;
    const pause = async (): Promise<void> => {
      const change = new Promise<void>((resolve) => (changed = resolve));
      await delay(LOOKS.least, undefined, { signal }).catch(() => undefined);
      const time = delay(LOOKS.most - LOOKS.least, undefined, { signal }).catch(() => undefined);
      await Promise.race([change, time]);
    };
    return await look({ followed, watch, signal, pause, show: show(io, name), ...(name !== undefined && { name }) });
  } catch (error) {
    if (error instanceof Problem || error instanceof Unseen) {
      io.stderr.write(`baton status: ${error instanceof Unseen ? explained(error) : error.message}\n`);
      return 1;
    }
    throw error;
  } finally {
    end.abort();
  }
}

/** There is nothing to show; the message says what to do. */
class Problem extends Error {}

/** Shows what there is; `isLast` when nothing follows. */
type Show = (reports: readonly SetReport[], now: { trouble: string | undefined; isLast: boolean }) => void;

interface LookOptions {
  followed: Followed;
  name?: string;
  watch: boolean;
  signal: AbortSignal;
  /** Resolves when it is time to look again. */
  pause: () => Promise<void>;
  show: Show;
}

/** Looks once, or until nothing more happens by itself; resolves with the exit status. */
async function look({ followed, name, watch, signal, pause, show }: LookOptions): Promise<number> {
  for (let isFirst = true; ; isFirst = false) {
    const reports = followed.reports(name);
    if (name !== undefined && reports.length === 0) {
      throw new Problem(isFirst ? unknownSet(name, followed.names()) : `the SidecarSet ${name} has been deleted`);
    }
    const isLast = !watch || signal.aborted || !reports.some(({ goesOn }) => goesOn);
    show(reports, { trouble: followed.trouble(), isLast });
    if (isLast) return reports.some(({ needsAttention }) => needsAttention) ? 1 : 0;
    await pause();
  }
}

const drawn = (reports: readonly SetReport[], name: string | undefined, space = {}): string[] =>
  name === undefined ? drawSets(reports, space) : reports.flatMap((report) => drawSet(report, space));

function showOnScreen({ stdout }: Io, name: string | undefined): Show {
  const screen = createScreen(stdout);
  return (reports, { trouble }) => {
    const { rows = Infinity, ...columns } = screen.space();
    const note = trouble === undefined ? [] : ['', `what is shown may be old: ${trouble}`];
    const space = { ...columns, rows: rows - note.length };
    screen.draw([...drawn(reports, name, space), ...fitted(note, columns)]);
  };
}

function showLines({ stdout, stderr }: Io, name: string | undefined): Show {
  const shown = new Map<string, string>();
  let told: string | undefined;
  return (reports, { trouble, isLast }) => {
    if (trouble !== undefined && trouble !== told) stderr.write(`baton status: ${trouble}; it is tried again\n`);
    told = trouble;
    if (isLast) {
      stdout.write(`${drawn(reports, name).join('\n')}\n`);
      return;
    }
    for (const report of reports) {
      const { etaSeconds, ...lasting } = report;
      const line = drawLine(lasting);
      if (shown.get(report.name) === line) continue;
      shown.set(report.name, line);
      stdout.write(`${drawLine(etaSeconds === undefined ? lasting : report)}\n`);
    }
  };
}

function showJson({ stdout }: Io, name: string | undefined): Show {
  let shown: string | undefined;
  return (reports, { isLast }) => {
    const value = name === undefined ? { items: reports } : reports[0];
    const isFirst = shown === undefined;
    const text = JSON.stringify(value);
    if (text === shown) return;
    shown = text;
    stdout.write(`${isFirst && isLast ? JSON.stringify(value, undefined, 2) : text}\n`);
  };
}

function unknownSet(name: string, names: readonly string[]): string {
  if (names.length === 0) return `there is no SidecarSet ${name}, and no other one either`;
  const near = nearest(name, names);
  const meant = near === undefined ? `there are ${names.slice(0, 10).join(', ')}` : `is ${near} meant?`;
  return `there is no SidecarSet ${name}; ${meant} (baton status shows all)`;
}

/** What is wrong with the cluster, or with the account, and what to do. */
function explained({ resource: { plural, group, version }, cause }: Unseen): string {
  const { code, message, facts } =
    cause instanceof ApiError ? cause : new ApiError('ERR_BATON_UNEXPECTED', String(cause));
  const status = facts['status'];
  const remedies: Partial<Record<ApiError['code'], string>> = {
    ERR_BATON_NOT_FOUND:
      `this cluster serves no ${plural} of ${group}/${version}: install Baton with kubectl apply -k deploy, ` +
      'or choose another cluster with --context',
    ERR_BATON_FORBIDDEN:
      status === 401
        ? 'the cluster does not know who asks: log in again, or choose another --context'
        : `this account may not list ${plural}: ask for get, list and watch of sidecarsets, pods, nodes and namespaces ` +
          `(kubectl auth can-i list ${plural} --all-namespaces)`,
    ERR_BATON_UNAVAILABLE: `the cluster does not answer: see that kubectl get ${plural} does, or choose another --context`,
  };
  return `${remedies[code] ?? `cannot list ${plural}`}: ${message} [${code}]`;
}
