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
  return stringify(value) ?? 'null';
}

/**
 * Prints JSON as Go's `encoding/json` does, byte for byte: `<`, `>`, `&`, U+2028 and U+2029 escaped, everything else raw,
 * a lone surrogate as U+FFFD. The order of keys is the caller's.
 */
export function printJsonLikeGo(value: unknown): string {
  return printJson(value)
    .replace(/\\(?:u.{4}|.)/g, (escape) => (/^\\ud[89a-f]/.test(escape) ? '\ufffd' : escape))
    .replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * Prints JSON as Go prints a map: the keys of every object sorted by their bytes (a JavaScript object cannot hold keys such
 * as `10` and `9` in that order), fields that are `undefined` left out, otherwise as {@link printJsonLikeGo}.
 */
export function printSortedJsonLikeGo(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printSortedJsonLikeGo).join(',')}]`;
  if (!isObject(value)) return printJsonLikeGo(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => compareBytes(a, b))
    .map(([key, field]) => `${printJsonLikeGo(key)}:${printSortedJsonLikeGo(field)}`);
  return `{${fields.join(',')}}`;
}

/** Compares two texts by their UTF-8 bytes, as Go sorts strings; for `sort`. */
export function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
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
