import { isDeepStrictEqual } from 'node:util';
import { ApiError } from '../../../api/error.ts';
import { copyJson, isObject } from '../../../api/json.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { fieldProblems } from '../../../api/schema.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { applyPatch } from '../../../cluster/memory/apply.ts';
import { admitSidecarSet } from '../../../controller/admission.ts';
import type { Expectation } from '../expectation.ts';
import { readFigures, reader } from '../scenario.ts';
import type { Field } from '../yaml-fields.ts';
import { type Manifests, readPods, type Sets, setsIn } from './manifests.ts';

/** One thing that is done to the system; the next one waits until what it led to has come to rest. */
export interface Step {
  /** What it does, for people. */
  name: string;
  /** The set that it is about. */
  sidecarSet?: string;
  /** To be merged into that set. */
  patch?: Record<string, unknown>;
  create: { sidecarSets: SidecarSet[]; pods: Pod[] };
  expect: { figures: Expectation<StepFigure>[]; halted: boolean };
}

/** Counts of pods when a step is over, by what they are to the rollout; the last two are the most at any moment of it. */
export const stepFigures = [
  'matched',
  'ready',
  'updated',
  'waiting',
  'failed',
  'notSelected',
  'notUpgradable',
  'blocked',
  'unavailable',
  'notReady',
] as const;
export type StepFigure = (typeof stepFigures)[number];

/** Reads the steps, and plays through what they make of the sets, so that a mistake is told before anything runs. */
export function readSteps(manifests: Manifests, field: Field, sets: Sets): Step[] {
  const present = new Map(sets.first.map((set) => [set.metadata.name ?? '', set]));
  return (manifests.fields.list(field) ?? []).map((item) => readStep(manifests, item, present, sets.later));
}

function readStep(
  manifests: Manifests,
  field: Field,
  present: Map<string, SidecarSet>,
  later: readonly SidecarSet[],
): Step {
  const { fields } = manifests;
  const known = ['name', 'sidecarSet', 'publish', 'set', 'annotations', 'create', 'expect'];
  const found = fields.map(field, known);
  const get = reader(found);
  const created = found.get('create');
  const create = {
    sidecarSets: created ? setsCreated(manifests, created, later) : [],
    pods: created ? readPods(manifests, created) : [],
  };
  for (const set of create.sidecarSets) present.set(set.metadata.name ?? '', set);
  const sidecarSet = readName(manifests, field, found.get('sidecarSet'), [...present.keys()]);
  const set = present.get(sidecarSet ?? '');
  const publish = get('publish', fields.textMap) ?? {};
  const spec = get('set', fields.object);
  const annotations = get('annotations', fields.textMap);
  const step: Step = {
    name: get('name', fields.text) ?? nameOf(publish, spec, annotations, create),
    ...(sidecarSet !== undefined && { sidecarSet }),
    create,
    expect: readExpect(manifests, found.get('expect')),
  };
  if (!set) return step;
  const from = copyJson(set);
  const withSpec = applyPatch(from, { ...(spec && { spec }), ...(annotations && { metadata: { annotations } }) });
  const patch = patchOf(manifests, found.get('publish'), withSpec as SidecarSet, publish, spec, annotations);
  if (Object.keys(patch).length === 0) return step;
  const place = found.get('publish') ?? found.get('set') ?? found.get('annotations') ?? field;
  const after = played(manifests, found.get('set') ?? place, set, patch, [...present.values()]);
  if (after) present.set(sidecarSet ?? '', after);
  return { ...step, patch };
}

function readName(
  { fields }: Manifests,
  step: Field,
  field: Field | undefined,
  names: readonly string[],
): string | undefined {
  if (field) return fields.choice(field, names);
  if (names.length > 1) fields.complain(step, `needs sidecarSet: there are ${names.join(', ')}`);
  return names[0];
}

function setsCreated(manifests: Manifests, field: Field, later: readonly SidecarSet[]): SidecarSet[] {
  const { fields } = manifests;
  const items = fields.isList(field) ? (fields.list(field) ?? []) : [field];
  const files = items.map((item) =>
    fields.isMap(item) ? fields.entries(item).find(([name]) => name === 'file')?.[1] : item,
  );
  const names = files.flatMap((file) => {
    const path = file && fields.scalar(file);
    return typeof path === 'string' ? setsIn(manifests, path) : [];
  });
  return later.filter(({ metadata }) => names.includes(metadata.name ?? ''));
}

/** One merge patch for all that the step changes of its set. */
function patchOf(
  { fields }: Manifests,
  field: Field | undefined,
  { spec: { containers = [], initContainers = [] } }: SidecarSet,
  publish: Readonly<Record<string, string>>,
  spec: Record<string, unknown> | undefined,
  annotations: Record<string, string> | undefined,
): Record<string, unknown> {
  const names = [...containers, ...initContainers].map(({ name }) => name);
  for (const name of Object.keys(publish)) {
    if (field && !names.includes(name)) fields.complain(field, `has ${name}; the set has ${names.join(', ')}`);
  }
  const renewed = <T extends { name: string; image?: string }>(list: readonly T[]): T[] =>
    list.map((container) => ({ ...container, image: publish[container.name] ?? container.image }));
  const changed = {
    ...spec,
    ...(isPublished(containers, publish) && { containers: renewed(containers) }),
    ...(isPublished(initContainers, publish) && { initContainers: renewed(initContainers) }),
  };
  return {
    ...(Object.keys(changed).length > 0 && { spec: changed }),
    ...(annotations && { metadata: { annotations } }),
  };
}

const isPublished = (list: readonly { name: string }[], publish: Readonly<Record<string, string>>): boolean =>
  list.some(({ name }) => Object.hasOwn(publish, name));

/** The set after a step, unless a cluster would refuse it. */
function played(
  { fields }: Manifests,
  field: Field,
  set: SidecarSet,
  patch: Record<string, unknown>,
  present: readonly SidecarSet[],
): SidecarSet | undefined {
  const changed = applyPatch(set, patch);
  const problems = fieldProblems({ apiVersion: 'apps.kruise.io/v1beta1', kind: 'SidecarSet', ...changed });
  const errors = problems.filter(({ severity }) => severity === 'error');
  for (const { path, message } of errors) fields.complain(field, `makes a set that is refused: ${path}: ${message}`);
  if (errors.length > 0) return undefined;
  try {
    const sources = { sidecarSets: present, namespaces: [], revisions: [], now: 0, draw: () => 0 };
    const featureGates = { SidecarSetPatchPodMetadataDefaultsAllowed: true };
    const { object } = admitSidecarSet(changed, set, { ...sources, featureGates });
    if (isDeepStrictEqual(object, set)) fields.complain(field, 'changes nothing');
    return object;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    fields.complain(field, `makes a set that is refused: ${error.message}`);
    return undefined;
  }
}

function readExpect({ fields }: Manifests, field: Field | undefined): Step['expect'] {
  const found = field ? fields.map(field, [...stepFigures, 'halted']) : new Map<string, Field>();
  const halted = reader(found)('halted', fields.boolean) ?? false;
  return { halted, figures: readFigures<StepFigure>(fields, found, stepFigures, []) };
}

function nameOf(
  publish: Readonly<Record<string, string>>,
  spec: Record<string, unknown> | undefined,
  annotations: Readonly<Record<string, string>> | undefined,
  { sidecarSets, pods }: Step['create'],
): string {
  const created = [...sidecarSets, ...pods].map(({ metadata }) => metadata?.name ?? '');
  return [
    ...(created.length > 0 ? [`create ${created.join(', ')}`] : []),
    ...Object.entries(publish).map(([container, image]) => `publish ${container}: ${image}`),
    ...(spec ? leaves(spec, '') : []),
    ...Object.entries(annotations ?? {}).map(([key, value]) => `${key}: ${value}`),
  ].join(', ');
}

/** `partition: 0`, for each value in an object. */
function leaves(value: Record<string, unknown>, path: string): string[] {
  return Object.entries(value).flatMap(([key, item]) =>
    isObject(item) ? leaves(item, key) : [`${key || path}: ${JSON.stringify(item)}`],
  );
}
