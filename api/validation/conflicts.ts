import { isDeepStrictEqual } from 'node:util';
import type { LabelSelector } from '../kubernetes.ts';
import { overlaps, overlapsUnnoticed } from '../selector.ts';
import { goForm } from '../wire/wire.ts';
import { volume as volumeWire } from '../wire/volume.ts';
import { baseOf, nameOf } from './canary.ts';
import { invalid, stricter, type FieldError } from './field-error.ts';
import { entries, get, isSet, list, text, type Field } from './field.ts';
import { podNames } from './hot.ts';

/**
 * What two sets would both put into one pod. Of several owners of a name, the last is reported, one that OpenKruise sees too
 * before one that only Baton finds.
 */
export function conflictErrors(set: Field, others: readonly Field[]): FieldError[] {
  const rivals = others.filter((other) => areRivals(set, other));
  const [known, unnoticed] = [
    conflictsWith(
      set,
      rivals.filter((other) => !isUnnoticed(set, other)),
    ),
    conflictsWith(set, rivals),
  ];
  const isKnown = ({ field, badValue }: FieldError): boolean =>
    known.some((error) => error.field === field && error.badValue === badValue);
  return [...known, ...unnoticed.filter((error) => !isKnown(error)).map(stricter)];
}

function conflictsWith(set: Field, rivals: readonly Field[]): FieldError[] {
  const spec = get(set, 'spec');
  return [
    ...takenNames(spec, rivals, 'initContainers'),
    ...takenNames(spec, rivals, 'containers'),
    ...volumeConflicts(spec, rivals),
    ...annotationConflicts(spec, rivals),
  ];
}

/** Whether some pod could get both sets. A canary and its base never meet: the canary pushes the base aside (Q15). */
function areRivals(set: Field, other: Field): boolean {
  if (nameOf(set) === nameOf(other) || baseOf(set) === nameOf(other) || baseOf(other) === nameOf(set)) return false;
  const [namespaces, otherNamespaces] = [selectorOf(set, 'namespaceSelector'), selectorOf(other, 'namespaceSelector')];
  const meet = namespaces === undefined || otherNamespaces === undefined || overlaps(namespaces, otherNamespaces);
  return meet && overlaps(selectorOf(set, 'selector'), selectorOf(other, 'selector'));
}

/** Whether OpenKruise takes two rivals' selectors for disjoint (Q16). */
function isUnnoticed(set: Field, other: Field): boolean {
  return ['namespaceSelector', 'selector'].some((key) => {
    const [a, b] = [selectorOf(set, key), selectorOf(other, key)];
    return a !== undefined && b !== undefined && overlapsUnnoticed(a, b);
  });
}

function selectorOf(set: Field, key: string): LabelSelector | undefined {
  const selector = get(get(set, 'spec'), key);
  return isSet(selector) ? (selector.value as LabelSelector) : undefined;
}

function takenNames(spec: Field, rivals: readonly Field[], key: 'initContainers' | 'containers'): FieldError[] {
  const owners = new Map(
    rivals.flatMap((rival) =>
      list(get(get(rival, 'spec'), key)).flatMap((container) =>
        podNames(container, key).map((name) => [name, { rival, container: text(get(container, 'name')) }] as const),
      ),
    ),
  );
  return list(get(spec, key)).flatMap((container) => {
    const declared = text(get(container, 'name'));
    const taken = podNames(container, key).find((name) => owners.has(name));
    const owner = owners.get(taken ?? '');
    if (taken === undefined || !owner) return [];
    const error = invalid('spec.containers', taken, `container ${taken} already exist in ${nameOf(owner.rival)}`);
    return [declared === owner.container ? error : stricter(error)];
  });
}

const namesIn = (spec: Field, key: string): string[] => list(get(spec, key)).map((member) => text(get(member, 'name')));

function ownersOf(sets: readonly Field[], key: string): Map<string, Field> {
  return new Map(sets.flatMap((set) => namesIn(get(set, 'spec'), key).map((name) => [name, set] as const)));
}

function volumeConflicts(spec: Field, rivals: readonly Field[]): FieldError[] {
  const owners = ownersOf(rivals, 'volumes');
  return list(get(spec, 'volumes')).flatMap((volume) => {
    const name = text(get(volume, 'name'));
    const owner = owners.get(name);
    if (!owner) return [];
    const other = list(get(get(owner, 'spec'), 'volumes')).find((one) => text(get(one, 'name')) === name);
    if (isDeepStrictEqual(readVolume(volume), other && readVolume(other))) return [];
    return [invalid('spec.volumes', name, `volume ${name} is in conflict with sidecarset ${nameOf(owner)}`)];
  });
}

/** A volume in the one form that Go gives it, whatever the order of its fields and the spelling of its quantities. */
const readVolume = ({ value }: Field): unknown => goForm(volumeWire, value, { report: () => undefined });

function annotationConflicts(spec: Field, rivals: readonly Field[]): FieldError[] {
  const owners = new Map(
    rivals.flatMap((set) =>
      changedAnnotations(get(set, 'spec')).map(({ key, policy }) => [key, { name: nameOf(set), policy }] as const),
    ),
  );
  return changedAnnotations(spec).flatMap(({ key, policy }) => {
    const owner = owners.get(key);
    if (!owner || (policy !== 'Overwrite' && owner.policy !== 'Overwrite')) return [];
    return [invalid('spec.patchPodMetadata', key, `annotation ${key} is in conflict with sidecarset ${owner.name}`)];
  });
}

const changedAnnotations = (spec: Field): { key: string; policy: string }[] =>
  list(get(spec, 'patchPodMetadata')).flatMap((patch) => {
    const policy = text(get(patch, 'patchPolicy'));
    return policy === 'Retain' ? [] : entries(get(patch, 'annotations')).map(([key]) => ({ key, policy }));
  });
