import { safeEncode } from '../../api/hash.ts';
import type { ControllerRevision } from '../../api/kubernetes.ts';
import { revisionLabels } from '../../api/revision-labels.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { revisionData } from './data.ts';

/** The longest part of a set's name that goes into a revision's name. */
const MAX_PREFIX = 223;

/**
 * The ControllerRevision that records a set's spec as it is now.
 *
 * @param set - as stored, with both hash annotations
 * @param placement - `namespace` of all revisions, the `revision` number, and how many names were taken before this one
 */
export function newRevision(
  set: SidecarSet,
  placement: { namespace: string; revision: number; collisionCount: number },
): ControllerRevision {
  const data = revisionData(set);
  const hash = nameHash(data, placement.collisionCount);
  const { name = '', uid = '', labels, annotations } = set.metadata;
  const { customVersion } = set.spec;
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${name.slice(0, MAX_PREFIX)}-${hash}`,
      namespace: placement.namespace,
      labels: {
        ...labels,
        [revisionLabels.hash]: hash,
        [revisionLabels.set]: name,
        ...(customVersion ? { [revisionLabels.customVersion]: customVersion } : {}),
      },
      annotations: { ...annotations },
      ownerReferences: [
        {
          apiVersion: 'apps.kruise.io/v1beta1',
          kind: 'SidecarSet',
          name,
          uid,
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
    },
    data: JSON.parse(data) as Record<string, unknown>,
    revision: placement.revision,
  };
}

/**
 * The hash in a revision's name: FNV-1 with 32 bits over the data's bytes and then the collision count's digits (also for
 * 0), in decimal digits, safely encoded.
 */
export function nameHash(data: string, collisionCount: number): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${data}${collisionCount}`)) hash = Math.imul(hash, 0x01000193) ^ byte;
  return safeEncode(String(hash >>> 0));
}
