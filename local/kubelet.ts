import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { bareID } from '../api/containers.ts';
import { ApiError } from '../api/error.ts';
import type { ContainerStatus as ShownStatus, Pod as WirePod } from '../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../cluster/cluster.ts';
import { pods } from '../cluster/resource.ts';
import type { ContainerStatus, Image } from './container.ts';
import { type Pod, startPod } from './pod.ts';
import { containerSpec, type Images, imageOf, lastingContainers } from './pod-spec.ts';
import { podStatus, wireStatus } from './pod-status.ts';
import { makeWorkspace } from './workspace.ts';

type Stored = WirePod & KubernetesObject;

/** A node on this machine; see {@link startKubelet}. */
export interface Kubelet {
  /** The folder that `BATON_DIR` leads to in a container, while the pod runs. */
  batonDir(pod: WirePod, container: string): string | undefined;
  /** The containers as the container runtime knows them: sooner, and more, than the pod's status tells. */
  lives(pod: WirePod): ContainerStatus[];
  /** Ends this life of a container at once, as an agent does through the container runtime; the kubelet starts another. */
  stopContainer(pod: WirePod, container: string, containerID: string): void;
  logTail(pod: WirePod, container: string, lines: number): string[];
  /** The first thing that went wrong with the node itself, not with a pod's processes. */
  failure(): Error | undefined;
  /** Ends every process. Safe to call twice. */
  stop(): Promise<void>;
}

export interface KubeletOptions {
  cluster: Cluster;
  node: string;
  images: Images;
  /** An address of this machine for each pod (`status.podIP`). */
  addressOf: (pod: WirePod) => string;
  /** Folder for the containers' logs: `<namespace>/<pod>/<container>.log`. */
  logs: string;
  cwd: string;
  baseEnv: Readonly<Record<string, string>>;
}

interface Running {
  object: Stored;
  pod: Pod;
  specs: Map<string, { volume?: string }>;
  images: Map<string, Image>;
  ended: boolean;
}

/** How often a status is looked at, in milliseconds; changes wake the loop at once. */
const LOOK_MS = 1_000;

/**
 * Runs the pods of one node as processes of this machine, with the kubelet's contract: environment from annotations at each
 * start, a restart when an image changes, postStart, SIGTERM and grace, status, deletion. Pods get no probes and no volumes
 * but the one of `BATON_DIR`.
 */
export function startKubelet(options: KubeletOptions): Kubelet {
  const { cluster, node, addressOf } = options;
  const running = new Map<string, Running>();
  const over = new AbortController();
  let failure: Error | undefined;
  const tasks = new Set<Promise<void>>();

  const track = (task: Promise<void>): void => {
    const watched = task.catch((error: unknown) => {
      failure ??= error instanceof Error ? error : new Error(String(error));
    });
    tasks.add(watched);
    void watched.finally(() => tasks.delete(watched));
  };

  const imagesOf = (object: WirePod): Map<string, Image> =>
    new Map(
      lastingContainers(object).map((container) => [
        container.name,
        imageOf(container, options.images(container.image ?? '')),
      ]),
    );

  const start = (object: Stored): void => {
    const images = imagesOf(object);
    const specs = lastingContainers(object).map((container) =>
      containerSpec(object, container, images.get(container.name) ?? imageOf(container, undefined), addressOf(object)),
    );
    const logs = join(options.logs, object.metadata.namespace ?? '', object.metadata.name ?? '');
    mkdirSync(logs, { recursive: true });
    const pod = startPod({
      annotations: object.metadata.annotations ?? {},
      containers: specs,
      workspace: makeWorkspace(),
      logs,
      cwd: options.cwd,
      baseEnv: options.baseEnv,
    });
    const entry: Running = {
      object,
      pod,
      images,
      specs: new Map(specs.map((spec) => [spec.name, spec])),
      ended: false,
    };
    running.set(uidOf(object), entry);
    track(report(entry));
  };

  /** Annotations and images in one step: a container that starts because of the image sees the annotations beside it. */
  const change = (entry: Running, object: Stored): void => {
    entry.object = object;
    const images: Record<string, Image> = {};
    for (const [name, image] of imagesOf(object)) {
      if (entry.images.get(name)?.name === image.name) continue;
      images[name] = image;
      entry.images.set(name, image);
    }
    entry.pod.patch({ annotations: object.metadata.annotations ?? {}, images });
  };

  const end = async (entry: Running): Promise<void> => {
    if (entry.ended) return;
    entry.ended = true;
    await entry.pod.stop();
    running.delete(uidOf(entry.object));
    const { uid = '' } = entry.object.metadata;
    await ignoringConflict(cluster.delete(pods, keyOf(entry.object), { gracePeriodSeconds: 0, uid }));
  };

  const statusOf = ({ object, pod }: Running): NonNullable<WirePod['status']> => {
    const native = object.spec?.initContainers ?? [];
    const statuses = lastingContainers(object).map(({ name }) => {
      const status = pod.status(name);
      return wireStatus(status, shownIn(object, name), options.images(status.image) !== undefined);
    });
    const isNative = ({ name }: { name: string }): boolean => native.some((container) => container.name === name);
    return podStatus(object.status, {
      init: statuses.filter(isNative),
      containers: statuses.filter((status) => !isNative(status)),
      address: addressOf(object),
      now: Date.now(),
    });
  };

  /** Writes the status whenever it is another; on a conflict somebody else wrote, and the watch brings it. */
  const report = async (entry: Running): Promise<void> => {
    while (!entry.ended) {
      const status = statusOf(entry);
      if (!isDeepStrictEqual(status, entry.object.status)) {
        const { resourceVersion = '' } = entry.object.metadata;
        const written = await ignoringConflict(
          cluster.patch<Stored>(pods, keyOf(entry.object), { status }, { resourceVersion, subresource: 'status' }),
        );
        if (written && isNewer(written, entry.object)) entry.object = written;
        if (!written) await entry.pod.changed(10);
        continue;
      }
      await entry.pod.changed(LOOK_MS);
    }
  };

  const see = (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Stored): void => {
    const entry = running.get(uidOf(object));
    if (type === 'DELETED' || object.metadata.deletionTimestamp) {
      if (entry) track(end(entry));
    } else if (!entry) start(object);
    else if (!entry.ended && isNewer(object, entry.object)) change(entry, object);
  };

  const follow = async (): Promise<void> => {
    const fields = { 'spec.nodeName': node };
    const { items, resourceVersion } = await cluster.list<Stored>(pods, { fields });
    for (const object of items) see('ADDED', object);
    for await (const event of cluster.watch<Stored>(pods, { fields, resourceVersion, signal: over.signal })) {
      if (event.type !== 'BOOKMARK') see(event.type, event.object);
    }
  };
  track(follow());

  const find = (pod: WirePod): Running | undefined => running.get(uidOf(pod));
  return {
    batonDir(pod, container) {
      const entry = find(pod);
      const volume = entry?.specs.get(container)?.volume;
      return volume === undefined ? undefined : entry?.pod.volume(volume);
    },
    lives(pod) {
      const entry = find(pod);
      return entry ? [...entry.specs.keys()].map((name) => entry.pod.status(name)) : [];
    },
    stopContainer(pod, container, containerID) {
      const found = find(pod)?.pod;
      if (found && bareID(found.status(container).containerID) === bareID(containerID)) found.kill(container, 0);
    },
    logTail: (pod, container, lines) => find(pod)?.pod.logTail(container, lines) ?? [],
    failure: () => failure,
    async stop() {
      over.abort();
      for (const entry of running.values()) {
        entry.ended = true;
        track(entry.pod.stop());
      }
      await Promise.all(tasks);
    },
  };
}

const uidOf = ({ metadata }: WirePod): string => metadata?.uid ?? '';
const keyOf = ({ metadata }: Stored): { namespace: string; name: string } => ({
  namespace: metadata.namespace ?? '',
  name: metadata.name ?? '',
});

const shownIn = ({ status }: Stored, name: string): ShownStatus | undefined =>
  [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])].find((shown) => shown.name === name);

const isNewer = (one: Stored, other: Stored): boolean =>
  BigInt(one.metadata.resourceVersion ?? 0) > BigInt(other.metadata.resourceVersion ?? 0);

/** Somebody else wrote the object, or it is gone. */
const ignoringConflict = async <T>(request: Promise<T>): Promise<T | undefined> => {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ApiError && ['ERR_BATON_CONFLICT', 'ERR_BATON_NOT_FOUND'].includes(error.code))
      return undefined;
    throw error;
  }
};
