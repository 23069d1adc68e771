import type { Step } from '../../../agent/hot-upgrade/step.ts';
import { createUpgrader, lookAtAll, type NodeAccess } from '../../../agent/upgrader.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import { pods } from '../../../cluster/resource.ts';
import type { WirePod } from './home.ts';
import { type Loop, startLoop } from './loop.ts';

export interface AgentOptions {
  cluster: Cluster;
  node: string;
  access: NodeAccess;
  /** Whether another agent process goes on after each step: what one remembers is then lost. */
  restarted: boolean;
  onStep: (pod: WirePod, step: Step) => void;
  onError: (error: Error) => void;
}

/** How often the state files are read while an upgrade is under way, in milliseconds. */
const LOOK_MS = 25;

/** Carries granted upgrades out. As if each pod had a node of its own: any number of them at once. */
export function startAgent({ cluster, node, access, restarted, onStep, onError }: AgentOptions): Loop {
  let hasActed = false;
  const create = (): ReturnType<typeof createUpgrader> =>
    createUpgrader({
      cluster,
      node: access,
      maxConcurrent: Infinity,
      now: Date.now,
      onLook({ pod }, step) {
        if (step.do === 'nothing' || step.do === 'wait') return;
        hasActed = true;
        onStep(pod as WirePod, step);
      },
    });
  let upgrader = create();
  return startLoop(async () => {
    const fields = { 'spec.nodeName': node };
    const { items } = await cluster.list<WirePod>(pods, { fields });
    const next = await lookAtAll(upgrader, items);
    if (restarted && hasActed) upgrader = create();
    hasActed = false;
    return next === undefined ? undefined : Math.min(next, Date.now() + LOOK_MS);
  }, onError);
}
