import { toBeta } from '../conversion.ts';
import { ApiError } from '../error.ts';
import { isObject, printJson } from '../json.ts';
import type { ControllerRevision } from '../kubernetes.ts';
import type { SidecarSet } from '../sidecar-set.ts';
import { problemsOfSet } from '../wire/sidecar-set.ts';
import { additionErrors } from './additions.ts';
import { canaryErrors } from './canary.ts';
import { conflictErrors } from './conflicts.ts';
import { enumerationErrors } from './enumerations.ts';
import { errorsText, reasonText, required, stricter, typeInvalid, type FieldError } from './field-error.ts';
import { get, isSet, list, text, type Field } from './field.ts';
import { hotErrors } from './hot.ts';
import { metadataErrors } from './metadata.ts';
import { patchPodMetadataErrors } from './pod-metadata.ts';
import { podErrors } from './pod.ts';
import { expressionsOf, partialProblem } from './resources-policy.ts';
import { revisionErrors } from './revision.ts';
import { requiredSelectorErrors } from './selector.ts';
import { sidecarErrors } from './sidecars.ts';
import { updateErrors } from './update.ts';
import { updateStrategyErrors, usedFieldErrors } from './update-strategy.ts';

/** A SidecarSet that somebody wants to store, and what its validity depends on. */
export interface Admission {
  operation: 'CREATE' | 'UPDATE';
  /** The set with its defaults, of either version. */
  object: unknown;
  /** On an update, the set as it is stored. */
  old?: unknown;
  /** The other sets in the cluster. */
  others: readonly SidecarSet[];
  /** The text under `SidecarSet_PatchPodMetadata_WhiteList` of the ConfigMap `kruise-configuration`, if there is one. */
  whitelist?: string | undefined;
  /** ControllerRevisions of Baton's own namespace. */
  revisions: readonly ControllerRevision[];
  featureGates?: Readonly<Record<string, boolean>> | undefined;
}

/** What is wrong with a set, in OpenKruise's order, and what is only likely to disappoint. */
export interface Findings {
  errors: FieldError[];
  warnings: FieldWarning[];
}

export interface FieldWarning {
  field: string;
  message: string;
}

/**
 * Validates a SidecarSet as OpenKruise's webhook does (`sidecarset.md` 1.6), and more strictly where nothing good can come of
 * what it accepts. A mistake of that second kind which the stored set has too is only a warning, so that sets which
 * OpenKruise stored can still be changed. Required fields are the CRD's to check. Whatever `object` and `old` are, it does not throw.
 */
export function validate(admission: Admission): Findings {
  const set = read(admission.object);
  if (Array.isArray(set)) return { errors: set, warnings: [] };
  const stored = admission.operation === 'UPDATE' ? read(admission.old) : undefined;
  const old = Array.isArray(stored) ? undefined : stored;
  const cluster = admission.others.map((value) => ({ at: '', value }));
  const own = judge(ownErrors(set, old, cluster, admission), old ? ownErrors(old, old, cluster, admission) : []);
  const shared =
    own.errors.length > 0
      ? { errors: [], tolerated: [] }
      : judge(conflictErrors(set, cluster), old ? conflictErrors(old, cluster) : []);
  return {
    errors: [...own.errors, ...shared.errors],
    warnings: [
      ...[...own.tolerated, ...shared.tolerated].map((error) => ({
        field: error.field,
        message: `${reasonText(error)} (the stored SidecarSet has this too)`,
      })),
      ...unknownFields(admission.object),
      ...doubts(set),
    ],
  };
}

/** Parts what must be corrected from what OpenKruise accepts and the stored set has too. */
function judge(
  found: readonly FieldError[],
  stored: readonly FieldError[],
): { errors: FieldError[]; tolerated: FieldError[] } {
  const known = new Set(stored.map(identityOf));
  const isTolerated = (error: FieldError): boolean => error.stricter === true && known.has(identityOf(error));
  return { errors: found.filter((error) => !isTolerated(error)), tolerated: found.filter(isTolerated) };
}

/** The answer to an admission review: 422 for whoever asks again until it is right (Q25: OpenKruise says 500). */
export function answer({ errors, warnings }: Findings): {
  allowed: boolean;
  code: 200 | 422;
  message: string;
  warnings: string[];
} {
  return errors.length === 0
    ? { allowed: true, code: 200, message: 'allowed to be admitted', warnings: warnings.map(warningText) }
    : { allowed: false, code: 422, message: errorsText(errors), warnings: warnings.map(warningText) };
}

const warningText = ({ field, message }: FieldWarning): string => `${field}: ${message}`;

/** A set as `v1beta1`, or why it cannot be read. */
function read(object: unknown): Field | FieldError[] {
  if (!isObject(object)) return [typeInvalid('', 'must be an object')];
  const mistyped = problemsOfSet(object).filter(({ kind }) => kind === 'type');
  if (mistyped.length > 0) return mistyped.map(({ path, message }) => typeInvalid(path, message));
  try {
    return { at: '', value: toBeta(object) };
  } catch (error) {
    if (error instanceof ApiError) return [typeInvalid('apiVersion', error.message)];
    throw error;
  }
}

/** What is wrong with the set itself; conflicts with others are looked for only in a set that is sound. */
function ownErrors(
  set: Field,
  old: Field | undefined,
  cluster: readonly Field[],
  { whitelist, revisions, featureGates }: Admission,
): FieldError[] {
  const spec = get(set, 'spec');
  const rules = { whitelist, allowedByDefault: featureGates?.['SidecarSetPatchPodMetadataDefaultsAllowed'] === true };
  return [
    ...metadataErrors(get(set, 'metadata')),
    ...canaryErrors(set, old, old ? [...cluster, old] : cluster),
    ...selectorsErrors(spec),
    ...revisionErrors(set, revisions),
    ...strategyErrors(get(spec, 'updateStrategy')),
    ...sidecarsErrors(spec),
    ...patchPodMetadataErrors(set, rules),
    ...additionErrors(spec),
    ...enumerationErrors(spec),
    ...(old ? updateErrors(set, old) : []),
  ];
}

const identityOf = ({ type, field, detail, badValue }: FieldError): string =>
  printJson([type, field, detail, badValue ?? null]);

function selectorsErrors(spec: Field): FieldError[] {
  const [selector, namespaces] = [get(spec, 'selector'), get(spec, 'namespaceSelector')];
  return [
    ...(isSet(selector)
      ? requiredSelectorErrors(selector)
      : [required(selector.at, 'no selector defined for SidecarSet')]),
    ...(isSet(namespaces) ? requiredSelectorErrors(namespaces) : []),
  ];
}

/** A set that never upgrades still uses some fields, which OpenKruise then does not look at. */
const strategyErrors = (strategy: Field): FieldError[] =>
  text(get(strategy, 'type')) === 'RollingUpdate'
    ? updateStrategyErrors(strategy)
    : usedFieldErrors(strategy).map(stricter);

function sidecarsErrors(spec: Field): FieldError[] {
  const [initContainers, containers] = [list(get(spec, 'initContainers')), list(get(spec, 'containers'))];
  if (initContainers.length + containers.length === 0) {
    return [required('spec', 'no initContainer or container defined for SidecarSet')];
  }
  return [...sidecarErrors(initContainers, containers), ...podErrors(spec), ...hotErrors(spec)];
}

/** Fields that are stored and have no effect (Q26). */
const unknownFields = (object: unknown): FieldWarning[] =>
  problemsOfSet(object)
    .filter(({ kind }) => kind === 'unknown')
    .map(({ path, message }) => ({ field: path, message }));

/** What is allowed and yet hardly meant. */
function doubts(set: Field): FieldWarning[] {
  const spec = get(set, 'spec');
  const strategy = get(spec, 'updateStrategy');
  const maxUnavailable = get(strategy, 'maxUnavailable');
  const isStuck = maxUnavailable.value === 0 || maxUnavailable.value === '0%';
  const expressions = ['initContainers', 'containers'].flatMap((kind) =>
    list(get(spec, kind)).flatMap((container) =>
      expressionsOf(container).flatMap(({ at, resource, expression }) => {
        const problem = partialProblem(expression, resource);
        if (problem === undefined) return [];
        return [{ field: at, message: `some pods cannot be created with this expression: ${problem}` }];
      }),
    ),
  );
  return [
    ...(isStuck && text(get(strategy, 'type')) === 'RollingUpdate'
      ? [{ field: maxUnavailable.at, message: 'with 0, only pods that are not ready are upgraded' }]
      : []),
    ...expressions,
  ];
}
