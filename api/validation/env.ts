import { compareQuantities, parseQuantity, quantityText } from '../quantity.ts';
import { broken, invalid, notSupported, required, type FieldError } from './field-error.ts';
import { convertFieldPath } from './field-path.ts';
import { get, isSet, list, text, type Field } from './field.ts';
import { configKey, dnsSubdomain, environmentName, qualifiedName } from './names.ts';
import { readQuantity } from './resources.ts';

/** Fields of the pod that an environment variable may take its value from. */
const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
const RESOURCES = ['cpu', 'ephemeral-storage', 'memory'];
const RESOURCE_FIELDS = ['limits', 'requests'].flatMap((kind) => RESOURCES.map((resource) => `${kind}.${resource}`));
const HUGE_PAGES = /^(?:limits|requests)\.hugepages-/;
const AMOUNTS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];

export function envErrors(variables: Field): FieldError[] {
  return list(variables).flatMap((variable) => {
    const [name, value, source] = [get(variable, 'name'), get(variable, 'value'), get(variable, 'valueFrom')];
    return [
      ...(text(name) === '' ? [required(name.at)] : broken(name.at, text(name), environmentName(text(name)))),
      ...(isSet(source) ? sourceErrors(source, text(value)) : []),
    ];
  });
}

function sourceErrors(source: Field, value: string): FieldError[] {
  const [fieldRef, resourceFieldRef] = [get(source, 'fieldRef'), get(source, 'resourceFieldRef')];
  const keys = [get(source, 'configMapKeyRef'), get(source, 'secretKeyRef')];
  const count = [fieldRef, resourceFieldRef, ...keys].filter(isSet).length;
  const detail =
    count === 0
      ? 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'
      : value !== ''
        ? 'may not be specified when `value` is not empty'
        : count > 1
          ? 'may not have more than one field specified at a time'
          : undefined;
  return [
    ...(isSet(fieldRef) ? fieldRefErrors(fieldRef, ENV_FIELDS) : []),
    ...(isSet(resourceFieldRef) ? resourceFieldErrors(resourceFieldRef) : []),
    ...keys.filter(isSet).flatMap(keyErrors),
    ...(detail === undefined ? [] : [invalid(source.at, '', detail)]),
  ];
}

/** A reference to one of the pod's own fields, `fields` being those that the use allows. */
export function fieldRefErrors(reference: Field, fields: readonly string[]): FieldError[] {
  const [apiVersion, fieldPath] = [get(reference, 'apiVersion'), get(reference, 'fieldPath')];
  if (text(apiVersion) === '') return [required(apiVersion.at)];
  if (text(fieldPath) === '') return [required(fieldPath.at)];
  const converted = convertFieldPath(text(apiVersion), text(fieldPath));
  if ('problem' in converted) {
    return [invalid(fieldPath.at, text(fieldPath), `error converting fieldPath: ${converted.problem}`)];
  }
  const { path, subscript } = converted;
  if (subscript !== undefined) {
    const key = path === 'metadata.annotations' ? subscript.toLowerCase() : subscript;
    return broken(reference.at, key, qualifiedName(key));
  }
  return fields.includes(path) ? [] : [{ ...notSupported(fieldPath.at, path, [...fields].sort()), badValue: path }];
}

/** A reference to a container's resources; in a volume it must name the container. */
export function resourceFieldErrors(reference: Field, inVolume = false): FieldError[] {
  const [container, resource] = [get(reference, 'containerName'), get(reference, 'resource')];
  const name = text(resource);
  const errors: FieldError[] = [];
  if (inVolume && text(container) === '') errors.push(required(container.at));
  else if (name === '') errors.push(required(resource.at));
  else if (!RESOURCE_FIELDS.includes(name) && !HUGE_PAGES.test(name)) {
    errors.push({ ...notSupported(resource.at, name, RESOURCE_FIELDS), badValue: name });
  }
  const problem = divisorProblem(name, get(reference, 'divisor').value);
  return problem === undefined ? errors : [...errors, invalid(`${reference.at}.divisor`, name, problem)];
}

function divisorProblem(resource: string, value: unknown): string | undefined {
  const divisor = readQuantity(value);
  if (compareQuantities(divisor, parseQuantity('0')) === 0) return undefined;
  const written = quantityText(divisor);
  if (/^(?:limits|requests)\.cpu$/.test(resource)) {
    if (['1m', '1'].includes(written)) return undefined;
    return "only divisor's values 1m and 1 are supported with the cpu resource";
  }
  const kind = /^(?:limits|requests)\.memory$/.test(resource)
    ? 'memory'
    : /^(?:limits|requests)\.ephemeral-storage$/.test(resource)
      ? 'local ephemeral storage'
      : HUGE_PAGES.test(resource)
        ? 'hugepages'
        : undefined;
  if (kind === undefined || AMOUNTS.includes(written)) return undefined;
  return `only divisor's values ${AMOUNTS.join(', ')} are supported with the ${kind} resource`;
}

/** A key of a ConfigMap or Secret. */
function keyErrors(selector: Field): FieldError[] {
  const [name, key] = [get(selector, 'name'), get(selector, 'key')];
  return [
    ...broken(name.at, text(name), dnsSubdomain(text(name))),
    ...(text(key) === '' ? [required(key.at)] : broken(key.at, text(key), configKey(text(key)))),
  ];
}

export function envFromErrors(sources: Field): FieldError[] {
  return list(sources).flatMap((source) => {
    const prefix = get(source, 'prefix');
    const maps = [get(source, 'configMapRef'), get(source, 'secretRef')].filter(isSet);
    const detail =
      maps.length === 0
        ? 'must specify one of: `configMapRef` or `secretRef`'
        : maps.length > 1
          ? 'may not have more than one field specified at a time'
          : undefined;
    return [
      ...(text(prefix) === '' ? [] : broken(prefix.at, text(prefix), environmentName(text(prefix)))),
      ...maps.flatMap((map) => {
        const name = get(map, 'name');
        return text(name) === '' ? [required(name.at)] : broken(name.at, text(name), generatedName(text(name)));
      }),
      ...(detail === undefined ? [] : [invalid(sources.at, '', detail)]),
    ];
  });
}

/** A name to which something may be added: it may end in a dash. */
const generatedName = (name: string): string[] => dnsSubdomain(name.length > 1 ? name.replace(/-$/, 'a') : name);
