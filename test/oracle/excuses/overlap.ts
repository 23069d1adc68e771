import type { LabelSelector } from '../../../api/kubernetes.ts';

/** Q16: one selector demands that a key exists, of which the other demands no value; OpenKruise calls that disjoint. */
export function q16(a: LabelSelector, b: LabelSelector): boolean {
  return existsUnmentioned(a, b) || existsUnmentioned(b, a);
}

const existsUnmentioned = (a: LabelSelector, b: LabelSelector): boolean =>
  (a.matchExpressions ?? []).some(({ key, operator }) => operator === 'Exists' && !mentions(b, key));

const mentions = ({ matchLabels = {}, matchExpressions = [] }: LabelSelector, key: string): boolean =>
  Object.hasOwn(matchLabels, key) ||
  matchExpressions.some((one) => one.key === key && (one.operator === 'In' || one.operator === 'Exists'));
