import { parseArgs } from 'node:util';
import { ApiError } from '../api/error.ts';
import type { Namespace } from '../api/kubernetes.ts';
import type { SidecarSet } from '../api/sidecar-set.ts';
import { register } from '../controller/revisions/history.ts';
import { plan, type Plan, type PodVerdict } from '../controller/rollout/plan.ts';
import type { Io } from './io.ts';
import { formatProblem } from './manifest.ts';
import { readObjects, type Objects } from './objects.ts';
import { UsageError } from './options.ts';
import { formatObjects, formatOption } from './output.ts';

export const help = `Usage: baton plan --sidecarset FILE --pods FILE... [-o yaml|json]

Prints what the controller would do next for a SidecarSet: a verdict and the reason for every pod. Needs no cluster.

Files are YAML (also with several documents) or JSON, and may hold Namespaces, whose labels a namespaceSelector asks for,
and ControllerRevisions, for the name of the newest. Take pods from a cluster with kubectl get pods -A -o json.
What is wrong is told on standard error, with file, line and field.

Verdicts: upgrade (patched now), grant (left to its node's agent), upgrading, waiting (its turn comes later), updated,
notSelected, notUpgradable, failed, noAgent, blocked (somebody has to look at it), unmatched (not a pod of the set).

Options:
  --sidecarset FILE    the SidecarSet; one only
  --pods FILE          Pods; may be given more than once
  -o, --output FORMAT  the whole plan as yaml or json, with the patches; a table without it
  --help               this text

Exit status: 0 the plan is printed; 1 the set cannot be planned; 2 bad files or wrong usage.
`;

/** Runs `baton plan`; returns the exit status. */
export function runPlan(args: string[], io: Io): number {
  const { values } = parseArgs({
    args,
    options: {
      sidecarset: { type: 'string' },
      pods: { type: 'string', multiple: true, default: [] },
      output: { type: 'string', short: 'o' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const format = values.output === undefined ? undefined : formatOption(values.output);
  if (values.sidecarset === undefined) throw new UsageError('--sidecarset FILE is missing');
  if (values.pods.length === 0) throw new UsageError('--pods FILE is missing');
  const objects = readObjects([values.sidecarset, ...values.pods]);
  for (const problem of objects.problems) io.stderr.write(`${formatProblem(problem)}\n`);
  if (objects.problems.some(({ severity }) => severity === 'error')) return 2;
  const [set, ...others] = objects.sidecarSets;
  if (set === undefined || others.length > 0) {
    throw new UsageError(`there are ${objects.sidecarSets.length} SidecarSets in the files; a plan is for one`);
  }
  try {
    const planned = planFor(set, objects);
    io.stdout.write(format === undefined ? formatPlan(set, planned) : formatObjects([planned], format));
    return 0;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    io.stderr.write(`baton plan: ${error.message} [${error.code}]\n`);
    return 1;
  }
}

function planFor(set: SidecarSet, { pods, revisions, namespaces }: Objects): Plan {
  const { revision, collisionCount } = register(set, revisions, { namespace: '' });
  return plan(set, pods, {
    now: Date.now(),
    namespaces: [...namespaces, ...unknownNamespaces(pods, namespaces)],
    controllerRevision: revision.metadata?.name ?? '',
    collisionCount,
  });
}

/** A namespace that is in no file is known by its name, which every namespace has as a label. */
function unknownNamespaces(pods: Objects['pods'], known: readonly Namespace[]): Namespace[] {
  const names = new Set(pods.map(({ metadata }) => metadata?.namespace ?? 'default'));
  for (const { metadata } of known) names.delete(metadata?.name ?? '');
  return [...names].map((name) => ({ metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } }));
}

/** The pods of the set in a table, those to be changed first in their order; the others are counted. */
function formatPlan({ metadata }: SidecarSet, planned: Plan): string {
  const { matchedPods, updatedPods, readyPods, latestRevision } = planned.status;
  const place = new Map(
    [...planned.upgrade, ...planned.grant].map(({ namespace, name }, index) => [`${namespace}/${name}`, index]),
  );
  const placeOf = ({ namespace, name }: PodVerdict): number => place.get(`${namespace}/${name}`) ?? place.size;
  const rows = planned.pods
    .toSorted((a, b) => placeOf(a) - placeOf(b))
    .map(({ namespace, name, verdict, reason }) => [`${namespace}/${name}`, verdict, reason]);
  const head = `SidecarSet ${metadata.name ?? ''}: ${matchedPods} matched, ${updatedPods} updated, ${readyPods} ready; revision ${latestRevision}\n`;
  return `${head}\n${formatTable([['POD', 'VERDICT', 'REASON'], ...rows])}`;
}

function formatTable(rows: readonly string[][]): string {
  const widths = [0, 1].map((column) => rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('   ')
          .trimEnd()}\n`,
    )
    .join('');
}
