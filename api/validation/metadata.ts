import { broken, forbidden, invalid, invalidObject, required, tooLong, type FieldError } from './field-error.ts';
import { entries, get, isTrue, list, number, shownNumber, text, texts, type Field } from './field.ts';
import { labelValue, qualifiedName, sidecarSetName } from './names.ts';

/** All keys and values of an object's annotations together, in bytes. */
const MAX_ANNOTATIONS = 256 * 1024;

/** What Kubernetes checks of every object's metadata, with the names that a SidecarSet may have. */
export function metadataErrors(metadata: Field): FieldError[] {
  const [name, generateName] = [get(metadata, 'name'), get(metadata, 'generateName')];
  const [namespace, generation] = [get(metadata, 'namespace'), get(metadata, 'generation')];
  return [
    ...(text(generateName) === ''
      ? []
      : broken(generateName.at, text(generateName), sidecarSetName(text(generateName)))),
    ...(text(name) === ''
      ? [required(name.at, 'name or generateName is required')]
      : broken(name.at, text(name), sidecarSetName(text(name)))),
    ...(text(namespace) === '' ? [] : [forbidden(namespace.at, 'not allowed on this type')]),
    ...((number(generation) ?? 0) < 0
      ? [invalid(generation.at, shownNumber(generation), 'must be greater than or equal to 0')]
      : []),
    ...labelErrors(get(metadata, 'labels')),
    ...annotationErrors(get(metadata, 'annotations')),
    ...ownerErrors(get(metadata, 'ownerReferences')),
    ...finalizerErrors(get(metadata, 'finalizers')),
  ];
}

/** What is wrong with labels. */
export function labelErrors(labels: Field): FieldError[] {
  return entries(labels).flatMap(([key, value]) => [
    ...broken(labels.at, key, qualifiedName(key)),
    ...broken(labels.at, value, labelValue(value)),
  ]);
}

/** What is wrong with annotations: keys that are no names, or too much of them. */
export function annotationErrors(annotations: Field): FieldError[] {
  const all = entries(annotations);
  const size = all.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return [
    ...all.flatMap(([key]) => broken(annotations.at, key, qualifiedName(key.toLowerCase()))),
    ...(size > MAX_ANNOTATIONS ? [tooLong(annotations.at, MAX_ANNOTATIONS)] : []),
  ];
}

function ownerErrors(owners: Field): FieldError[] {
  let controller: string | undefined;
  return list(owners).flatMap((owner) => {
    const errors = ownerReferenceErrors(owner, owners.at);
    if (!isTrue(get(owner, 'controller'))) return errors;
    const shown = `${text(get(owner, 'kind'))}/${text(get(owner, 'name'))}`;
    if (controller !== undefined) {
      const detail = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${shown}`;
      errors.push(invalidObject(owners.at, owners.value, detail));
    }
    controller ??= shown;
    return errors;
  });
}

function ownerReferenceErrors(owner: Field, at: string): FieldError[] {
  const [apiVersion, kind, name, uid] = ['apiVersion', 'kind', 'name', 'uid'].map((key) => text(get(owner, key))) as [
    string,
    string,
    string,
    string,
  ];
  const parts = apiVersion.split('/');
  const hasVersion = parts.length <= 2 && parts.at(-1) !== '';
  return [
    ...(hasVersion ? [] : [invalid(`${at}.apiVersion`, apiVersion, 'version must not be empty')]),
    ...(kind === '' ? [invalid(`${at}.kind`, kind, 'kind must not be empty')] : []),
    ...(name === '' ? [invalid(`${at}.name`, name, 'name must not be empty')] : []),
    ...(uid === '' ? [invalidObject(`${at}.uid`, uid, 'uid must not be empty')] : []),
    ...(apiVersion === 'v1' && kind === 'Event'
      ? [invalidObject(at, owner.value, '/v1, Kind=Event is disallowed from being an owner')]
      : []),
  ];
}

function finalizerErrors(finalizers: Field): FieldError[] {
  const names = texts(finalizers);
  const both = names.includes('orphan') && names.includes('foregroundDeletion');
  const detail = 'finalizer orphan and foregroundDeletion cannot be both set';
  return [
    ...names.flatMap((name) => broken(finalizers.at, name, qualifiedName(name))),
    ...(both ? [invalidObject(finalizers.at, names, detail)] : []),
  ];
}
