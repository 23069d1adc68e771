import { isObject } from '../json.ts';
import type { ControllerRevision } from '../kubernetes.ts';
import { revisionLabels } from '../revision-labels.ts';
import { nameOf } from './canary.ts';
import { invalidObject, type FieldError } from './field-error.ts';
import { get, isSet, text, type Field } from './field.ts';

/** What is wrong with `injectionStrategy.revision`: it must name a stored revision that can be restored. */
export function revisionErrors(set: Field, revisions: readonly ControllerRevision[]): FieldError[] {
  const revision = get(get(get(set, 'spec'), 'injectionStrategy'), 'revision');
  if (!isSet(revision)) return [];
  const problem = problemOf(revision, nameOf(set), revisions);
  const policy = text(get(revision, 'policy'));
  const unsupported = `Invalid policy ${policy}, supported: [Always, Partial]`;
  return [
    ...(problem === undefined ? [] : [{ ...invalidObject('revision', undefined, problem), shown: '"null"' }]),
    ...(['', 'Always', 'Partial'].includes(policy) ? [] : [invalidObject('revision.policy', policy, unsupported)]),
  ];
}

function problemOf(revision: Field, set: string, revisions: readonly ControllerRevision[]): string | undefined {
  const [name, version] = [get(revision, 'revisionName'), get(revision, 'customVersion')];
  if (!isSet(name) && !isSet(version)) return 'revisionName and customVersion cannot be empty simultaneously';
  const byName = isSet(name);
  const found = byName
    ? revisions.find(({ metadata }) => metadata?.name === text(name))
    : newestOf(set, text(version), revisions);
  const why = found
    ? dataProblem(found)
    : byName
      ? `controllerrevisions.apps "${text(name)}" not found`
      : `ControllerRevision.apps "${set}" not found`;
  return why === undefined ? undefined : `Cannot find specific ControllerRevision, err: ${why}`;
}

function newestOf(
  set: string,
  version: string,
  revisions: readonly ControllerRevision[],
): ControllerRevision | undefined {
  if (version === '') return undefined;
  return revisions
    .filter(({ metadata }) => {
      const labels = metadata?.labels ?? {};
      return labels[revisionLabels.set] === set && labels[revisionLabels.customVersion] === version;
    })
    .reduce<ControllerRevision | undefined>((a, b) => (a && a.revision >= b.revision ? a : b), undefined);
}

/** Why a revision's data cannot be merged into a set. */
function dataProblem({ data }: ControllerRevision): string | undefined {
  const spec: unknown = isObject(data) ? data['spec'] : data;
  if (spec === undefined || spec === null || isObject(spec)) return undefined;
  const kind = Array.isArray(spec)
    ? 'array'
    : typeof spec === 'boolean'
      ? 'bool'
      : typeof spec === 'string'
        ? 'string'
        : 'number';
  return `json: cannot unmarshal ${kind} into Go struct field SidecarSet.spec of type v1beta1.SidecarSetSpec`;
}
