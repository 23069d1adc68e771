import type { LabelSelector } from '../kubernetes.ts';
import { compareQuantities, parseQuantity, quantityText } from '../quantity.ts';
import { selectorErrors } from '../selector.ts';
import { broken, forbidden, invalid, notSupported, required, type FieldError } from './field-error.ts';
import { get, getKey, isSet, text, texts, type Field } from './field.ts';
import { annotationErrors, labelErrors } from './metadata.ts';
import { dnsSubdomain } from './names.ts';
import { readQuantity } from './resources.ts';

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];
const VOLUME_MODES = ['Block', 'Filesystem'];

/** What is wrong with the claim that an ephemeral volume makes; its data sources are left to the API server. */
export function claimTemplateErrors(template: Field): FieldError[] {
  const [metadata, spec] = [get(template, 'metadata'), get(template, 'spec')];
  const [selector, storageClass, mode] = [
    get(spec, 'selector'),
    get(spec, 'storageClassName'),
    get(spec, 'volumeMode'),
  ];
  const isForeign = isSet(mode) && !VOLUME_MODES.includes(text(mode));
  return [
    ...annotationErrors(get(metadata, 'annotations')),
    ...labelErrors(get(metadata, 'labels')),
    ...metadataErrors(metadata),
    ...(texts(get(spec, 'accessModes')).length === 0
      ? [required(`${spec.at}.accessModes`, 'at least 1 access mode is required')]
      : []),
    ...(isSet(selector) ? selectorErrors(selector.value as LabelSelector, selector.at) : []),
    ...accessErrors(get(spec, 'accessModes')),
    ...storageErrors(get(spec, 'resources')),
    ...(text(storageClass) === '' ? [] : broken(storageClass.at, text(storageClass), dnsSubdomain(text(storageClass)))),
    ...(isForeign ? [notSupported(mode.at, text(mode), VOLUME_MODES)] : []),
  ];
}

/** A claim gets its name from the pod and the volume. */
function metadataErrors(metadata: Field): FieldError[] {
  const owned = ['name', 'generateName', 'namespace', 'ownerReferences', 'finalizers'].map((key) => get(metadata, key));
  return owned
    .filter(({ value }) => (Array.isArray(value) ? value.length > 0 : value !== undefined && value !== ''))
    .map(({ at }) => forbidden(at, 'cannot be set'));
}

function accessErrors(modes: Field): FieldError[] {
  const all = texts(modes);
  const isMixed = all.includes('ReadWriteOncePod') && all.some((mode) => ACCESS_MODES.slice(0, 3).includes(mode));
  return [
    ...all.filter((mode) => !ACCESS_MODES.includes(mode)).map((mode) => notSupported(modes.at, mode, ACCESS_MODES)),
    ...(isMixed ? [forbidden(modes.at, 'may not use ReadWriteOncePod with other access modes')] : []),
  ];
}

function storageErrors(resources: Field): FieldError[] {
  const storage = get(get(resources, 'requests'), 'storage');
  const { at } = getKey(resources, 'storage');
  if (!isSet(storage)) return [required(at)];
  const amount = readQuantity(storage.value);
  const isPositive = compareQuantities(amount, parseQuantity('0')) > 0;
  return isPositive ? [] : [invalid(at, quantityText(amount), 'must be greater than zero')];
}
