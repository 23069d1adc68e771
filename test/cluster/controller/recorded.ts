import type { ContainerStatus, Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { oracle } from '../../oracle/corpus.ts';

interface Written {
  annotations: Record<string, string>;
  images: Record<string, string>;
}

/** A SidecarSet and a pod as OpenKruise's own code had them, and what it made of the pod. */
export interface Recorded {
  sidecarSet: SidecarSet;
  pod: Pod;
  out: { upgrade: Written; flip: Written; reconcile: { action: string; status: NonNullable<SidecarSet['status']> } };
}

/** One case of `upgrade.json` with a name of its own for its set, which selects pods by the label `app` of that value. */
export function recorded(id: string, name: string): Recorded {
  const found = oracle<Recorded & { id: string }>('upgrade').find((one) => one.id === id);
  if (!found) throw new Error(`there is no ${id}`);
  const { sidecarSet, pod, out } = found;
  const rename = (annotations: Record<string, string> = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(annotations).map(([key, text]) => [
        key,
        text === 's' ? name : text.replaceAll('"s"', JSON.stringify(name)),
      ]),
    );
  const written = ({ annotations, images }: Written): Written => ({ annotations: rename(annotations), images });
  return {
    sidecarSet: {
      ...sidecarSet,
      metadata: { name, annotations: sidecarSet.metadata.annotations ?? {} },
      spec: { ...sidecarSet.spec, selector: { matchLabels: { app: name } } },
    },
    pod: {
      ...pod,
      metadata: { name, labels: { app: name }, annotations: rename(pod.metadata?.annotations) },
      spec: { ...pod.spec, containers: pod.spec?.containers ?? [], nodeName: 'node-1' },
    },
    out: { ...out, upgrade: written(out.upgrade), flip: written(out.flip) },
  };
}

/**
 * The pod with the IDs of containers that the corpus leaves out: a kubelet shows them of all that ran, and counts no pod as
 * Running of which it shows none.
 */
export function withLives(pod: Pod): Pod {
  const lives = (statuses: readonly ContainerStatus[] = []): ContainerStatus[] =>
    statuses.map((one) => ({ ...one, containerID: `test://${one.name}-${one.restartCount}` }));
  const { containerStatuses, initContainerStatuses, ...others } = pod.status ?? {};
  const init = initContainerStatuses && { initContainerStatuses: lives(initContainerStatuses) };
  return { ...pod, status: { ...others, ...init, containerStatuses: lives(containerStatuses) } };
}

/** The pod as it is when OpenKruise has written this and the kubelet has done it. */
export function after(pod: Pod, { annotations, images }: Written): Pod {
  const imageOf = <T extends { name: string; image?: string }>(one: T): T => ({
    ...one,
    image: images[one.name] ?? one.image,
  });
  return {
    ...pod,
    metadata: { ...pod.metadata, annotations },
    spec: { ...pod.spec, containers: (pod.spec?.containers ?? []).map(imageOf) },
    status: {
      ...pod.status,
      containerStatuses: (pod.status?.containerStatuses ?? []).map((one) => {
        const image = images[one.name] ?? one.image;
        return image === one.image ? one : { ...one, image, imageID: `id/${image}`, restartCount: 1 };
      }),
    },
  };
}

/** Annotations without times, and without those that are Baton's own. */
export const timeless = (annotations: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(annotations)
      .filter(([key]) => !key.startsWith('baton.dev/'))
      .map(([key, text]) => [key, text.replaceAll(/<now>|\d{4}-\d\d-\d\dT[\d:]+Z/g, 'a time')]),
  );
