// An agent's process as its DaemonSet confines it: root without a single capability. Tells what it sees, and what it hears.
import { loadDatagrams } from '../../../cli/datagrams.ts';
import { openNode } from '../../../agent/node-access.ts';
import type { Pod } from '../../../api/kubernetes.ts';

const { pod, ...paths } = JSON.parse(process.argv[2] ?? '') as { pod: Pod; criSocket: string; kubeletRoot: string };
const tell = (fact: object): void => console.log(JSON.stringify(fact));
const node = openNode({
  ...paths,
  bind: loadDatagrams(),
  now: Date.now,
  onPull: () => undefined,
  onNews() {
    tell({ heard: true });
    node.close();
    process.exit();
  },
  onError: (_, error) => tell({ error: String(error) }),
});
const { stateFiles, runtime, kubeletStartedAt } = await node.look(pod);
node.attend([pod], new Set([pod.metadata?.uid ?? '']));
tell({
  versions: [...stateFiles.values()].flat().map(({ version }) => version),
  containers: [...(runtime?.keys() ?? [])].sort(),
  kubelet: kubeletStartedAt !== undefined,
});
