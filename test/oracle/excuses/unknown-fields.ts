import { copyJson } from '../../../api/json.ts';
import { problemsOfSet } from '../../../api/wire/sidecar-set.ts';

const unknownPaths = (object: unknown): string[] =>
  problemsOfSet(object).flatMap(({ kind, path }) => (kind === 'unknown' ? [path] : []));

/** Quirk Q26: the object has fields that OpenKruise does not know. It drops them; Baton keeps them, and hashes them no more. */
export const q26 = (object: unknown): boolean => unknownPaths(object).length > 0;

/** The object without those fields, for comparing with what OpenKruise wrote. */
export function withoutUnknownFields<T>(object: T): T {
  const copy = copyJson(object);
  for (const path of unknownPaths(object)) {
    const steps = path.split(/[.[\]]+/).filter((step) => step !== '');
    const last = steps.pop() ?? '';
    const parent = steps.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], copy);
    Reflect.deleteProperty(parent as object, last);
  }
  return copy;
}
