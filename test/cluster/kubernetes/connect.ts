import { KubeConfig } from '@kubernetes/client-node';
import { createKubernetesCluster, type KubernetesClusterOptions } from '../../../cluster/kubernetes/client.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import type { ControlPlaneFacts } from '../control-plane/start.ts';

/** A client without a rate limit to speak of. */
export function connect(
  { kubeconfigs }: Pick<ControlPlaneFacts, 'kubeconfigs'>,
  { user = 'admin', ...options }: Partial<KubernetesClusterOptions> & { user?: string } = {},
): Cluster {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfigs[user] ?? '');
  return createKubernetesCluster({ config, userAgent: 'baton-test', limit: { qps: 1000, burst: 1000 }, ...options });
}
