import { KubeConfig } from '@kubernetes/client-node';
import type { Cluster } from '../../../cluster/cluster.ts';
import { createKubernetesCluster, type KubernetesClusterOptions } from '../../../cluster/kubernetes/client.ts';
import type { ControlPlaneFacts } from '../control-plane/start.ts';

/** A client of a control plane, with no rate limit to speak of; `port` for one behind a proxy. */
export function connect(
  { kubeconfigs }: Pick<ControlPlaneFacts, 'kubeconfigs'>,
  { user = 'admin', port, ...options }: Partial<KubernetesClusterOptions> & { user?: string; port?: number } = {},
): Cluster {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigs[user] ?? '');
  if (port !== undefined) {
    config.clusters = config.clusters.map((cluster) => ({ ...cluster, server: `https://127.0.0.1:${port}` }));
  }
  return createKubernetesCluster({ config, userAgent: 'baton-test', limit: { qps: 5000, burst: 5000 }, ...options });
}
