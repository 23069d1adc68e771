import { own } from '../../api/json.ts';
import { isEmptySelector, matches } from '../../api/selector.ts';
import type { UpdateStrategy } from '../../api/sidecar-set.ts';
import type { Labels } from './scatter.ts';

type PriorityStrategy = NonNullable<UpdateStrategy['priorityStrategy']>;

/** Where a pod stands: the lower, the earlier; compared field by field. */
type Rank = readonly [level: number, value: bigint];

/**
 * A comparison of pods by `updateStrategy.priorityStrategy`, for a stable sort (`sidecarset.md` 4.3). Weights decide if there
 * are any, else the ordered keys. A pod that has none of these keys comes first (Q8).
 */
export function comparePriority({ weightPriority, orderPriority }: PriorityStrategy): (a: Labels, b: Labels) => number {
  const rank = weightPriority?.length ? rankByWeight(weightPriority) : rankByOrder(orderPriority ?? []);
  const ranks = new Map<Labels, Rank>();
  const rankOf = (labels: Labels): Rank => {
    const known = ranks.get(labels) ?? rank(labels);
    ranks.set(labels, known);
    return known;
  };
  return (a, b) => {
    const [first, second] = [rankOf(a), rankOf(b)];
    if (first[0] !== second[0]) return first[0] - second[0];
    return first[1] === second[1] ? 0 : first[1] < second[1] ? -1 : 1;
  };
}

function rankByWeight(terms: NonNullable<PriorityStrategy['weightPriority']>): (labels: Labels) => Rank {
  const decided = terms.filter(({ matchSelector }) => !isEmptySelector(matchSelector) && isValid(matchSelector));
  return (labels) => [
    -decided.reduce((sum, { weight, matchSelector }) => sum + (matches(matchSelector, labels) ? weight : 0), 0),
    0n,
  ];
}

/** A term with a selector that cannot be read is ignored, as in OpenKruise. */
function isValid(selector: Parameters<typeof matches>[0]): boolean {
  try {
    matches(selector, {});
    return true;
  } catch {
    return false;
  }
}

function rankByOrder(keys: NonNullable<PriorityStrategy['orderPriority']>): (labels: Labels) => Rank {
  return (labels) => {
    const level = keys.findIndex(({ orderedKey }) => own(labels, orderedKey) !== undefined);
    const value = own(labels, keys[level]?.orderedKey ?? '') ?? '';
    return [level, level < 0 ? 0n : -trailingNumber(value)];
  };
}

/** The digits at a label's end; a number that Go's int64 cannot hold counts as none. */
function trailingNumber(value: string): bigint {
  const number = BigInt(/\d*$/.exec(value)?.[0] ?? '');
  return number < 2n ** 63n ? number : 0n;
}
