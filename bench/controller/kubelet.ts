import { createKubernetesCluster } from '../../cluster/kubernetes/client.ts';
import { KubeConfig } from '@kubernetes/client-node';
import { startTestKubelet } from '../../test/cluster/kubelet.ts';

// A process of its own, beside the driver, as a kubelet is; its parent is told every 20 ms how many statuses it wrote.
const config = new KubeConfig();
config.loadFromFile(process.argv[2] ?? '');
const cluster = createKubernetesCluster({ config, userAgent: 'bench-kubelet', limit: { qps: 1e5, burst: 1e5 } });
const kubelet = startTestKubelet({ cluster });
let told = -1;
setInterval(() => {
  const writes = kubelet.writes();
  if (writes !== told) process.send?.((told = writes));
}, 20);
process.on('disconnect', () => process.exit());
