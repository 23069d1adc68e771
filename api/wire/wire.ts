import { LosslessNumber } from 'lossless-json';
import { ApiError } from '../error.ts';
import { isObject, numberText } from '../json.ts';
import { nearest } from '../nearest.ts';
import { quantityOf, quantityText, type Quantity } from '../quantity.ts';

/** A plain type of the Kubernetes API; an `amount` is a quantity that the defaults round. */
export type Scalar = 'string' | 'boolean' | 'int32' | 'int64' | 'quantity' | 'amount' | 'intOrString' | 'any';

/**
 * A type as OpenKruise's Go code declares it: what it reads, what it writes and in which order. The hashes are taken of what
 * Go writes, so an object must be brought into that form to the letter.
 */
export type Wire = Scalar | { readonly list: Wire } | { readonly map: Wire } | Struct;
export interface Struct {
  readonly fields: readonly Field[];
}

/** A field of a struct, and when Go writes it. */
export interface Field {
  readonly name: string;
  readonly wire: Wire;
  /** `unlessEmpty`: not when it is `""`, 0, false or an empty list or map. `unlessAbsent`: what Go holds by a pointer. */
  readonly written: 'unlessEmpty' | 'unlessAbsent' | 'always' | 'alwaysOrNull';
  /** A field that Baton added: OpenKruise does not know it, and it is in no hash. */
  readonly added: boolean;
}

const WRITTEN: Readonly<Record<string, Field['written']>> = {
  '': 'unlessEmpty',
  '?': 'unlessAbsent',
  '!': 'always',
  '?!': 'alwaysOrNull',
  '+': 'unlessAbsent',
};

export const list = (of: Wire): Wire => ({ list: of });
export const map = (of: Wire): Wire => ({ map: of });

/**
 * A struct, its fields in Go's order. What follows a name says when Go writes the field: nothing = unless empty, `?` = unless
 * absent (a pointer), `!` = always, `?!` = always, `null` if absent; `+` marks a field that Baton added.
 */
export function struct(fields: Readonly<Record<string, Wire>>): Struct {
  return {
    fields: Object.entries(fields).map(([key, wire]) => {
      const name = key.replace(/[?!+]+$/, '');
      const mark = key.slice(name.length);
      return { name, wire, written: WRITTEN[mark] ?? 'unlessEmpty', added: mark === '+' };
    }),
  };
}

/** Something in an object that its type does not allow, or does not know. */
export interface Problem {
  kind: 'type' | 'unknown';
  /** Where, e.g. `spec.containers[0].resources.limits[cpu]`. */
  path: string;
  message: string;
}

/**
 * Takes what has the wrong type for an error, and lets unknown fields pass.
 *
 * @throws ApiError `ERR_BATON_FIELD`
 */
export function refuseMistyped({ kind, path, message }: Problem): void {
  if (kind === 'type') throw new ApiError('ERR_BATON_FIELD', `${path}: ${message}`, { facts: { path } });
}

export interface GoFormOptions {
  /** Called for every problem; what has the wrong type stays as it is. */
  report: (problem: Problem) => void;
  /** What becomes of each `amount`, e.g. rounding. */
  amount?: (quantity: Quantity) => Quantity;
}

/**
 * The value as Go would write it after reading it: fields in order, empty ones left out, quantities in the text that Go
 * keeps. Fields that the type does not know are reported and kept, after the others. The value itself is not changed.
 */
export function goForm(wire: Wire, value: unknown, options: GoFormOptions, path = ''): unknown {
  if (typeof wire === 'string') return scalarForm(wire, value, options, path);
  if (value === null || value === undefined) return 'fields' in wire ? structForm(wire, {}, options, path) : null;
  if ('list' in wire) {
    if (!Array.isArray(value)) return mistyped(value, 'a list', options, path);
    return value.map((item, index) => goForm(wire.list, item, options, `${path}[${index}]`));
  }
  if (!isObject(value)) return mistyped(value, 'an object', options, path);
  if ('fields' in wire) return structForm(wire, value, options, path);
  return fromFields(
    Object.entries(value).map(([key, item]) => [key, goForm(wire.map, item, options, `${path}[${key}]`)]),
  );
}

function structForm(struct: Struct, value: object, options: GoFormOptions, path: string): object {
  const rest = new Map<string, unknown>(Object.entries(value));
  const fields: [string, unknown][] = [];
  for (const { name, wire, written } of struct.fields) {
    const raw = rest.get(name);
    rest.delete(name);
    if ((raw === null || raw === undefined) && written !== 'always') {
      if (written === 'alwaysOrNull') fields.push([name, null]);
      continue;
    }
    const form = goForm(wire, raw, options, join(path, name));
    if (written !== 'unlessEmpty' || !isEmpty(form)) fields.push([name, form]);
  }
  for (const [name, raw] of rest) {
    reportUnknown(name, struct, options, path);
    fields.push([name, raw]);
  }
  return fromFields(fields);
}

/** Defines every key as a plain property: assigning `__proto__` would not. */
const fromFields = (fields: [string, unknown][]): object => Object.fromEntries(fields);
const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);

function isEmpty(form: unknown): boolean {
  if (typeof form === 'object' && form !== null && !(form instanceof LosslessNumber)) {
    return Object.keys(form).length === 0;
  }
  return form === '' || form === 0 || form === false || form === null;
}

function reportUnknown(name: string, { fields }: Struct, { report }: GoFormOptions, path: string): void {
  const names = fields.map((field) => field.name);
  const meant = nearest(name, names);
  const message = `unknown field${meant === undefined ? '' : `; is ${meant} meant?`}`;
  report({ kind: 'unknown', path: join(path, name), message });
}

function mistyped(value: unknown, expected: string, { report }: GoFormOptions, path: string): unknown {
  report({ kind: 'type', path, message: `must be ${expected}, not ${describe(value)}` });
  return value;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isObject(value)) return 'an object';
  return numberText(value) ?? JSON.stringify(value);
}

function scalarForm(wire: Scalar, value: unknown, options: GoFormOptions, path: string): unknown {
  const absent = value === null || value === undefined;
  switch (wire) {
    case 'any':
      return absent ? null : value;
    case 'string':
      return absent ? '' : typeof value === 'string' ? value : mistyped(value, 'a string', options, path);
    case 'boolean':
      return absent ? false : typeof value === 'boolean' ? value : mistyped(value, 'true or false', options, path);
    case 'int32':
      return absent ? 0 : integerForm(value, 32, 'an integer of 32 bits', options, path);
    case 'int64':
      return absent ? 0 : integerForm(value, 64, 'an integer of 64 bits', options, path);
    case 'intOrString':
      if (typeof value === 'string') return value;
      return absent ? 0 : integerForm(value, 32, 'an integer of 32 bits or a string', options, path);
    case 'quantity':
      return quantityForm(value, (quantity) => quantity, options, path);
    case 'amount':
      return quantityForm(value, options.amount ?? ((quantity) => quantity), options, path);
  }
}

function integerForm(value: unknown, bits: number, expected: string, options: GoFormOptions, path: string): unknown {
  const text = numberText(value);
  const whole = text !== undefined && /^-?\d+$/.test(text) ? BigInt(text) : undefined;
  if (whole === undefined || BigInt.asIntN(bits, whole) !== whole) return mistyped(value, expected, options, path);
  return Number.isSafeInteger(Number(whole)) ? Number(whole) : new LosslessNumber(String(whole));
}

function quantityForm(
  value: unknown,
  change: (quantity: Quantity) => Quantity,
  { report }: GoFormOptions,
  path: string,
): unknown {
  try {
    return quantityText(change(quantityOf(value)));
  } catch (error) {
    report({ kind: 'type', path, message: (error as Error).message });
    return value;
  }
}
