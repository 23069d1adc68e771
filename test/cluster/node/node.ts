import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Access, ask } from '../control-plane/api.ts';
import { createServer, type Server } from '../control-plane/server.ts';
import { addContainerd } from './containerd.ts';
import type { Place } from './place.ts';
import { run } from './run.ts';

/** Where to find a node's parts; plain data, so that another process can have it. */
export interface NodeFacts {
  name: string;
  address: string;
  /** containerd's, which is the CRI's too. */
  socket: string;
  /** The kubelet's root folder (`/var/lib/kubelet` elsewhere): pods' volumes are below. */
  kubeletFolder: string;
}

/** A node of this process's own, to break. */
export interface OwnNode extends NodeFacts {
  readonly kubelet: Server;
  readonly containerd: Server;
  /**
   * As after a loss of power: kubelet, containerd and every container end at once, what is in memory is gone (tmpfs volumes,
   * sandboxes, networks), and the node comes up again from what is on its disk.
   */
  reboot(): Promise<void>;
}

export interface NodeOptions {
  place: Place;
  /** Folder of the kubelet's binary. */
  binaries: string;
  name: string;
  /** Which of the cluster's it is, from 0. */
  index: number;
  /** The kubelet's own. */
  kubeconfig: string;
  admin: Access;
  /** More of the kubelet's configuration. */
  kubelet?: object;
}

const ender = fileURLToPath(new URL('end.sh', import.meta.url));

/** How many pods a node takes: it has that many addresses for them. */
const PODS = 100;

/** Starts containerd and the kubelet in a place, and waits until the node is Ready; they end with the place. */
export async function startNode(options: NodeOptions): Promise<OwnNode> {
  const { place, binaries, name, index, kubeconfig, admin } = options;
  const folder = join(place.folder, name);
  const at = (path: string): string => join(folder, path);
  mkdirSync(folder);
  const cgroup = place.makeCgroup(name);
  const address = await place.addAddress(2 + index);
  const first = 10 + index * PODS;
  const containerd = await addContainerd({ place, cgroup, folder, addresses: [first, first + PODS - 1] });
  const { socket } = containerd;
  const kubeletFolder = at('kubelet');
  writeFileSync(
    at('kubelet.json'),
    JSON.stringify({ ...configuration({ address, socket, cgroup: cgroup.path, at }), ...options.kubelet }),
  );
  const [program, ...enter] = cgroup.enter;
  const flags = [
    ...['--config', at('kubelet.json'), '--kubeconfig', kubeconfig, '--hostname-override', name],
    ...['--node-ip', address, '--root-dir', kubeletFolder, '--cert-dir', at('kubelet/pki'), '-v', '2'],
  ];
  const kubelet = createServer({
    name: 'kubelet',
    program,
    args: [...enter, join(binaries, 'kubelet'), ...flags],
    log: at('kubelet.log'),
    isReady: async () => (await isHealthy(address)) && (await isNodeReady(admin, name)),
  });
  await kubelet.start();
  return {
    name,
    address,
    socket,
    kubeletFolder,
    kubelet,
    containerd: containerd.server,
    async reboot() {
      await Promise.all([kubelet.kill(), containerd.server.kill()]);
      await run('sh', ender, folder, cgroup.path.slice(1));
      // On a machine these are in memory, too.
      for (const path of ['containerd/state', 'runc', 'containerd.sock'])
        rmSync(at(path), { recursive: true, force: true });
      await containerd.server.start();
      await kubelet.start();
    },
  };
}

interface Surroundings {
  address: string;
  socket: string;
  cgroup: string;
  at: (path: string) => string;
}

const configuration = ({ address, socket, cgroup, at }: Surroundings): object => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: `unix://${socket}`,
  address,
  healthzBindAddress: address,
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  cgroupDriver: 'cgroupfs',
  // Two kubelets with one root, or one folder of logs, remove each other's containers.
  cgroupRoot: cgroup,
  podLogsDir: at('logs'),
  volumePluginDir: at('volume-plugins'),
  enforceNodeAllocatable: [],
  failSwapOn: false,
  failCgroupV1: false,
  localStorageCapacityIsolation: false,
  evictionHard: { 'imagefs.available': '0%', 'nodefs.available': '0%', 'memory.available': '0%' },
  imageGCHighThresholdPercent: 100,
  makeIPTablesUtilChains: false,
  resolvConf: '',
  maxPods: PODS,
});

const isHealthy = async (address: string): Promise<boolean> => {
  try {
    return (await fetch(`http://${address}:10248/healthz`, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
};

async function isNodeReady(admin: Access, name: string): Promise<boolean> {
  try {
    const { status } = JSON.parse(await ask(admin, 'GET', `/api/v1/nodes/${name}`)) as {
      status: { conditions?: { type: string; status: string }[] };
    };
    return status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
  } catch {
    return false;
  }
}
