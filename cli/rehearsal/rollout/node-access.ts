import { readdirSync } from 'node:fs';
import { bareID } from '../../../api/containers.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { copies, type StateFile } from '../../../api/pod-contract.ts';
import type { Pull, RuntimeContainer } from '../../../agent/hot-upgrade/view.ts';
import type { NodeAccess } from '../../../agent/upgrader.ts';
import type { ContainerStatus } from '../../../local/container.ts';
import type { Kubelet } from '../../../local/kubelet.ts';
import { lastingContainers } from '../../../local/pod-spec.ts';
import { readStateFile } from '../../../local/state-file.ts';

/**
 * What an agent sees and does on the embedded node. `images` are there already; any other one is in no registry.
 *
 * @param onPulled - called when a pull has ended
 */
export function nodeAccess(kubelet: Kubelet, images: readonly string[], onPulled: () => void): NodeAccess {
  const present = new Map(images.map((image) => [image, [image]]));
  const pulls = new Map<string, Pull>();
  return {
    look: (pod) =>
      Promise.resolve({
        stateFiles: stateFilesOf(kubelet, pod),
        runtime: new Map(kubelet.lives(pod).map((life) => [life.name, asRuntime(life)])),
        images: { present, pulls },
      }),
    // Its agent looks often enough, and needs no waking up.
    attend: () => undefined,
    pull(image) {
      const since = Date.now();
      const absent = { state: 'absent', since, message: 'the scenario has no image of this name' } as const;
      pulls.set(image, present.has(image) ? { state: 'pulled', since } : absent);
      onPulled();
    },
    stopContainer: (pod, container, id) => kubelet.stopContainer(pod, container, id),
  };
}

/** Of every sidecar that has both copies and a folder for them. */
function stateFilesOf(kubelet: Kubelet, pod: Pod): Map<string, StateFile[]> {
  const names = new Set(lastingContainers(pod).map(({ name }) => name));
  const files = new Map<string, StateFile[]>();
  for (const name of names) {
    const sidecar = name.replace(/-1$/, '');
    const directory = kubelet.batonDir(pod, name);
    if (directory !== undefined && name !== sidecar && copies(sidecar).every((copy) => names.has(copy))) {
      files.set(sidecar, readAll(directory));
    }
  }
  return files;
}

function readAll(directory: string): StateFile[] {
  return readdirSync(directory).flatMap((file) => {
    const version = /^(\d{1,20})\.json$/.exec(file)?.[1];
    return (version !== undefined && readStateFile(directory, version)) || [];
  });
}

function asRuntime({ containerID, state, lastExit }: ContainerStatus): RuntimeContainer {
  const isRunning = state.type === 'running' && state.pid > 0;
  return {
    id: bareID(containerID),
    running: isRunning,
    ...(isRunning && { startedAt: state.startedAt }),
    exits: lastExit
      ? [
          {
            id: bareID(lastExit.containerID),
            startedBy: lastExit.startedAt,
            reason: lastExit.reason,
            exitCode: lastExit.code ?? undefined,
          },
        ]
      : [],
  };
}
