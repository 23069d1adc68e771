import type { IntOrPercent } from './sidecar-set.ts';
import { invalid, invalidObject, type FieldError } from './validation/field-error.ts';
import { percentage } from './validation/names.ts';

/** A percentage as a fraction (`25%` is 0.25), or undefined if it is none or too large. Fractions of a percent are allowed. */
export function percentToFraction(text: string): number | undefined {
  const [, digits] = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)%$/.exec(text) ?? [];
  const fraction = Number(digits ?? NaN) / 100;
  return Number.isFinite(fraction) ? fraction : undefined;
}

/** A number as it is, or a percentage of `total`, rounded up unless told; undefined if it is neither. */
export function scaledValue(
  value: IntOrPercent,
  total: number,
  { roundUp = true }: { roundUp?: boolean } = {},
): number | undefined {
  if (typeof value === 'number') return value;
  if (percentToFraction(value) === undefined) return undefined;
  // Multiplied before divided, as OpenKruise does: the other way round differs in the last bit, and so at the ceiling.
  const scaled = (Number(value.slice(0, -1)) * total) / 100;
  return roundUp ? Math.ceil(scaled) : Math.floor(scaled);
}

/**
 * How many of `total` pods stay old (`updateStrategy.partition`). A percentage rounds up, yet leaves one pod to upgrade
 * unless it says `100%`. What is neither number nor percentage counts as 0, as OpenKruise counts it.
 */
export function partitionOf(partition: IntOrPercent | undefined, total: number): number {
  const scaled = scaledValue(partition ?? 0, total) ?? 0;
  const keepsAll = typeof partition === 'string' && partition !== '100%' && scaled === total && total > 1;
  return Math.max(0, Math.min(keepsAll ? total - 1 : scaled, total));
}

/**
 * How many of `total` pods may be unavailable at once (`updateStrategy.maxUnavailable`, 1 if unset). As in OpenKruise,
 * `"5"` means 5 %, and what is no whole percentage, or more than an int64, means 0; validation refuses both in new objects.
 */
export function maxUnavailableOf(maxUnavailable: IntOrPercent | null | undefined, total: number): number {
  if (maxUnavailable === undefined || maxUnavailable === null) return 1;
  if (typeof maxUnavailable === 'number') return maxUnavailable;
  const digits = maxUnavailable.replaceAll('%', '');
  // Adding 0 turns the -0 of a small negative percentage into 0.
  const isInteger = /^[+-]?\d+$/.test(digits) && Math.abs(Number(digits)) < 2 ** 63;
  return isInteger ? Math.ceil((Number(digits) * total) / 100) + 0 : 0;
}

/** What Kubernetes finds wrong with a number or percentage that must not be negative. */
export function intOrPercentErrors(value: unknown, at: string): FieldError[] {
  if (typeof value === 'string') return percentage(value).map((problem) => invalidObject(at, value, problem));
  if (typeof value === 'number' && Number.isInteger(value)) {
    return value < 0 ? [invalid(at, value, 'must be greater than or equal to 0')] : [];
  }
  return [invalidObject(at, value, "must be an integer or percentage (e.g '5%%')")];
}
