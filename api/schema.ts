import * as schemas from './generated/schemas.ts';
import { isObject, numberText } from './json.ts';
import { ALPHA, BETA, problemsOfSet } from './wire/sidecar-set.ts';

/** The part of an OpenAPI schema that the CRD uses. */
export interface Schema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  format?: string;
  properties?: Readonly<Record<string, Schema>>;
  additionalProperties?: Schema;
  items?: Schema;
  required?: readonly string[];
  enum?: readonly string[];
  minimum?: number;
  default?: unknown;
  anyOf?: readonly Schema[];
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-list-map-keys'?: readonly string[];
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
}

/** What is wrong with a field. */
export interface FieldProblem {
  /** Of an `error` nothing good comes. A `warning` is stored and has no effect: a field that Baton does not know. */
  severity: 'error' | 'warning';
  /** Where, e.g. `spec.containers[0].resources.limits[cpu]`; empty for the object itself. */
  path: string;
  message: string;
}

/**
 * What the API server would find wrong with a SidecarSet of either version, and OpenKruise when it reads it: wrong types,
 * unknown fields (with the name that was probably meant), missing ones, values outside their enumeration. In containers and
 * volumes, of which the API server keeps whatever is in them, unknown fields are warnings (quirk Q26).
 */
export function fieldProblems(object: unknown): FieldProblem[] {
  if (!isObject(object)) return [error('', 'must be an object')];
  const { apiVersion, kind } = object;
  const problems: FieldProblem[] = problemsOfSet(object).map((problem) => ({
    severity: problem.kind === 'unknown' && isFree(problem.path) ? 'warning' : 'error',
    path: problem.path,
    message: problem.message,
  }));
  if (apiVersion !== ALPHA && apiVersion !== BETA) problems.push(error('apiVersion', `must be ${BETA} or ${ALPHA}`));
  if (kind !== 'SidecarSet') problems.push(error('kind', 'must be SidecarSet'));
  return [...problems, ...rulesBroken(schemaOf(object), object, '')];
}

/** Whether the CRD lets any field pass there. */
const isFree = (path: string): boolean => /^spec\.(containers|initContainers|volumes)\[/.test(path);

const error = (path: string, message: string): FieldProblem => ({ severity: 'error', path, message });

const schemaOf = (object: object): Schema =>
  (object as { apiVersion?: unknown }).apiVersion === ALPHA ? schemas.v1alpha1 : schemas.v1beta1;

/** Everything but types and unknown fields; values of a wrong type are passed over. */
function rulesBroken(schema: Schema, value: unknown, path: string): FieldProblem[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.flatMap((item, index) => rulesBroken(items, item, `${path}[${index}]`)) : [];
  }
  if (isObject(value)) {
    const missing = (schema.required ?? []).filter((name) => value[name] === undefined || value[name] === null);
    return [
      ...missing.map((name) => error(join(path, name), 'must be set')),
      ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
        rulesBroken(field, value[name], join(path, name)),
      ),
    ];
  }
  if (typeof value === 'string' && schema.enum && !schema.enum.includes(value)) {
    return [error(path, `must be ${schema.enum.join(' or ')}, not ${JSON.stringify(value)}`)];
  }
  const number = numberText(value);
  if (number !== undefined && schema.minimum !== undefined && Number(number) < schema.minimum) {
    return [error(path, `must be ${schema.minimum} or more, not ${number}`)];
  }
  return [];
}

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

/**
 * A copy with the defaults that are in the CRD, which the API server sets before any webhook sees the object. What has no
 * API server in front of it (the command line) calls this first. What is of the wrong type stays as it is.
 */
export function withSchemaDefaults<T extends object>(object: T): T {
  return filled(schemaOf(object), object) as T;
}

function filled(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.map((item) => filled(items, item)) : value;
  }
  if (!isObject(value) || !schema.properties) return value;
  const known = Object.entries(schema.properties).flatMap(([name, field]) => {
    const own = Object.hasOwn(value, name) ? value[name] : undefined;
    const given = own ?? field.default ?? own;
    return given === undefined ? [] : [[name, filled(field, given)] as const];
  });
  return { ...value, ...Object.fromEntries(known) };
}
