import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeImage } from '../../../deploy/image/image.ts';
import type { Scope } from '../../helpers/processes.ts';
import { createServer, type Server } from '../control-plane/server.ts';
import { makePlace, type Cgroup, type Place } from './place.ts';
import { run } from './run.ts';

/** How to reach a containerd, in the namespace that the CRI uses. */
export interface ContainerdClient {
  /** Its socket, which is the CRI's too. */
  readonly socket: string;
  ctr: (...args: string[]) => Promise<string>;
  /** Makes an archive's image known under the name that it has there. */
  importImage: (archive: string) => Promise<void>;
}

/** A containerd of its own (Debian's), with the network of its place. */
export interface Containerd extends ContainerdClient {
  readonly server: Server;
  /** Give it to sandboxes that no kubelet makes (`linux.cgroup_parent`): what lies elsewhere may outlive the test. */
  readonly cgroupParent: string;
}

export interface ContainerdOptions {
  place: Place;
  cgroup: Cgroup;
  /** For all that it keeps; exists. */
  folder: string;
  /** Its pods' addresses, by their last numbers. */
  addresses?: readonly [first: number, last: number];
}

const PAUSE = 'baton.test/pause:1';

/** A containerd that ends with the test, in a place of the test's own. */
export async function startContainerd(t: Scope): Promise<Containerd> {
  const place = await makePlace();
  t.teardown(() => place.leave());
  return addContainerd({ place, cgroup: place.makeCgroup('node-1'), folder: place.folder });
}

/** Starts one in a place, and ends with it; returns when it answers and has the image of sandboxes. */
export async function addContainerd(options: ContainerdOptions): Promise<Containerd> {
  const { place, cgroup, folder, addresses = [10, 120] } = options;
  const at = (path: string): string => join(folder, path);
  mkdirSync(at('cni'));
  writeFileSync(at('cni/10-bridge.conflist'), JSON.stringify(networkOf(place, at('addresses'), addresses)));
  writeFileSync(at('containerd.toml'), settings(at));
  const client = containerdAt(at('containerd.sock'));
  const [program, ...enter] = cgroup.enter;
  const server = createServer({
    name: 'containerd',
    program,
    args: [...enter, 'containerd', '--config', at('containerd.toml')],
    log: at('containerd.log'),
    isReady: () =>
      client.ctr('version').then(
        () => true,
        () => false,
      ),
  });
  await server.start();
  const command = ['/bin/busybox', 'sleep', '2147483647'];
  writeImage(at('pause.tar'), { name: PAUSE, layers: [{ '/bin/busybox': '/bin/busybox' }], entrypoint: command });
  await client.importImage(at('pause.tar'));
  return { ...client, server, cgroupParent: cgroup.path };
}

export function containerdAt(socket: string): ContainerdClient {
  const ctr = (...args: string[]): Promise<string> => run('ctr', '--address', socket, '--namespace', 'k8s.io', ...args);
  return {
    socket,
    ctr,
    // The CRI service sees it, and unpacks it when it is used.
    async importImage(archive) {
      await ctr('images', 'import', '--no-unpack', archive);
    },
  };
}

const networkOf = ({ name, network }: Place, dataDir: string, [first, last]: readonly [number, number]): object => ({
  cniVersion: '0.4.0',
  name,
  plugins: [
    {
      type: 'bridge',
      bridge: name,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        dataDir,
        ranges: [
          [
            {
              subnet: `${network}.0/24`,
              rangeStart: `${network}.${first}`,
              rangeEnd: `${network}.${last}`,
              gateway: `${network}.1`,
            },
          ],
        ],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
    { type: 'loopback' },
  ],
});

// Without CAP_SYS_RESOURCE a sandbox starts only with its oom_score_adj restricted.
const settings = (at: (path: string) => string): string => `
version = 2
root = "${at('containerd/root')}"
state = "${at('containerd/state')}"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
  address = "${at('containerd.sock')}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${at('containerd/opt')}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${at('cni')}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = "${at('runc')}"
`;
