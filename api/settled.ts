import { lifeOf } from './containers.ts';
import { podHashOf } from './hash-entry.ts';
import type { Pod } from './kubernetes.ts';
import { printInPlaceStates, readInPlaceStates, type Annotations } from './pod-annotations.ts';
import { hashKey, inPlaceStateKey, upgradeKey } from './pod-contract.ts';
import { isRenewed, readRecords } from './upgrade-record.ts';

/**
 * A pod's annotations for the next change of a set, without the image IDs that were recorded of containers which are known to be
 * new since. Once that change has written its own hash and record, nothing tells it any more: an idle copy whose empty image is
 * the sidecar's own under a second tag would wait for another image ID for ever.
 */
export function settledAnnotations(pod: Pod, set: string): Annotations {
  const annotations = pod.metadata?.annotations ?? {};
  const states = readInPlaceStates(annotations[inPlaceStateKey]);
  const records = readRecords(annotations[upgradeKey]);
  const state = 'problem' in states ? undefined : states.value.get(set);
  const record = 'problem' in records ? undefined : records.value.get(set);
  if ('problem' in states || !state || !record || 'problem' in record) return annotations;
  const { hash } = podHashOf(annotations[hashKey], set);
  const kept = [...state.imageIDs].filter(([name]) => !isRenewed(record.value, hash, lifeOf(pod, name), name));
  if (kept.length === state.imageIDs.size) return annotations;
  const next = new Map(states.value).set(set, { ...state, imageIDs: new Map(kept) });
  return { ...annotations, [inPlaceStateKey]: printInPlaceStates(next) };
}
