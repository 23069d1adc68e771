import type { Grant } from '../../api/grant.ts';
import type { UpgradeRecord } from '../../api/upgrade-record.ts';
import type { Plan } from './plan.ts';
import { highestUsed, podHashOf, previousOf } from './plan.ts';
import type { View } from './view.ts';

/**
 * The record of an upgrade that something else began (OpenKruise, or an agent whose record was lost): half upgraded pairs that
 * no record speaks of. It is the granted one if the pod carries that hash and every new copy the granted image.
 *
 * @returns `undefined` when no pair is half upgraded
 */
export function foundHalfWay(
  view: View,
  set: string,
  grant: Grant,
  plan: Plan,
  earlier: UpgradeRecord | undefined,
): UpgradeRecord | undefined {
  const half = plan.pairs.filter((pair) => pair.half);
  if (half.length === 0) return undefined;
  const found: Plan = {
    pairs: half.map((pair) => ({ ...pair, what: 'keep' })),
    cold: new Map(),
    changesHash: false,
  };
  const isGranted = !plan.changesHash && plan.pairs.every(({ what }) => what === 'keep' || what === 'none');
  return {
    revision: isGranted ? grant.revision : '',
    hash: podHashOf(view, set)?.hash ?? '',
    phase: 'Upgrading',
    startedAt: view.now,
    phaseAt: view.now,
    deadline: view.now + Math.max(...half.map(({ settings }) => settings.migrationTimeoutSeconds)) * 1000,
    sidecars: Object.fromEntries(half.map(({ sidecar, settings }) => [sidecar, settings])),
    previous: previousOf(view, set, found, undefined),
    emptied: [],
    highestVersion: highestUsed(view, grant, earlier).toString(),
  };
}
