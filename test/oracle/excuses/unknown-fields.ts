import { isObject } from '../../../api/json.ts';
import { problemsOfSet } from '../../../api/wire/sidecar-set.ts';

const unknownPaths = (object: unknown): Set<string> =>
  new Set(problemsOfSet(object).flatMap(({ kind, path }) => (kind === 'unknown' ? [path] : [])));

/** Quirk Q26: the object has fields that OpenKruise does not know. It drops them; Baton keeps them, and hashes them no more. */
export const q26 = (object: unknown): boolean => unknownPaths(object).size > 0;

/** The object without those fields, for comparing with what OpenKruise wrote. */
export const withoutUnknownFields = (object: unknown): unknown => without(unknownPaths(object), object, '');

function without(paths: ReadonlySet<string>, value: unknown, path: string): unknown {
  if (Array.isArray(value)) return value.map((item, index) => without(paths, item, `${path}[${index}]`));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) => {
      const inner = path === '' ? key : `${path}.${key}`;
      return paths.has(inner) ? [] : [[key, without(paths, field, inner)]];
    }),
  );
}
