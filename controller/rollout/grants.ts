import { printTime, readMap } from '../../api/go-json.ts';
import { hotDefaults, printGrants, readGrants, type Grant, type GrantedSidecar } from '../../api/grant.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { grantKey, upgradeKey } from '../../api/pod-contract.ts';
import { patchAnnotations } from '../../api/pod-metadata.ts';
import { valueOr } from '../../api/reading.ts';
import { readRecords } from '../../api/upgrade-record.ts';
import { isUnclaimed, wellFormed } from './facts.ts';
import { annotationPatch, podWrite, type PodWrite } from './pod-write.ts';
import type { Sidecar, Subject } from './subject.ts';

/**
 * A grant for one pod (design section 3).
 *
 * @param now - milliseconds since the epoch
 */
export function grantOf(
  pod: Pod,
  subject: Subject,
  { now, controllerRevision }: { now: number; controllerRevision?: string },
): Grant {
  const { set, hash, attempt, sidecarList, sidecars } = subject;
  const annotations = pod.metadata?.annotations ?? {};
  const { patchPodMetadata } = set.spec;
  const patched = patchPodMetadata ? patchAnnotations(annotations, patchPodMetadata).annotations : {};
  const podAnnotations = Object.entries(patched).filter(([key, value]) => annotations[key] !== value);
  return {
    v: 1,
    revision: attempt,
    hash,
    ...(controllerRevision && { controllerRevision }),
    version: set.metadata.resourceVersion ?? '0',
    sidecarList,
    sidecars: Object.fromEntries(sidecars.map((sidecar) => [sidecar.name, granted(sidecar)])),
    ...(podAnnotations.length > 0 && { podAnnotations: Object.fromEntries(podAnnotations) }),
    grantedAt: printTime(now),
  };
}

function granted({ image, emptyImage, declared }: Sidecar): GrantedSidecar {
  if (emptyImage === undefined) return { image };
  const { migrationTimeoutSeconds, drainTimeoutSeconds, soakSeconds, rollback } = {
    ...hotDefaults,
    ...declared.upgradeStrategy,
  };
  return { image, emptyImage, migrationTimeoutSeconds, drainTimeoutSeconds, soakSeconds, rollback };
}

/** Gives a grant; those on the pod that an agent is done with go with the same write. */
export function grantWrite(pod: Pod, { name }: Subject, grant: Grant): PodWrite {
  return podWrite(pod, annotationPatch(pod, { [grantKey]: printGrants(openGrants(pod).set(name, grant)) }));
}

/** Takes a grant back that no agent has claimed. */
export function withdrawal(pod: Pod, { name }: Pick<Subject, 'name'>): PodWrite {
  return podWrite(pod, annotationPatch(pod, { [grantKey]: grantsWithout(pod, name) }));
}

/** The annotation without this set's grant, and without those that an agent is done with. */
export function grantsWithout(pod: Pod, set: string): string | undefined {
  const grants = openGrants(pod);
  grants.delete(set);
  return grants.size > 0 ? printGrants(grants) : undefined;
}

/** Whether the pod has a grant of this set that no agent has claimed; for sets that are gone. */
export function hasUnclaimedGrant({ metadata }: Pod, set: string): boolean {
  const annotations = metadata?.annotations ?? {};
  const grant = wellFormed(readGrants(annotations[grantKey])).get(set);
  const record = wellFormed(readRecords(annotations[upgradeKey])).get(set);
  return grant !== undefined && isUnclaimed(grant, record);
}

/** Without those that an agent is done with; what cannot be read (a newer controller's) stays as it is. */
function openGrants(pod: Pod): Map<string, unknown> {
  const annotations = pod.metadata?.annotations ?? {};
  const records = wellFormed(readRecords(annotations[upgradeKey]));
  const grants = wellFormed(readGrants(annotations[grantKey]));
  const isOpen = (set: string): boolean => {
    const [grant, record] = [grants.get(set), records.get(set)];
    return grant === undefined || record?.revision !== grant.revision || record.result === undefined;
  };
  const written = valueOr(
    readMap(annotations[grantKey], (value) => ({ value })),
    new Map<string, unknown>(),
  );
  return new Map([...written].filter(([set]) => isOpen(set)));
}
