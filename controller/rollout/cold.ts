import { findContainer, statusOf } from '../../api/containers.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { rolesOf } from '../../api/hot-pair.ts';
import { upgradedAnnotations } from '../../api/pod-annotations.ts';
import { patchAnnotations } from '../../api/pod-metadata.ts';
import { grantKey } from '../../api/pod-contract.ts';
import { settledAnnotations } from '../../api/settled.ts';
import type { JsonPatch } from '../../cluster/cluster.ts';
import { grantsWithout } from './grants.ts';
import { annotationPatch, podWrite, type PodWrite } from './pod-write.ts';
import type { Sidecar, Subject } from './subject.ts';

/**
 * The one write of a cold upgrade (`sidecarset.md` 3.3 and 4.8): images, hash, the image IDs until now, and last
 * `patchPodMetadata`; the set's grant goes. Nothing else of the pod is touched (Q24). The resourceVersion keeps a pod without a node without one.
 *
 * @param controllerRevision - the newest revision's name
 * @param now - milliseconds since the epoch
 */
export function coldWrite(
  pod: Pod,
  subject: Subject,
  { now, controllerRevision }: { now: number; controllerRevision?: string },
): PodWrite {
  const { name, hash, sidecarList, set } = subject;
  const images: JsonPatch = [];
  const imageIDs = new Map<string, string>();
  for (const sidecar of subject.sidecars) {
    const container = containerOf(pod, sidecar);
    const found = container === undefined ? undefined : findContainer(pod, container);
    if (!found || found.container.image === sidecar.image) continue;
    images.push({ op: 'replace', path: `${found.path}/image`, value: sidecar.image });
    imageIDs.set(found.container.name, statusOf(pod, found.container.name)?.imageID ?? '');
  }
  const annotations = pod.metadata?.annotations ?? {};
  const upgrade = { set: name, hash, sidecarList, imageIDs, now, ...(controllerRevision && { controllerRevision }) };
  const upgraded = upgradedAnnotations(settledAnnotations(pod, name), upgrade);
  const { patchPodMetadata } = set.spec;
  const changes = patchPodMetadata
    ? patchAnnotations({ ...annotations, ...upgraded }, patchPodMetadata).annotations
    : upgraded;
  // An agent would take a grant that it is done with for one that was undone, and carry it out again.
  return podWrite(pod, [...images, ...annotationPatch(pod, { ...changes, [grantKey]: grantsWithout(pod, name) })]);
}

/** The container that gets the image; a hot sidecar's only while the pod is on no node, when none of its copies runs. */
function containerOf(pod: Pod, { name, emptyImage }: Sidecar): string | undefined {
  if (emptyImage === undefined) return name;
  if (pod.spec?.nodeName) return undefined;
  const image = (container: string): string | undefined => findContainer(pod, container)?.container.image;
  return rolesOf({ sidecar: name, emptyImage, annotations: pod.metadata?.annotations ?? {}, image })?.working;
}
