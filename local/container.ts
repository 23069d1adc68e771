import { setTimeout as sleep } from 'node:timers/promises';
import type { BackOff } from './back-off.ts';
import { restartDelay } from './back-off.ts';
import type { Guardian } from './guardian.ts';
import type { Exit, Life } from './life.ts';
import { startLife } from './life.ts';

/** What a container runs: locally, an image is a command, its environment and its hook. Compared by identity. */
export interface Image {
  name: string;
  command: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Started right after the command, beside it. If it fails, the container is killed and started again. */
  postStart?: readonly string[];
}

/** How a container's last life ended. */
export interface LastExit extends Exit {
  containerID: string;
  startedAt: number;
  reason: 'Completed' | 'Error' | 'StartError' | 'PostStartHookError' | 'ImageChanged';
}

/** Plain data, shaped after a pod's `containerStatuses`. */
export interface ContainerStatus {
  name: string;
  image: string;
  /** New at every start. */
  containerID: string;
  restartCount: number;
  state:
    | { type: 'running'; startedAt: number; pid: number }
    | { type: 'waiting'; reason: 'CrashLoopBackOff' | 'ContainerCreating' }
    | { type: 'terminated' };
  hook: 'none' | 'running' | 'succeeded' | 'failed';
  lastExit?: LastExit;
}

export interface ContainerOptions {
  name: string;
  image: Image;
  /** Milliseconds between SIGTERM and SIGKILL. */
  grace: number;
  backOff: BackOff;
  cwd: string;
  logFile: string;
  guardian: Guardian;
  /** Called at every start, so that the environment is the one of that moment. */
  environment: (image: Image) => Record<string, string>;
  onChange: () => void;
}

export interface Container {
  status(): ContainerStatus;
  /** Stop and start with another image; nothing happens when it is the one already wanted. */
  setImage(image: Image): void;
  /** Ends the present life within `grace` milliseconds, as the container runtime does for an agent; it is then restarted. */
  kill(grace: number): void;
  /** Ends it for good. Resolves when its processes are gone. */
  stop(): Promise<void>;
}

/** Keeps one container running as the kubelet does: restarted when it ends, with a growing delay when it crashes. */
export function runContainer(options: ContainerOptions): Container {
  let wanted = options.image;
  let ended = false;
  let starts = 0;
  let life: Life | undefined;
  let change = new AbortController();
  let status: ContainerStatus = {
    name: options.name,
    image: wanted.name,
    containerID: '',
    restartCount: 0,
    state: { type: 'waiting', reason: 'ContainerCreating' },
    hook: 'none',
  };
  const update = (patch: Partial<ContainerStatus>) => {
    status = { ...status, ...patch };
    options.onChange();
  };

  const liveOnce = async (image: Image, changed: AbortSignal): Promise<LastExit> => {
    const env = options.environment(image);
    const start = { env, cwd: options.cwd, logFile: options.logFile, guardian: options.guardian };
    const current = (life = startLife({ ...start, command: image.command }));
    const hook = image.postStart && current.pid > 0 ? startLife({ ...start, command: image.postStart }) : undefined;
    update({
      image: image.name,
      containerID: `local://${options.name}/${starts}`,
      restartCount: starts,
      state: { type: 'running', startedAt: current.startedAt, pid: current.pid },
      hook: hook ? 'running' : 'none',
    });
    starts++;
    let over = false;
    const hookFailed = new Promise<'hook'>((resolve) => {
      void hook?.exited.then((exit) => {
        if (over) return;
        update({ hook: exit.code === 0 ? 'succeeded' : 'failed' });
        if (exit.code !== 0) resolve('hook');
      });
    });
    const cause = await Promise.race([current.exited.then(() => 'exited' as const), hookFailed, aborted(changed)]);
    over = true;
    if (cause !== 'exited') await current.stop(options.grace);
    await hook?.stop(0);
    const exit = await current.exited;
    const reason = reasonOf(cause, exit);
    return { ...exit, reason, containerID: status.containerID, startedAt: current.startedAt };
  };

  const run = async () => {
    let delay: number | undefined;
    while (!ended) {
      change = new AbortController();
      const changed = change.signal;
      const lastExit = await liveOnce(wanted, changed);
      const ranFor = lastExit.at - lastExit.startedAt;
      delay = changed.aborted ? undefined : restartDelay(delay, ranFor, options.backOff);
      const reason = delay === undefined ? 'ContainerCreating' : 'CrashLoopBackOff';
      update({ lastExit, state: { type: 'waiting', reason } });
      if (!(await waited(delay ?? 0, changed))) delay = undefined;
    }
    update({ state: { type: 'terminated' } });
  };

  const running = run();
  return {
    status: () => status,
    setImage(image) {
      if (image === wanted) return;
      wanted = image;
      change.abort();
    },
    kill: (grace) => void life?.stop(grace),
    async stop() {
      ended = true;
      change.abort();
      await running;
    },
  };
}

function reasonOf(cause: 'exited' | 'hook' | 'changed', exit: Exit): LastExit['reason'] {
  if (exit.startError !== undefined) return 'StartError';
  if (cause === 'hook') return 'PostStartHookError';
  if (cause === 'changed') return 'ImageChanged';
  return exit.code === 0 ? 'Completed' : 'Error';
}

/** False when `changed` cut the wait short. */
async function waited(ms: number, changed: AbortSignal): Promise<boolean> {
  if (ms > 0) await sleep(ms, undefined, { signal: changed }).catch(() => undefined);
  return !changed.aborted;
}

async function aborted(signal: AbortSignal): Promise<'changed'> {
  if (!signal.aborted) {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  }
  return 'changed';
}
