import { LosslessNumber, parse, stringify } from 'lossless-json';

/**
 * Numbers that JavaScript may not give back as they were written: long ones, fractions, exponents, -0. What stands before
 * them keeps timestamps, image tags and digests inside strings from looking like numbers.
 */
const DELICATE = /(?:^\s*|[[,]\s*|"\s*:\s*)(?:-?(?:\d{16}|\d+[.eE])|-0)/;

/**
 * Parses JSON. A number that JavaScript would not print as it was written (an integer above 2^53, `1.0`, `1e3`) becomes a
 * `LosslessNumber`, which keeps its text; all others are plain numbers.
 *
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  if (!DELICATE.test(text)) return JSON.parse(text) as unknown;
  return parse(text, undefined, {
    parseNumber: (digits) => (String(Number(digits)) === digits ? Number(digits) : new LosslessNumber(digits)),
  });
}

/** Prints JSON without blanks; numbers that {@link parseJson} kept as text come out as they went in. */
export function printJson(value: unknown): string {
  return (isNative(value) ? JSON.stringify(value) : stringify(value)) ?? 'null';
}

/** Whether JavaScript's own printer, many times faster, prints it as well. */
function isNative(value: unknown): boolean {
  if (typeof value === 'bigint' || value instanceof LosslessNumber) return false;
  if (typeof value !== 'object' || value === null) return true;
  for (const field of Object.values(value)) if (!isNative(field)) return false;
  return true;
}

/**
 * Prints JSON as Go's `encoding/json` does, byte for byte: `<`, `>`, `&`, U+2028 and U+2029 escaped, everything else raw,
 * a lone surrogate as U+FFFD. The order of keys is the caller's.
 */
export function printJsonLikeGo(value: unknown): string {
  return escapeLikeGo(printJson(value));
}

function escapeLikeGo(json: string): string {
  const valid = json.includes('\\ud')
    ? json.replace(/\\(?:u.{4}|.)/g, (escape) => (/^\\ud[89a-f]/.test(escape) ? '\ufffd' : escape))
    : json;
  return valid.replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * Prints JSON as Go prints a map: the keys of every object sorted by their bytes (a JavaScript object cannot hold keys such
 * as `10` and `9` in that order), fields that are `undefined` left out, otherwise as {@link printJsonLikeGo}.
 */
export function printSortedJsonLikeGo(value: unknown): string {
  return escapeLikeGo(printSorted(value));
}

function printSorted(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printSorted).join(',')}]`;
  if (!isObject(value)) return printJson(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([key, field]) => `${JSON.stringify(key)}:${printSorted(field)}`);
  return `{${fields.join(',')}}`;
}

/** A map's own value: what objects inherit (`constructor`) nobody wrote; `null` is no map. */
export const own = <T>(map: Readonly<Record<string, T>> | null | undefined, key: string): T | undefined =>
  map && Object.hasOwn(map, key) ? map[key] : undefined;

/** Compares two texts by their UTF-8 bytes, as Go sorts strings; for `sort`. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const [mine, other] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (mine !== other) return rank(mine) - rank(other);
  }
  return a.length - b.length;
}

/** UTF-8 puts what UTF-16 needs surrogates for behind all other characters. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit <= 0xdfff ? unit + 0x2000 : unit - 0x800;
}

/** A plain JSON object. */
export type JsonObject = Record<string, unknown>;

/** Whether a value is a JSON object, not a list, `null` or a number kept as text. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber);
}

/** A deep copy; numbers kept as text are shared, they never change. */
export function copyJson<T>(value: T): T {
  if (Array.isArray(value)) return value.map(copyJson) as T;
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, copyJson(field)])) as T;
}

/** The text of a JSON number as it was written; `undefined` for anything else. */
export function numberText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return value instanceof LosslessNumber ? value.value : undefined;
}
