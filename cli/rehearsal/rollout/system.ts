import type { Step } from '../../../agent/hot-upgrade/step.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import { pods, sidecarSets } from '../../../cluster/resource.ts';
import { type Kubelet, startKubelet } from '../../../local/kubelet.ts';
import type { LocalImage } from '../../../local/pod-spec.ts';
import { startAgent } from './agent.ts';
import { type Controller, type Reconciled, startController } from './controller.ts';
import { follow, makeHome, type WirePod, type WireSet } from './home.ts';
import { nodeAccess } from './node-access.ts';

/** The one node of a rehearsal. */
export const nodeName = 'rehearsal';

export interface SystemOptions {
  images: ReadonlyMap<string, LocalImage>;
  addressOf: (pod: { namespace: string; name: string }) => string;
  logs: string;
  cwd: string;
  baseEnv: Readonly<Record<string, string>>;
  agentRestarted: boolean;
  warn: (message: string) => void;
  /** Every state of every pod, in their order. */
  onPod: (pod: WirePod, isGone: boolean) => void;
  onSet: (set: WireSet) => void;
  onStep: (pod: WirePod, step: Step) => void;
  onSeen: (seen: Reconciled) => void;
}

/** Controller, agent and node over a cluster in this process: the real code, without a network between. */
export interface System {
  cluster: Cluster;
  kubelet: Kubelet;
  controller: Controller;
  /** The first thing that went wrong with the system itself. */
  failure(): Error | undefined;
  /** Ends every process. */
  stop(): Promise<void>;
}

export function startSystem(options: SystemOptions): System {
  let failure: Error | undefined;
  const onError = (error: Error): void => void (failure ??= error);
  const over = new AbortController();
  const cluster = makeHome(() => controller.halted(), options.warn);
  const controller = startController(cluster, onError, options.onSeen);
  const kubelet = startKubelet({
    cluster,
    node: nodeName,
    images: (name) => options.images.get(name),
    addressOf: ({ metadata }) =>
      options.addressOf({ namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' }),
    logs: options.logs,
    cwd: options.cwd,
    baseEnv: options.baseEnv,
  });
  const access = nodeAccess(kubelet, [...options.images.keys()], () => agent.wake());
  const agent = startAgent({
    cluster,
    node: nodeName,
    access,
    restarted: options.agentRestarted,
    onStep: options.onStep,
    onError,
  });
  const following = [
    follow(cluster, pods, over.signal, (pod, isGone) => {
      options.onPod(pod as WirePod, isGone);
      controller.wake();
      agent.wake();
    }),
    follow(cluster, sidecarSets, over.signal, (set) => {
      options.onSet(set as WireSet);
      controller.wake();
    }),
  ];
  for (const watching of following) void watching.catch(onError);
  return {
    cluster,
    kubelet,
    controller,
    failure: () => failure ?? kubelet.failure(),
    async stop() {
      over.abort();
      await Promise.all([controller.stop(), agent.stop()]);
      await kubelet.stop();
      await Promise.allSettled(following);
    },
  };
}
