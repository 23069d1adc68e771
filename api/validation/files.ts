import { fieldRefErrors, resourceFieldErrors } from './env.ts';
import { broken, invalid, required, type FieldError } from './field-error.ts';
import { get, isSet, number, text, type Field } from './field.ts';
import { unreservedPath } from './paths.ts';

/** One key of a Secret or ConfigMap as a file. */
export function keyToPathErrors(item: Field): FieldError[] {
  const [key, path] = [get(item, 'key'), get(item, 'path')];
  return [
    ...[key, path].filter((field) => text(field) === '').map(({ at }) => required(at)),
    ...broken(path.at, text(path), unreservedPath(text(path))),
    ...modeErrors(get(item, 'mode')),
  ];
}

const FILE_FIELDS = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid'];

/** One of the pod's own fields as a file. */
export function downwardFileErrors(file: Field): FieldError[] {
  const [path, fieldRef, resource] = [get(file, 'path'), get(file, 'fieldRef'), get(file, 'resourceFieldRef')];
  const both = isSet(fieldRef) && isSet(resource);
  return [
    ...(text(path) === '' ? [required(path.at)] : []),
    ...broken(path.at, text(path), unreservedPath(text(path))),
    ...(isSet(fieldRef) ? fieldRefErrors(fieldRef, FILE_FIELDS) : []),
    ...(both
      ? [invalid(file.at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously')]
      : []),
    ...(isSet(resource) && !both ? resourceFieldErrors(resource, true) : []),
    ...(isSet(fieldRef) || isSet(resource)
      ? []
      : [required(file.at, 'one of fieldRef and resourceFieldRef is required')]),
    ...modeErrors(get(file, 'mode')),
  ];
}

/** Permissions of a file. */
export function modeErrors(mode: Field): FieldError[] {
  const bits = number(mode) ?? 0;
  if (bits >= 0 && bits <= 0o777) return [];
  return [invalid(mode.at, bits, 'must be a number between 0 and 0777 (octal), both inclusive')];
}
