import type { JsonObject } from './json.ts';
import { compareBytes, isObject, printJsonLikeGo } from './json.ts';
import type { Reading } from './reading.ts';

/**
 * Reads a JSON object as Go reads one into a map: an absent or empty text is an empty map. `null`, with which OpenKruise
 * panics, is a problem, like everything that is no object.
 *
 * @param readValue the value of one key, or why it is none
 */
export function readMap<T>(
  text: string | undefined,
  readValue: (value: unknown) => Reading<T>,
): Reading<ReadonlyMap<string, T>> {
  if (text === undefined || text === '') return { value: new Map() };
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (error) {
    return { problem: `not JSON: ${(error as Error).message}` };
  }
  if (!isObject(raw)) return { problem: 'not a JSON object' };
  const map = new Map<string, T>();
  for (const [key, value] of Object.entries(raw)) {
    const read = readValue(value);
    if ('problem' in read) return { problem: `${JSON.stringify(key)}: ${read.problem}` };
    map.set(key, read.value);
  }
  return { value: map };
}

/** Prints a map as Go does: keys sorted by their bytes. */
export function printMap<T>(map: ReadonlyMap<string, T>, printValue: (value: T) => string): string {
  const fields = [...map].sort(([a], [b]) => compareBytes(a, b));
  return `{${fields.map(([key, value]) => `${printJsonLikeGo(key)}:${printValue(value)}`).join(',')}}`;
}

/**
 * The field of a JSON object as Go finds a struct's: whatever the case of the key, the last one counts, `null` says nothing.
 */
export function fieldOf(object: JsonObject, name: string): unknown {
  let found: unknown;
  for (const [key, value] of Object.entries(object)) {
    // Keys that Go takes for the same are equally long, which spares folding almost all of them.
    const isIt = key === name || (key.length === name.length && fold(key) === fold(name));
    if (isIt && value !== null) found = value;
  }
  return found;
}

const fold = (key: string): string => key.toUpperCase().toLowerCase();

const RFC3339 = /^(\d{4}-\d\d-\d\d)T(\d\d?):([0-5]\d):([0-5]\d)(?:[.,]\d+)?(?:Z|([+-])(\d\d):([0-5]\d))$/;
const ZERO = '0001-01-01T00:00:00Z';
const DAY_OF_EVERY_YEAR = String.raw`\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)`;
const LEAP_DAY = String.raw`(?:\d\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29`;
/** Source of an expression for the times that Go prints as it reads them. */
export const usualTime = String.raw`(?:${DAY_OF_EVERY_YEAR}|${LEAP_DAY})T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ`;
const USUAL_TIME = new RegExp(`^${usualTime}$`);

/** A time as Go writes a `metav1.Time` back: in UTC, without fractions; the zero time is `null`. */
export function readTime(text: string): Reading<string | null> {
  if (USUAL_TIME.test(text) && text !== ZERO) return { value: text };
  const [, day = '', hours = '', minutes, seconds, sign, offsetHours = '0', offsetMinutes = '0'] =
    RFC3339.exec(text) ?? [];
  const time = Date.parse(`${day}T${hours.padStart(2, '0')}:${minutes ?? ''}:${seconds ?? ''}Z`);
  const isDay = Number.isFinite(time) && new Date(time).toISOString().startsWith(day);
  if (!isDay || Number(hours) > 23 || Number(offsetHours) > 24)
    return { problem: `${JSON.stringify(text)} is not a time` };
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000;
  const utc = printTime(sign === '-' ? time + offset : time - offset);
  return { value: utc === ZERO ? null : utc };
}

/** A moment as `metav1.Time` is printed: RFC 3339 in UTC, whole seconds. `time` in milliseconds since the epoch. */
export function printTime(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}
