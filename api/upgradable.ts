import { printMap, readMap } from './go-json.ts';
import { printSortedJsonLikeGo } from './json.ts';
import type { Reading } from './reading.ts';

/** The pod condition that says whether every set could be upgraded in place (sidecarset.md 5.3). */
export const upgradableCondition = 'SidecarSetUpgradable';

/** Set -> whether it could; values that others wrote may be anything. */
export type Upgradable = ReadonlyMap<string, unknown>;

/** Reads the condition's message. */
export function readUpgradable(message: string | undefined): Reading<Upgradable> {
  return readMap(message, (value) => ({ value }));
}

/** The condition's fields for such a message: only `false` speaks against the pod. */
export function upgradableFields(sets: Upgradable): { status: 'True' | 'False'; reason: string; message: string } {
  const message = printMap(sets, printSortedJsonLikeGo);
  return [...sets.values()].includes(false)
    ? { status: 'False', reason: 'UpdateImmutableField', message }
    : { status: 'True', reason: 'AllSidecarsetUpgradable', message };
}
