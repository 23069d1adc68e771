import { dirname, resolve } from 'node:path';
import type { Namespace, Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { type Expectation, metrics } from '../expectation.ts';
import { type ImageFault, imageFaults, losesRequests } from '../faults.ts';
import type { Load } from '../load-types.ts';
import {
  complainOfUnmeasured,
  formatProblem,
  readFigures,
  reader,
  readLoad,
  type Scenario,
  usualFigures,
} from '../scenario.ts';
import { type Field, type Fields, readFields } from '../yaml-fields.ts';
import { type Manifests, readPods, readSets } from './manifests.ts';
import { readSteps, type Step } from './steps.ts';

/** A rollout's scenario file, checked and with its defaults. Durations in milliseconds. */
export interface RolloutScenario {
  file: string;
  /** The folder of the file: working directory of every process, and where the files that it names are. */
  directory: string;
  sidecarSets: SidecarSet[];
  pods: Pod[];
  namespaces: Namespace[];
  images: ReadonlyMap<string, RehearsedImage>;
  /** Where every pod's sidecar serves, on the pod's own address. */
  port: number;
  load: Load;
  pauses: Scenario['pauses'];
  steps: Step[];
  timeouts: { start: number; step: number };
  /** Whether another agent goes on after each of its steps. */
  agent: (typeof agents)[number];
  expect: Expectation<RolloutMetric>[];
}

/** What a container image is on this machine. */
export interface RehearsedImage {
  command?: string[];
  env: Record<string, string>;
  fault?: ImageFault;
}

const agents = ['kept', 'restarted'] as const;
export const rolloutMetrics = [...metrics, 'pods.unavailable.most', 'pods.notReady.most'] as const;
export type RolloutMetric = (typeof rolloutMetrics)[number];

/** Whether a scenario's text is one of a rollout: it has `sidecarSets`. */
export function isRollout(text: string): boolean {
  const { root, fields } = readFields(text);
  return fields.isMap(root) && fields.entries(root).some(([name]) => name === 'sidecarSets');
}

/**
 * Reads a rollout's scenario and all files that it names.
 *
 * @returns the lines that say what is wrong, in the scenario and in the files; without a scenario when it cannot be run
 */
export function parseRollout(text: string, file: string): { scenario?: RolloutScenario; lines: string[] } {
  const { root, fields } = readFields(text);
  const directory = dirname(resolve(file));
  const told = (lines: string[] = []): string[] => [
    ...fields.problems.sort((a, b) => a.line - b.line).map((problem) => formatProblem(file, problem)),
    ...lines,
  ];
  if (fields.problems.length > 0) return { lines: told() };
  const known = ['sidecarSets', 'pods', 'images', 'port', 'load', 'steps', 'timeouts', 'agent', 'expect'];
  const top = fields.map(root, known);
  const get = reader(top);
  const manifests: Manifests = { directory, fields, names: new Map(), namespaces: [], problems: [], told: new Set() };
  const sidecarSets = get('sidecarSets', (field) => readSets(manifests, field, top.get('steps'))) ?? {
    first: [],
    later: [],
  };
  const pods = get('pods', (field) => readPods(manifests, field)) ?? [];
  if (!top.has('pods')) fields.complain(root, 'pods is missing: which pods are to be injected into?');
  const images = get('images', (field) => readImages(fields, field)) ?? new Map<string, RehearsedImage>();
  const { load, pauses } = readLoad(fields, top.get('load'));
  const port = get('port', (field) => fields.integer(field, 1, 65_535)) ?? 0;
  if (!top.has('port') && load.kind !== 'none') fields.complain(root, 'port is missing: where do the sidecars serve?');
  const steps = get('steps', (field) => readSteps(manifests, field, sidecarSets)) ?? [];
  const timeouts = readTimeouts(fields, top.get('timeouts'));
  const agent = get('agent', (field) => fields.choice(field, agents)) ?? 'kept';
  const lossy = [...images.values()].some(({ fault }) => losesRequests(fault));
  const expected = get('expect', (field) => fields.map(field, rolloutMetrics)) ?? new Map<string, Field>();
  if (load.kind === 'none') complainOfUnmeasured(fields, expected);
  const expect = readFigures<RolloutMetric>(
    fields,
    expected,
    rolloutMetrics,
    load.kind === 'none' ? [] : usualFigures(lossy),
  );
  const imagesField = top.get('images');
  if (imagesField) complainOfMissingImages(fields, imagesField, images, sidecarSets.first, pods);
  else fields.complain(root, 'images is missing: what is each container image on this machine?');
  const warnings = manifests.problems.map(({ line }) => line);
  const isBad = fields.problems.length > 0 || manifests.problems.some(({ isError }) => isError);
  if (isBad) return { lines: told(warnings) };
  const { namespaces } = manifests;
  const base = { file, directory, sidecarSets: sidecarSets.first, pods, namespaces, images, port, load, pauses };
  return { scenario: { ...base, steps, timeouts, agent, expect }, lines: warnings };
}

function readImages(fields: Fields, field: Field): Map<string, RehearsedImage> {
  return new Map(
    fields.entries(field).map(([name, value]): [string, RehearsedImage] => {
      const get = reader(fields.map(value, ['command', 'env', 'fault']));
      const command = get('command', fields.command);
      const fault = get('fault', (item) => fields.choice(item, imageFaults));
      const env = get('env', fields.textMap) ?? {};
      return [name, { env, ...(command && { command }), ...(fault && { fault }) }];
    }),
  );
}

function readTimeouts(fields: Fields, field: Field | undefined): RolloutScenario['timeouts'] {
  const timeouts = { start: 30_000, step: 120_000 };
  if (!field) return timeouts;
  const get = reader(fields.map(field, ['start', 'step']));
  return {
    start: get('start', fields.duration) ?? timeouts.start,
    step: get('step', fields.duration) ?? timeouts.step,
  };
}

/** What a step publishes may be an image that nobody has: that is one way to fail. What is there from the start may not. */
function complainOfMissingImages(
  fields: Fields,
  field: Field,
  images: ReadonlyMap<string, RehearsedImage>,
  sets: readonly SidecarSet[],
  pods: readonly Pod[],
): void {
  const needed = new Map<string, string>();
  for (const { spec, metadata } of sets) {
    for (const { image = '', upgradeStrategy } of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
      for (const name of [image, upgradeStrategy?.hotUpgradeEmptyImage ?? '']) {
        needed.set(name, `SidecarSet ${metadata.name ?? ''}`);
      }
    }
  }
  for (const { spec, metadata } of pods) {
    for (const { image = '' } of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
      needed.set(image, `Pod ${metadata?.name ?? ''}`);
    }
  }
  for (const [image, by] of needed) {
    if (image !== '' && !images.has(image)) fields.complain(field, `needs ${JSON.stringify(image)}, which ${by} runs`);
  }
}
