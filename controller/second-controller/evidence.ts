import type { Lease, Pod } from '../../api/kubernetes.ts';

/** The Lease of OpenKruise's leader, in the namespace that OpenKruise is installed in. */
export const managerLease = 'kruise-manager';
/** Labels of the pods of OpenKruise's manager, and of many others. */
export const managerLabels = { 'control-plane': 'controller-manager' };

/** What shows whether another controller acts on SidecarSets. */
export interface Evidence {
  /** Pods with {@link managerLabels}. */
  pods: readonly Pod[];
  /** OpenKruise's, if there is one; `unchanged`: for how many milliseconds nobody has been seen to renew it. */
  lease?: { lease: Lease; unchanged: number } | undefined;
  /** Wall-clock milliseconds. */
  now: number;
}

/** Another controller that acts on SidecarSets, or may at any moment. */
export interface SecondController {
  /** What shows it, in words for people. */
  message: string;
  /** In milliseconds, when nothing shows it any more unless there is news. */
  until?: number;
}

/**
 * Who else acts on SidecarSets: a pod of OpenKruise's manager that is not over, wherever it is, or else a Lease that is held. A
 * pod counts before it is ready and until it is gone: between two leaders of OpenKruise's there is no moment for Baton.
 */
export function secondController({ pods, lease, now }: Evidence): SecondController | undefined {
  const manager = pods.find(isManager);
  if (manager) {
    const { namespace = '', name = '' } = manager.metadata ?? {};
    return { message: `OpenKruise’s controller runs: pod ${namespace}/${name}` };
  }
  if (!lease) return undefined;
  const until = heldFor(lease.lease, lease.unchanged, now);
  if (until <= 0) return undefined;
  const { metadata, spec } = lease.lease;
  const who = `lease ${metadata?.namespace ?? ''}/${metadata?.name ?? ''} of ${spec?.holderIdentity ?? ''}`;
  return { message: `OpenKruise’s controller leads: ${who}`, until };
}

export const isManager = ({ spec, status }: Pod): boolean =>
  status?.phase !== 'Succeeded' &&
  status?.phase !== 'Failed' &&
  (spec?.containers ?? []).some(({ image = '' }) => /kruise-manager/.test(image));

/** As client-go has it, where a Lease does not say it; in milliseconds. */
const LEASE = 15_000;
/** No two clocks of a cluster are that far apart; in milliseconds. */
const LONG_PAST = 600_000;

/** OpenKruise's manager keeps its name in the Lease when it ends: what was not renewed for its time is nobody's. */
function heldFor({ spec = {} }: Lease, unchanged: number, now: number): number {
  const { holderIdentity = '', leaseDurationSeconds, renewTime } = spec;
  if (holderIdentity === '') return 0;
  if (renewTime !== undefined && now - Date.parse(renewTime) > LONG_PAST) return 0;
  return (leaseDurationSeconds === undefined ? LEASE : leaseDurationSeconds * 1000) - unchanged;
}
