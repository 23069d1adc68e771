import { parseArgs } from 'node:util';
import { ApiError } from '../api/error.ts';
import type { LabelSelector, Namespace, Pod } from '../api/kubernetes.ts';
import { inject } from '../controller/inject/inject.ts';
import type { Io } from './io.ts';
import { formatProblem } from './manifest.ts';
import { NAMESPACE_NAME, readObjects, type Objects } from './objects.ts';
import { UsageError } from './options.ts';
import { formatObjects, formatOption } from './output.ts';

export const help = `Usage: baton inject --sidecarset FILE... --pod FILE... [-o yaml|json]

Prints pods as they would be stored in a cluster: with the sidecars of every SidecarSet that matches. Needs no cluster.

Files are YAML (also with several documents) or JSON, and may hold Namespaces, whose labels a namespaceSelector asks for,
and ControllerRevisions, for injectionStrategy.revision. SidecarSets may be v1alpha1 or v1beta1; where several match, they are
injected in the order of the files. What is wrong is told on standard error, with file, line and field.

Options:
  --sidecarset FILE    SidecarSets; may be given more than once
  --pod FILE           Pods; may be given more than once
  -o, --output FORMAT  yaml (default) or json
  --help               this text

Exit status: 0 the pods are printed; 1 a pod would be refused; 2 bad files or wrong usage.
`;

/** Runs `baton inject`; returns the exit status. */
export function runInject(args: string[], io: Io): number {
  const { values } = parseArgs({
    args,
    options: {
      sidecarset: { type: 'string', multiple: true, default: [] },
      pod: { type: 'string', multiple: true, default: [] },
      output: { type: 'string', short: 'o', default: 'yaml' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    io.stdout.write(help);
    return 0;
  }
  const format = formatOption(values.output);
  if (values.sidecarset.length === 0) throw new UsageError('--sidecarset FILE is missing');
  if (values.pod.length === 0) throw new UsageError('--pod FILE is missing');
  const objects = readObjects([...values.sidecarset, ...values.pod]);
  for (const problem of objects.problems) io.stderr.write(`${formatProblem(problem)}\n`);
  if (objects.problems.some(({ severity }) => severity === 'error')) return 2;
  if (objects.sidecarSets.length === 0) throw new UsageError('there is no SidecarSet in the files');
  if (objects.pods.length === 0) throw new UsageError('there is no Pod in the files');
  const tell = (message: string): void => void io.stderr.write(`baton inject: ${message}\n`);
  try {
    io.stdout.write(
      formatObjects(
        objects.pods.map((pod) => injectPod(pod, objects, tell)),
        format,
      ),
    );
    return 0;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    tell(`${error.message} [${error.code}]`);
    return 1;
  }
}

function injectPod(pod: Pod, objects: Objects, tell: (message: string) => void): Pod {
  const { sidecarSets, revisions } = objects;
  const namespaces = namespacesFor(pod, objects, tell);
  const injected = inject({ pod, sidecarSets, namespaces, revisions, now: Date.now(), draw: Math.random });
  const name = `pod ${pod.metadata?.namespace ?? 'default'}/${pod.metadata?.name ?? pod.metadata?.generateName ?? ''}`;
  for (const { sidecarSet, message } of injected.warnings)
    tell(`warning: ${name}: SidecarSet ${sidecarSet}: ${message}`);
  if (injected.sidecarSets.length === 0) tell(`${name}: no SidecarSet matches`);
  return injected.pod;
}

/** A namespace that is in no file is known by its name, which every namespace has as a label. */
function namespacesFor(pod: Pod, { namespaces, sidecarSets }: Objects, tell: (message: string) => void): Namespace[] {
  const name = pod.metadata?.namespace ?? 'default';
  if (namespaces.some(({ metadata }) => metadata?.name === name)) return namespaces;
  if (sidecarSets.some(({ spec }) => asksForMore(spec.namespaceSelector))) {
    tell(`warning: no Namespace ${name} in the files; it is taken to have no labels but its name`);
  }
  return [...namespaces, { metadata: { name, labels: { [NAMESPACE_NAME]: name } } }];
}

const asksForMore = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): boolean =>
  [...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)].some((key) => key !== NAMESPACE_NAME);
