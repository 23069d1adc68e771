import { LosslessNumber, parse, stringify } from 'lossless-json';

/** Digits, fractions and exponents that a JavaScript number may not give back as they were written. */
const DELICATE = /\d{16}|\d[.eE]|-0/;

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

/** A plain JSON object. */
export type JsonObject = Record<string, unknown>;

/** Whether a value is a JSON object, not a list, `null` or a number kept as text. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber);
}
