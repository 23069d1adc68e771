import { containerOf } from '../../api/containers.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { readInjectedList } from '../../api/pod-annotations.ts';
import { injectedListKey, workingKey } from '../../api/pod-contract.ts';
import { matches } from '../../api/selector.ts';
import type { Subject } from './subject.ts';

/**
 * Why a pod is none of the set's (`sidecarset.md` 4.1); undefined if it is: selected, active, injected, and with the
 * containers that the set declares now.
 */
export function whyNotMatched(
  pod: Pod,
  { set, name, namespaces, required, hot, workingOf }: Subject,
): string | undefined {
  const { metadata = {}, status } = pod;
  if (!matches(set.spec.selector, metadata.labels)) return 'its labels do not match spec.selector';
  if (namespaces && !namespaces.has(metadata.namespace || 'default')) {
    return 'its namespace does not match spec.namespaceSelector';
  }
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return `it has ended (${status.phase})`;
  if (metadata.deletionTimestamp) return 'it is being deleted';
  const annotations = metadata.annotations ?? {};
  const injected = annotations[injectedListKey];
  if (injected !== name && !readInjectedList(injected).includes(name)) {
    return 'it was never injected: sidecars come only when a pod is created';
  }
  for (const container of required) {
    if (!containerOf(pod, container)) return `it has no container ${container}`;
  }
  if (hot.length === 0) return undefined;
  const working = workingOf(annotations[workingKey]);
  const unknown = hot.find((sidecar) => !sidecar.isNative && !working.has(sidecar.name));
  return unknown && `its annotation ${workingKey} does not say which copy of ${unknown.name} works`;
}
