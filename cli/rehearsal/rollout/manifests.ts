import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { isObject } from '../../../api/json.ts';
import type { Namespace, Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { formatProblem, readManifests, type Problem } from '../../manifest.ts';
import { readObjects } from '../../objects.ts';
import { isUsageError } from '../../options.ts';
import { reader } from '../scenario.ts';
import type { Field, Fields } from '../yaml-fields.ts';
import { nodeName } from './system.ts';

/** What is read of the files that a scenario names, while it is read. */
export interface Manifests {
  directory: string;
  fields: Fields;
  /** How many pods were made of each name. */
  names: Map<string, number>;
  namespaces: Namespace[];
  problems: { line: string; isError: boolean }[];
  /** Files whose problems are among them. */
  told: Set<string>;
}

/** The sets that there are from the start, and those that a step creates. */
export interface Sets {
  first: SidecarSet[];
  later: SidecarSet[];
}

/** Reads all SidecarSets at once, as what is right of one may depend on another. */
export function readSets(manifests: Manifests, field: Field, steps: Field | undefined): Sets {
  const { fields } = manifests;
  const files = (fields.list(field) ?? []).flatMap((item) => fileIn(manifests, item) ?? []);
  const later = (steps ? createdFiles(manifests, steps) : []).filter((file) => !files.includes(file));
  const objects = read(manifests, field, [...files, ...later]);
  if (!objects) return { first: [], later: [] };
  manifests.namespaces.push(...objects.namespaces);
  complain(manifests, [...files, ...later], objects.problems);
  const names = new Set(files.flatMap((file) => namesIn(file, 'SidecarSet')));
  const isFirst = ({ metadata }: SidecarSet): boolean => names.has(metadata.name ?? '');
  const sets = objects.sidecarSets;
  if (sets.length === 0 && objects.problems.length === 0) fields.complain(field, 'has no SidecarSet in its files');
  return { first: sets.filter(isFirst), later: sets.filter((set) => !isFirst(set)) };
}

/** Tells what is wrong with files, unless they were read before: then with all that it depends on. */
function complain({ problems, told }: Manifests, files: readonly string[], found: readonly Problem[]): void {
  const news = found.filter(({ file }) => !told.has(file));
  problems.push(...news.map((problem) => ({ line: formatProblem(problem), isError: problem.severity === 'error' })));
  for (const file of files) told.add(file);
}

/** Names of the sets in a file that a step creates. */
export const setsIn = (manifests: Manifests, file: string): string[] =>
  namesIn(resolve(manifests.directory, file), 'SidecarSet');

/** The pods of one entry or a list of them: a file, or `file` and `count`. */
export function readPods(manifests: Manifests, field: Field): Pod[] {
  const { fields } = manifests;
  const items = fields.isList(field) ? (fields.list(field) ?? []) : [field];
  return items.flatMap((item) => {
    const { file, count } = readEntry(manifests, item);
    if (file === undefined) return [];
    const objects = read(manifests, item, [file]);
    if (!objects) return [];
    manifests.namespaces.push(...objects.namespaces);
    complain(manifests, [file], objects.problems);
    return objects.pods.flatMap((pod) => copiesOf(manifests, pod, count));
  });
}

/** `file`, or `{file, count}`. */
function readEntry(manifests: Manifests, field: Field): { file?: string; count?: number } {
  const { fields } = manifests;
  if (!fields.isMap(field)) {
    const file = fileIn(manifests, field);
    return file === undefined ? {} : { file };
  }
  const found = fields.map(field, ['file', 'count']);
  const get = reader(found);
  const file = get('file', (item) => fileIn(manifests, item));
  const count = get('count', (item) => fields.integer(item, 0, 1_000));
  if (!found.has('file')) fields.complain(field, 'needs file');
  return { ...(file !== undefined && { file }), ...(count !== undefined && { count }) };
}

/** With a count, the pods are called `<name>-0`, `<name>-1` and so on, also in later steps. */
function copiesOf({ names }: Manifests, pod: Pod, count: number | undefined): Pod[] {
  const { name = pod.metadata?.generateName?.replace(/-$/, '') ?? 'pod', namespace = 'default' } = pod.metadata ?? {};
  const named = (its: string): Pod => ({
    ...pod,
    metadata: { ...pod.metadata, name: its, namespace },
    spec: { containers: [], ...pod.spec, nodeName },
  });
  if (count === undefined) return [named(name)];
  const key = `${namespace}/${name}`;
  const from = names.get(key) ?? 0;
  names.set(key, from + count);
  return Array.from({ length: count }, (_, index) => named(`${name}-${from + index}`));
}

/** Paths of the files that the steps create from. */
function createdFiles({ directory, fields }: Manifests, steps: Field): string[] {
  if (!fields.isList(steps)) return [];
  const created = (fields.list(steps) ?? []).flatMap((step) =>
    fields.isMap(step) ? fields.entries(step).filter(([name]) => name === 'create') : [],
  );
  return created.flatMap(([, value]) =>
    (fields.isList(value) ? (fields.list(value) ?? []) : [value]).flatMap((item) => {
      const file = fields.isMap(item) ? fields.entries(item).find(([name]) => name === 'file')?.[1] : item;
      const path = file && fields.scalar(file);
      return typeof path === 'string' ? [resolve(directory, path)] : [];
    }),
  );
}

function fileIn({ directory, fields }: Manifests, field: Field): string | undefined {
  const path = fields.text(field);
  return path === undefined ? undefined : resolve(directory, path);
}

function read({ fields }: Manifests, field: Field, files: string[]): ReturnType<typeof readObjects> | undefined {
  try {
    return readObjects(files);
  } catch (error) {
    if (!isUsageError(error)) throw error;
    fields.complain(field, error.message);
    return undefined;
  }
}

/** None of a file that cannot be read: that is told elsewhere. */
function namesIn(file: string, kind: string): string[] {
  if (!existsSync(file)) return [];
  return readManifests(readFileSync(file, 'utf8'), file).manifests.flatMap(({ object }) => {
    const { metadata } = object;
    return object['kind'] === kind && isObject(metadata) && typeof metadata['name'] === 'string'
      ? [metadata['name']]
      : [];
  });
}
