import { readFileSync } from 'node:fs';
import { toBeta } from '../api/conversion.ts';
import { withDefaults } from '../api/defaults.ts';
import { ApiError } from '../api/error.ts';
import type { JsonObject } from '../api/json.ts';
import type { ControllerRevision, Namespace, Pod } from '../api/kubernetes.ts';
import { nearest } from '../api/nearest.ts';
import { fieldProblems, withSchemaDefaults } from '../api/schema.ts';
import type { SidecarSet } from '../api/sidecar-set.ts';
import { reasonText, type FieldError } from '../api/validation/field-error.ts';
import { validate } from '../api/validation/validate.ts';
import { namespaceProblems } from '../api/wire/namespace.ts';
import { podProblems } from '../api/wire/pod.ts';
import type { Problem as FieldProblem } from '../api/wire/wire.ts';
import { messageOf } from '../sdk/errors.ts';
import { readManifests, type Manifest, type Problem } from './manifest.ts';
import { UsageError } from './options.ts';

/** What Baton's commands read from files. */
export interface Objects {
  /** As `v1beta1`, with defaults and hashes, valid. */
  sidecarSets: SidecarSet[];
  pods: Pod[];
  namespaces: Namespace[];
  revisions: ControllerRevision[];
  /** All that is wrong, file by file. An object with an error is in none of the lists. */
  problems: Problem[];
}

/** The label that every namespace has, with its name. */
export const NAMESPACE_NAME = 'kubernetes.io/metadata.name';

type Complain = (severity: Problem['severity'], field: string, message: string) => void;
type Reader = (object: JsonObject, complain: Complain, objects: Objects) => void;

/**
 * Reads SidecarSets (of both versions), Pods, Namespaces and ControllerRevisions from files of YAML or JSON.
 *
 * @throws UsageError when a file cannot be read
 */
export function readObjects(files: readonly string[]): Objects {
  const manifests: Manifest[] = [];
  const objects: Objects = { sidecarSets: [], pods: [], namespaces: [], revisions: [], problems: [] };
  const paths = [...new Set(files)];
  for (const file of paths) {
    const read = readManifests(textOf(file), file);
    manifests.push(...read.manifests);
    objects.problems.push(...read.problems);
  }
  const sets = manifests.flatMap((manifest) => readObject(manifest, objects) ?? []);
  for (const [index, { set, complain }] of sets.entries()) {
    const others = sets.filter((other) => other.set !== set).map((other) => other.set);
    const first = sets.slice(0, index).find((other) => other.set.metadata.name === set.metadata.name);
    if (first) complain('error', 'metadata.name', `${first.place} has a SidecarSet of this name already`);
    if (isValid(set, others, objects.revisions, complain)) objects.sidecarSets.push(set);
  }
  const place = ({ file, line }: Problem): [number, number] => [paths.indexOf(file), line];
  objects.problems.sort((a, b) => place(a)[0] - place(b)[0] || a.line - b.line);
  return objects;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${messageOf(error)}`);
  }
}

/** Puts an object into its list; a SidecarSet is given back, as it is valid or not only among the others. */
function readObject({ object, file, lineOf }: Manifest, objects: Objects): ReadSet | undefined {
  // Reading and validating both tell of an unknown field.
  const told = new Set<string>();
  const complain: Complain = (severity, field, message) => {
    const about = `${severity} ${field}`;
    if (severity === 'warning' && told.has(about)) return;
    told.add(about);
    objects.problems.push({ severity, file, line: lineOf(field), field, message });
  };
  const { kind } = object;
  if (kind === 'SidecarSet') {
    const set = readSidecarSet(object, complain);
    return set && { set, place: `${file}:${lineOf('metadata.name')}`, complain };
  }
  const reader = typeof kind === 'string' && Object.hasOwn(readers, kind) ? readers[kind] : undefined;
  if (reader) reader(object, complain, objects);
  else if (typeof kind === 'string') complain('warning', 'kind', `${kind} is not used here`);
  else complainOfKind(object, complain);
  return undefined;
}

interface ReadSet {
  set: SidecarSet;
  /** Where its name stands, as `FILE:LINE`. */
  place: string;
  complain: Complain;
}

function complainOfKind(object: JsonObject, complain: Complain): void {
  const written = Object.keys(object).find((field) => nearest(field, ['kind']) !== undefined);
  if (written === undefined) complain('error', 'kind', 'is missing: it says what the object is');
  else complain('error', written, 'unknown field; is kind meant?');
}

const readers: Readonly<Record<string, Reader>> = {
  Pod(object, complain, objects) {
    if (isSound(podProblems(object), complain)) objects.pods.push(object);
  },
  Namespace(object, complain, objects) {
    if (isSound(namespaceProblems(object), complain)) objects.namespaces.push(withNameLabel(object));
  },
  ControllerRevision(object, complain, objects) {
    if (typeof object['revision'] !== 'number') complain('error', 'revision', 'must be a number');
    else objects.revisions.push(object as unknown as ControllerRevision);
  },
};

/** Tells of problems, of which unknown fields are none that counts. */
function isSound(problems: readonly FieldProblem[], complain: Complain): boolean {
  for (const { kind, path, message } of problems) complain(kind === 'type' ? 'error' : 'warning', path, message);
  return !problems.some(({ kind }) => kind === 'type');
}

/** As the API server stores it: with its name among its labels. */
function withNameLabel(namespace: Namespace): Namespace {
  const { name = '', labels } = namespace.metadata ?? {};
  return { ...namespace, metadata: { ...namespace.metadata, labels: { ...labels, [NAMESPACE_NAME]: name } } };
}

function readSidecarSet(object: JsonObject, complain: Complain): SidecarSet | undefined {
  const problems = fieldProblems(object);
  for (const { severity, path, message } of problems) complain(severity, path, message);
  if (problems.some(({ severity }) => severity === 'error')) return undefined;
  try {
    return withDefaults(toBeta(withSchemaDefaults(object)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { path } = error.facts;
    complain('error', typeof path === 'string' ? path : '', error.message);
    return undefined;
  }
}

function isValid(
  object: SidecarSet,
  others: readonly SidecarSet[],
  revisions: readonly ControllerRevision[],
  complain: Complain,
): boolean {
  // Which annotations a set may put on pods is the cluster's to say.
  const featureGates = { SidecarSetPatchPodMetadataDefaultsAllowed: true };
  // What a cluster holds already may stay as it is.
  const stored = object.metadata.uid === undefined ? {} : { old: object };
  const operation = 'old' in stored ? 'UPDATE' : 'CREATE';
  const { errors, warnings } = validate({ operation, object, ...stored, others, revisions, featureGates });
  // A stored set may outlive the revision that it pins: it is then injected as it is now, with a warning (Q21).
  const isWrong = ({ field }: FieldError): boolean => !('old' in stored && field === 'revision');
  for (const error of errors) complain(isWrong(error) ? 'error' : 'warning', error.field, reasonText(error));
  for (const { field, message } of warnings) complain('warning', field, message);
  return !errors.some(isWrong);
}
