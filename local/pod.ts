import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { env as names } from '../api/pod-contract.ts';
import type { BackOff } from './back-off.ts';
import { rehearsalBackOff } from './back-off.ts';
import type { Container, ContainerStatus, Image } from './container.ts';
import { runContainer } from './container.ts';
import { startGuardian } from './guardian.ts';
import { logTail } from './log-tail.ts';
import type { Workspace } from './workspace.ts';

/** One container of a pod that is to run locally. */
export interface ContainerSpec {
  name: string;
  image: Image;
  /** Set in every life, whatever the image. */
  env?: Readonly<Record<string, string>>;
  /** Variable -> annotation key, read at each start (the downward API). */
  envFromAnnotations?: Readonly<Record<string, string>>;
  /** Folder shared with the containers that name the same one; its path is the container's `BATON_DIR`. */
  volume?: string;
  /** Milliseconds between SIGTERM and SIGKILL. */
  grace: number;
}

export interface PodOptions {
  annotations: Readonly<Record<string, string>>;
  containers: readonly ContainerSpec[];
  /** Where the pod lives; {@link Pod.stop} removes it. */
  workspace: Workspace;
  /** Folder for `<container>.log`; what an earlier pod left there is emptied. */
  logs: string;
  /** Working directory of every process. */
  cwd: string;
  /** What every process inherits. */
  baseEnv: Readonly<Record<string, string>>;
  backOff?: BackOff;
}

/** Annotations and images that change together: a process started by the change sees all of it. */
export interface PodPatch {
  annotations?: Readonly<Record<string, string>>;
  images?: Readonly<Record<string, Image>>;
}

/** A pod that runs as local processes. */
export interface Pod {
  annotations(): Readonly<Record<string, string>>;
  status(container: string): ContainerStatus;
  /** The path of a {@link ContainerSpec.volume}. */
  volume(name: string): string;
  patch(patch: PodPatch): void;
  /** Ends a container's present life within `grace` milliseconds; it is restarted. */
  kill(container: string, grace: number): void;
  logFile(container: string): string;
  logTail(container: string, lines: number): string[];
  /** Resolves at the next change of any container's status, or after `ms`. */
  changed(ms: number): Promise<void>;
  /** Ends every process and removes the workspace. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts the containers, in order, without waiting for one another. Until {@link Pod.stop}, a guardian process stands by: if
 * this process dies, by `kill -9` too, every process of the pod is killed and the workspace removed. Only a process that
 * leaves its process group (`setsid`) escapes.
 */
export function startPod(options: PodOptions): Pod {
  const { workspace, logs, cwd } = options;
  let annotations = { ...options.annotations };
  const waiters = new Set<() => void>();
  const onChange = () => {
    for (const wake of [...waiters]) wake();
  };
  const guardian = startGuardian(workspace.root);
  const containers = new Map<string, Container>();
  const find = (name: string): Container => {
    const container = containers.get(name);
    if (!container) throw new Error(`the pod has no container ${name}`);
    return container;
  };
  const environment = (spec: ContainerSpec) => (image: Image) => {
    const own: Record<string, string> = { ...options.baseEnv, ...image.env, ...spec.env };
    for (const [name, key] of Object.entries(spec.envFromAnnotations ?? {})) own[name] = annotations[key] ?? '';
    if (spec.volume !== undefined) own[names.batonDir] = workspace.directory(spec.volume);
    return own;
  };
  let stopping: Promise<void> | undefined;
  const stop = async () => {
    await Promise.all([...containers.values()].map((container) => container.stop()));
    await guardian.dismiss();
    workspace.remove();
  };

  for (const spec of options.containers) {
    writeFileSync(join(logs, `${spec.name}.log`), '');
    containers.set(
      spec.name,
      runContainer({
        name: spec.name,
        image: spec.image,
        grace: spec.grace,
        backOff: options.backOff ?? rehearsalBackOff,
        cwd,
        logFile: join(logs, `${spec.name}.log`),
        guardian,
        environment: environment(spec),
        onChange,
      }),
    );
  }
  return {
    annotations: () => annotations,
    status: (name) => find(name).status(),
    volume: (name) => workspace.directory(name),
    patch(patch) {
      const changes = Object.entries(patch.images ?? {}).map(([name, image]) => [find(name), image] as const);
      annotations = { ...annotations, ...patch.annotations };
      for (const [container, image] of changes) container.setImage(image);
    },
    kill: (name, grace) => find(name).kill(grace),
    logFile: (name) => join(logs, `${find(name).status().name}.log`),
    logTail: (name, lines) => logTail(join(logs, `${name}.log`), lines),
    async changed(ms) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          clearTimeout(timer);
          waiters.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        waiters.add(wake);
      });
    },
    stop: () => (stopping ??= stop()),
  };
}
