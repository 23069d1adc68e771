import type { Pod } from '../../api/kubernetes.ts';
import type { Annotations } from '../../api/pod-annotations.ts';
import type { JsonPatch } from '../../cluster/cluster.ts';

/** One write to one pod, made from what the pod was at this resourceVersion, which is its precondition. */
export interface PodWrite {
  namespace: string;
  name: string;
  resourceVersion: string;
  patch: JsonPatch;
}

export function podWrite({ metadata = {} }: Pod, patch: JsonPatch): PodWrite {
  const { namespace = '', name = '', resourceVersion = '' } = metadata;
  return { namespace: namespace || 'default', name, resourceVersion, patch };
}

/** The same, its patch made when it is asked for: of a great plan most writes wait for a later one. */
export function podWriteLater(pod: Pod, make: () => PodWrite): PodWrite {
  let patch: JsonPatch | undefined;
  const { namespace, name, resourceVersion } = podWrite(pod, []);
  return {
    namespace,
    name,
    resourceVersion,
    get patch() {
      return (patch ??= make().patch);
    },
  };
}

/** The operations that make these annotations of the pod's; `undefined` removes one. */
export function annotationPatch(pod: Pod, changes: Readonly<Record<string, string | undefined>>): JsonPatch {
  const current: Annotations | undefined = pod.metadata?.annotations;
  const patch: JsonPatch = current ? [] : [{ op: 'add', path: '/metadata/annotations', value: {} }];
  for (const [key, value] of Object.entries(changes)) {
    const path = `/metadata/annotations/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (value === current?.[key]) continue;
    patch.push(value === undefined ? { op: 'remove', path } : { op: 'add', path, value });
  }
  return patch;
}
