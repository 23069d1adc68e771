import { KubeConfig } from '@kubernetes/client-node';
import { createUpgrader } from '../../agent/upgrader.ts';
import { injectedLabel } from '../../api/pod-contract.ts';
import { createKubernetesCluster } from '../../cluster/kubernetes/client.ts';
import { createQueue } from '../../cluster/kubernetes/queue.ts';
import { createReflector } from '../../cluster/kubernetes/reflector.ts';
import { pods as podResource } from '../../cluster/resource.ts';
import { playedStateFiles } from '../../test/cluster/controller/played-agent.ts';
import type { WirePod } from './fleet.ts';

/** What this process tells its parent, every 100 ms. */
export interface AgentReport {
  /** Writes to pods that succeeded. */
  writes: number;
  /** Of each pod that has both of its writes: from the first to the second, in milliseconds. */
  between: number[];
}

// The agents of a fleet in one process: their own code, with sidecars whose processes are played.
const config = new KubeConfig();
config.loadFromFile(process.argv[2] ?? '');
const namespace = process.argv[3] ?? '';
const cluster = createKubernetesCluster({ config, userAgent: 'bench-agent', limit: { qps: 1e5, burst: 1e5 } });
const report: AgentReport = { writes: 0, between: [] };
const begun = new Map<string, number>();
const nature = { sidecar: 'side', emptyImage: 'side:empty', bad: new Set<string>() };
const upgrader = createUpgrader({
  cluster: {
    ...cluster,
    async patch(resource, key, patch, options) {
      const object = await cluster.patch(resource, key, patch, options);
      report.writes += 1;
      const since = begun.get(key.name);
      if (since === undefined) begun.set(key.name, performance.now());
      else report.between.push(performance.now() - since);
      return object as never;
    },
  },
  node: {
    look: (pod) => Promise.resolve({ stateFiles: new Map([['side', playedStateFiles(pod, nature)]]) }),
    attend: () => undefined,
    pull: () => undefined,
    stopContainer: () => undefined,
  },
  // Three of each of fifty nodes.
  maxConcurrent: 150,
  now: Date.now,
  onRoom: (pod) => queue.add(pod.metadata?.name ?? ''),
});
const queue = createQueue({
  workers: 16,
  async work(name) {
    const pod = pods.get({ namespace, name });
    const again = pod && (await upgrader.look(pod));
    return again === undefined ? undefined : Math.max(0, again - Date.now());
  },
  onFailure: (_, error) => {
    throw error;
  },
});
const pods = createReflector<WirePod, WirePod>({
  cluster,
  resource: podResource,
  query: { namespace, labels: { matchLabels: { [injectedLabel]: 'true' } } },
  keep: (pod) => pod,
  handlers: {
    added: ({ metadata }) => queue.add(metadata.name ?? ''),
    updated: ({ metadata }) => queue.add(metadata.name ?? ''),
  },
  signal: new AbortController().signal,
});
setInterval(() => process.send?.(report), 100);
process.on('disconnect', () => process.exit());
