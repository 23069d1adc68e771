import { findContainer } from '../api/containers.ts';
import type { Pod } from '../api/kubernetes.ts';
import type { Runtime } from './cri/client.ts';
import { connectRuntime, isConclusive } from './cri/client.ts';
import type { ImageNames, NodeImages } from './hot-upgrade/view.ts';
import { grantsOn, recordsOn } from './hot-upgrade/view.ts';
import { kubeletStart } from './kubelet-start.ts';
import type { BindDatagrams } from './notifications/datagram-socket.ts';
import { createNotifications } from './notifications/notifications.ts';
import { stateFilesOf } from './pod-directory/state-files.ts';
import { createPulls, type PullReport } from './pulls.ts';
import type { NodeAccess } from './upgrader.ts';

export interface NodeAccessOptions {
  /**
   * Path of the container runtime's CRI socket. Without it nothing is pulled ahead, no container stopped, and the pod's status is
   * all that is known of containers.
   */
  criSocket?: string;
  /**
   * The kubelet's `--root-dir`, as this process sees it; of it only `pods` and, where it is there, `pod-resources` are used.
   * Without it no state file is read: the end of the postStart hook is what tells that a new copy serves.
   */
  kubeletRoot?: string;
  /** Without it state files are only polled. */
  bind?: BindDatagrams | undefined;
  /** Wall-clock milliseconds. */
  now: () => number;
  onPull: (report: PullReport) => void;
  /** There is something to look at: a pull has ended, or a sidecar wrote its state file. */
  onNews: () => void;
  /** What was begun for a pod failed; looks tell their errors themselves. */
  onError: (pod: Pod, error: unknown) => void;
}

/** A real node, for the agent that runs on it. */
export interface RealNode extends NodeAccess {
  /** What the container runtime is, for example `containerd 1.6.20`; undefined without one. Rejects with `ERR_BATON_RUNTIME`. */
  runtimeVersion(): Promise<string | undefined>;
  /** Closes and removes the sockets in pods' volumes, and abandons pulls. */
  close(): void;
}

/** Joins the container runtime, the pods' volumes and the sidecars' notices to what an upgrader needs of its node. */
export function openNode(options: NodeAccessOptions): RealNode {
  const { criSocket, kubeletRoot, bind, now, onPull, onNews, onError } = options;
  const runtime = criSocket === undefined ? undefined : connectRuntime(criSocket);
  const pulls =
    runtime &&
    createPulls({
      pullImage: (image) => runtime.pullImage(image),
      isConclusive,
      now,
      onPull(report) {
        onPull(report);
        onNews();
      },
    });
  const notifications =
    kubeletRoot !== undefined && bind
      ? createNotifications({ kubeletRoot, bind, now, onNotice: onNews, onError })
      : undefined;
  /** Containers that are being stopped. */
  const stopping = new Set<string>();

  return {
    async look(pod) {
      const containers = runtime && (await lives(runtime, pod));
      // After the containers: a tag that moved meanwhile would make a container look as if it ran another image than wanted.
      const images = runtime && (await imagesOn(runtime, pod));
      const started = kubeletRoot === undefined ? undefined : kubeletStart(kubeletRoot);
      return {
        // Last, so that a heartbeat is no older than the look.
        stateFiles: kubeletRoot === undefined ? new Map() : stateFilesOf(kubeletRoot, pod),
        ...(containers && { runtime: containers }),
        ...(images && pulls && { images: { present: images, pulls: pulls.seen() } satisfies NodeImages }),
        ...(started !== undefined && { kubeletStartedAt: started }),
      };
    },
    attend: (pods, underWay) => notifications?.attend(pods, underWay),
    pull: (image) => pulls?.begin(image),
    stopContainer(pod, _, id) {
      if (!runtime || stopping.has(id)) return;
      stopping.add(id);
      runtime
        .stopContainer(pod.metadata?.uid ?? '', id)
        .catch((error: unknown) => onError(pod, error))
        .finally(() => stopping.delete(id));
    },
    runtimeVersion: async () => runtime?.version(),
    close() {
      notifications?.close();
      runtime?.close();
    },
  };
}

const lives = (runtime: Runtime, pod: Pod): ReturnType<Runtime['containersOf']> =>
  runtime.containersOf(pod.metadata?.uid ?? '');

/** Those of the images that an upgrade of the pod may need that are on the node. */
async function imagesOn(runtime: Runtime, pod: Pod): Promise<NodeImages['present']> {
  const granted = [...grantsOn(pod).values()].flatMap(({ sidecars }) => Object.values(sidecars));
  const records = [...recordsOn(pod).values()];
  const recorded = records.flatMap(({ sidecars }) => Object.values(sidecars));
  const changed = records.flatMap(({ previous }) => Object.keys(previous.images));
  const names = new Set([
    ...granted.map(({ image }) => image),
    ...[...granted, ...recorded].map((one) => one.emptyImage),
    ...changed.map((name) => findContainer(pod, name)?.container.image),
  ]);
  const asked = [...names].filter((name) => name !== undefined);
  const found = await Promise.all(asked.map((name) => runtime.image(name)));
  return new Map(
    asked.flatMap((name, index): [string, ImageNames][] => {
      const image = found[index];
      return image ? [[name, image]] : [];
    }),
  );
}
