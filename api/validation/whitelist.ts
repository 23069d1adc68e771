import { fieldOf } from '../go-json.ts';
import { goPattern } from '../go-pattern.ts';
import { isObject, parseJson } from '../json.ts';
import type { LabelSelector } from '../kubernetes.ts';
import { matches } from '../selector.ts';
import { selector } from '../wire/metadata.ts';
import { goForm, list, struct, type Wire } from '../wire/wire.ts';

/** Which annotations sets may put on pods: the value of a ConfigMap's key. */
interface Whitelist {
  rules?: { selector?: LabelSelector; allowedAnnotationKeyExprs?: string[] }[];
}

const wire = struct({ rules: list(struct({ 'selector?': selector, allowedAnnotationKeyExprs: list('string') })) });

/**
 * Reads a whitelist as Go does, whatever the case of its keys.
 *
 * @throws Error saying what to correct
 */
export function readWhitelist(text: string): Whitelist {
  const refuse = (problem: string): never => {
    throw new Error(`the whitelist is not ${problem}; correct SidecarSet_PatchPodMetadata_WhiteList`);
  };
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    return refuse('a JSON object');
  }
  if (value === null) return {};
  if (!isObject(value)) return refuse('a JSON object');
  return goForm(wire, withGoKeys(wire, value), {
    report: ({ path, message }) => refuse(`valid: ${path} ${message}`),
  }) as Whitelist;
}

/** A value without what its type does not know, its keys spelt as the type spells them. */
function withGoKeys(wire: Wire, value: unknown): unknown {
  if (typeof wire === 'string') return value;
  if ('list' in wire) return Array.isArray(value) ? value.map((item) => withGoKeys(wire.list, item)) : value;
  if (!isObject(value) || 'map' in wire) return value;
  return Object.fromEntries(
    wire.fields.map((field) => [field.name, withGoKeys(field.wire, fieldOf(value, field.name))]),
  );
}

/** The patterns of the rules that are for sets with these labels; they look for a match anywhere in a key. */
export const patternsFor = (labels: Record<string, string>, { rules = [] }: Whitelist): ((key: string) => boolean)[] =>
  rules
    .filter(({ selector }) => selector === undefined || matches(selector, labels))
    .flatMap(({ allowedAnnotationKeyExprs = [] }) => allowedAnnotationKeyExprs.map(goPattern));
