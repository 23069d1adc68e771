import { own } from '../../api/json.ts';

/** A pod's labels; `undefined` where a list of pods has a gap. */
export type Labels = Readonly<Record<string, string>> | undefined;

/** A label that scatters the pods that carry it; the value `*` stands for every value of the key. */
export interface ScatterTerm {
  key: string;
  value: string;
}

/**
 * Spreads the pods that match a term evenly over the order, one term after the other (`sidecarset.md` 4.3). Takes time in
 * proportion to pods times those terms that several waiting pods match, each value that `*` stands for being a term.
 *
 * @param waiting - indexes into `pods`, in the order so far
 * @param pods - labels of all matched pods: how many there are in all decides how dense the groups are
 */
export function scatter(waiting: readonly number[], pods: readonly Labels[], terms: readonly ScatterTerm[]): number[] {
  const columns = new Map<string, Column>();
  const columnOf = (key: string): Column => {
    const column = columns.get(key) ?? readColumn(waiting, pods, key);
    columns.set(key, column);
    return column;
  };
  let order: Uint32Array = Uint32Array.from(waiting);
  for (const { key, value } of usedTerms(waiting, pods, terms)) order = spread(order, columnOf(key), value);
  return [...order];
}

/** The terms with each `*` replaced by the values that there are, in the order of first sight, none twice. */
export function expandTerms(pods: readonly Labels[], terms: readonly ScatterTerm[]): ScatterTerm[] {
  const expanded = terms.flatMap((term) => {
    if (term.value !== '*') return [term];
    const values = new Set(pods.map((labels) => own(labels, term.key)));
    return [...values].filter((value) => value !== undefined).map((value) => ({ key: term.key, value }));
  });
  return [...new Map(expanded.map(({ key, value }) => [JSON.stringify([key, value]), { key, value }])).values()];
}

/**
 * The terms to apply: a single one in any case, of several those that waiting pods match, the most frequent first. Only here
 * a missing label is no empty one, as in OpenKruise.
 */
export function usedTerms(
  waiting: readonly number[],
  pods: readonly Labels[],
  terms: readonly ScatterTerm[],
): ScatterTerm[] {
  if (waiting.length <= 1) return [];
  const expanded = expandTerms(pods, terms);
  if (expanded.length <= 1) return expanded;
  const counts = new Map<string, Map<string, number>>();
  for (const { key } of expanded) {
    if (!counts.has(key)) counts.set(key, countValues(waiting, pods, key));
  }
  const countOf = ({ key, value }: ScatterTerm): number => counts.get(key)?.get(value) ?? 0;
  return expanded.filter((term) => countOf(term) > 0).sort((a, b) => countOf(b) - countOf(a));
}

function countValues(waiting: readonly number[], pods: readonly Labels[], key: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const index of waiting) {
    const value = own(pods[index], key);
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

/** Spreads the pods of one term. */
export const scatterByTerm = (waiting: readonly number[], pods: readonly Labels[], term: ScatterTerm): number[] => [
  ...spread(Uint32Array.from(waiting), readColumn(waiting, pods, term.key), term.value),
];

/** One label of all pods, with a number for each of its values: terms are compared with every waiting pod. */
interface Column {
  numbers: ReadonlyMap<string, number>;
  /** The number of each pod's value. */
  values: Uint32Array;
  /** How many waiting pods, and how many pods in all, have each of the values. */
  waiting: Uint32Array;
  total: Uint32Array;
  /** How many pods there are. */
  existing: number;
}

/** A missing label counts as an empty one. */
function readColumn(waiting: readonly number[], pods: readonly Labels[], key: string): Column {
  const numbers = new Map<string, number>();
  const values = Uint32Array.from(pods, (labels) => {
    const value = own(labels, key) ?? '';
    const number = numbers.get(value) ?? numbers.size;
    numbers.set(value, number);
    return number;
  });
  const count = (indexes: Iterable<number>): Uint32Array => {
    const counts = new Uint32Array(numbers.size);
    for (const index of indexes) {
      const number = values[index] ?? 0;
      counts[number] = (counts[number] ?? 0) + 1;
    }
    return counts;
  };
  const existing = [...pods.keys()].filter((index) => pods[index] !== undefined);
  return { numbers, values, waiting: count(waiting), total: count(existing), existing: existing.length };
}

/** Spreads the pods with one value; the last of them stays last, so that the term is under way from start to end. */
function spread(waiting: Uint32Array, column: Column, value: string): Uint32Array {
  const { values, total, existing } = column;
  const number = column.numbers.get(value);
  const count = number === undefined ? 0 : (column.waiting[number] ?? 0);
  if (number === undefined || count <= 1 || waiting.length - count <= 1) return waiting;

  const matched = new Uint32Array(count);
  const others = new Uint32Array(waiting.length - count);
  let [matchedCount, othersCount] = [0, 0];
  for (const index of waiting) {
    if (values[index] === number) matched[matchedCount++] = index;
    else others[othersCount++] = index;
  }
  const totalMatched = (total[number] ?? 0) - 1;
  const groups = chooseGroups(count - 1, others.length, totalMatched, existing - totalMatched - 1);

  const order = new Uint32Array(waiting.length);
  let end = 0;
  const take = (from: Uint32Array, start: number, stop: number): number => {
    const taken = from.subarray(start, stop);
    order.set(taken, end);
    end += taken.length;
    return start + taken.length;
  };
  let nextMatched = 0;
  let nextOthers = take(others, 0, groups.lead);
  for (let group = 0; group < groups.count; group++) {
    nextMatched = take(matched, nextMatched, Math.min(nextMatched + groups.matched, count - 1));
    nextOthers = take(others, nextOthers, nextOthers + groups.others);
  }
  const last = take(matched, nextMatched, count - 1);
  take(others, nextOthers, others.length);
  take(matched, last, count);
  return order;
}

interface Groups {
  /** How many of the others come before the first group. */
  lead: number;
  count: number;
  matched: number;
  others: number;
}

/** The density is that of all pods, so that it stays the same while a rollout goes on; fewer others make it tighter. */
function chooseGroups(matched: number, others: number, totalMatched: number, totalOthers: number): Groups {
  const ratio = (part: number, whole: number): number => Math.fround(Math.fround(part) / Math.fround(whole));
  if (ratio(totalOthers, totalMatched) >= ratio(others, matched)) return { lead: 0, ...split(matched, others) };
  const sizes = split(totalMatched, totalOthers);
  const count = Math.min(Math.floor(matched / sizes.matched), Math.floor(others / sizes.others));
  return { ...sizes, count, lead: others - count * sizes.others };
}

function split(matched: number, others: number): Omit<Groups, 'lead'> {
  const count = Math.min(matched, others);
  return { count, matched: Math.round(matched / count), others: Math.round(others / count) };
}
