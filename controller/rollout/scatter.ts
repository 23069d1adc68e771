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
 * proportion to pods times terms, each value that `*` stands for being a term.
 *
 * @param waiting - indexes into `pods`, in the order so far
 * @param pods - labels of all matched pods: how many there are in all decides how dense the groups are
 */
export function scatter(waiting: readonly number[], pods: readonly Labels[], terms: readonly ScatterTerm[]): number[] {
  return usedTerms(waiting, pods, terms).reduce((order, term) => scatterByTerm(order, pods, term), [...waiting]);
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

/** A missing label counts as an empty one. */
const has = (labels: Labels, { key, value }: ScatterTerm): boolean => (own(labels, key) ?? '') === value;

/** Spreads the pods of one term; the last of them stays last, so that the term is under way from start to end. */
export function scatterByTerm(waiting: readonly number[], pods: readonly Labels[], term: ScatterTerm): number[] {
  const matched = waiting.filter((index) => has(pods[index], term));
  const others = waiting.filter((index) => !has(pods[index], term));
  if (matched.length <= 1 || others.length <= 1) return [...waiting];

  const existing = pods.filter((labels) => labels !== undefined);
  const totalMatched = existing.filter((labels) => has(labels, term)).length - 1;
  const totalOthers = existing.length - totalMatched - 1;
  const last = matched.splice(-1);
  const groups = chooseGroups(matched.length, others.length, totalMatched, totalOthers);

  const order = others.splice(0, groups.lead);
  for (let group = 0; group < groups.count; group++) {
    order.push(...matched.splice(0, groups.matched), ...others.splice(0, groups.others));
  }
  return order.concat(matched, others, last);
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
