import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { until } from '../../helpers/processes.ts';
import { binaries } from '../cluster-test.ts';
import { ask } from '../control-plane/api.ts';
import { ownerOf } from '../control-plane/owner.ts';
import { containerIdOf, pidOf } from './container.ts';
import { addImage, busyboxLayer } from './image.ts';
import { cluster, ownCluster, serialNodeTest } from './node-test.ts';
import { makePlace } from './place.ts';
import { run } from './run.ts';
import { containerOf, isReady, nodeScene, type NodeScene, type WirePod } from './scene.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

const idle = {
  layers: [busyboxLayer],
  entrypoint: ['/bin/busybox', 'sh', '-c', 'trap exit TERM; while true; do /bin/busybox sleep 1 & wait $!; done'],
};

/** What a place left behind on the machine. */
async function leftOf(folder: string): Promise<string[]> {
  const name = basename(folder).replace('baton-place-', 'baton-');
  const cgroups = ['', ...readdirSync('/sys/fs/cgroup')].map((one) => join('/sys/fs/cgroup', one, name));
  return [
    ...[folder, ...cgroups].filter((path) => existsSync(path)),
    ...linesWith('/proc/self/mounts', folder),
    ...(await run('ip', '-oneline', 'link')).split('\n').filter((line) => line.includes(name)),
    ...inFolder('/var/log/containers').filter((path) => readlinkSync(path).startsWith(`${folder}/`)),
    ...inFolder('/var/lib/cni/results').filter((path) => linesWith(path, folder).length > 0),
    ...inFolder('/proc').filter(
      (path) => /^\/proc\/\d+$/.test(path) && linesWith(`${path}/cmdline`, `${folder}/`).length > 0,
    ),
  ];
}

const inFolder = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];

const linesWith = (file: string, text: string): string[] => {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.includes(text));
  } catch {
    // A process that has ended.
    return [];
  }
};

const untilGone = async (folder: string): Promise<void> => {
  let left: string[] = [];
  await until('nothing is left', async () => (left = await leftOf(folder)).length === 0, 30_000).catch(
    (error: unknown) => {
      throw new Error(left.join('\n'), { cause: error });
    },
  );
};

/** A pod that is ready, with a volume in memory. */
async function readyPod(t: ExecutionContext, scene: NodeScene): Promise<WirePod> {
  const image = await addImage(t, scene.node, idle);
  const volumeMounts = [{ name: 'memory', mountPath: '/memory' }];
  await scene.createPod('pod', {
    containers: [{ name: 'app', image, volumeMounts }],
    volumes: [{ name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
  });
  return scene.untilPod('Ready', 'pod', isReady);
}

serialNodeTest(
  'nodes are killed and rebooted, and neither their neighbours nor the run’s own take notice',
  async (t) => {
    let folder = '';
    // Runs last: its pods are the last thing that the cluster has.
    t.teardown(() => untilGone(folder));
    const own = await ownCluster(t, { nodes: 2 });
    folder = dirname(dirname(own.nodes[0]?.kubeletFolder ?? ''));
    const scenes = [
      await nodeScene(t, own, 0),
      await nodeScene(t, own, 1),
      await nodeScene(t, await cluster(t)),
    ] as const;
    const [first, second, third] = await Promise.all(scenes.map((scene) => readyPod(t, scene)));
    const [node] = own.nodes;
    const [scene] = scenes;
    if (!first || !second || !third || !node) return t.fail();
    const idOf = (pod: WirePod): string => containerIdOf(pod, 'app');

    await node.kubelet.kill();
    t.truthy(await pidOf(node, idOf(first)), 'containers need no kubelet');
    await node.kubelet.start();
    await node.containerd.kill();
    await node.containerd.start();
    own.apiServer.pause();
    t.truthy(await pidOf(node, idOf(first)));
    own.apiServer.resume();
    t.is(idOf(await scene.untilPod('Ready', 'pod', isReady)), idOf(first));

    const memory = join(node.kubeletFolder, 'pods', first.metadata.uid ?? '', 'volumes/kubernetes.io~empty-dir/memory');
    await run('touch', join(memory, 'file'));
    const pid = (await pidOf(node, idOf(first))) ?? 0;
    const startedAt = performance.now();
    await node.reboot();
    t.is(ownerOf(pid), undefined);
    const isBack = (pod: WirePod): boolean => isReady(pod) && idOf(pod) !== idOf(first);
    const rebooted = await scene.untilPod('Ready after the reboot', 'pod', isBack);
    t.log(`Ready again ${Math.round(performance.now() - startedAt)} ms after the reboot began`);
    t.is(containerOf(rebooted, 'app')?.restartCount, 1);
    t.false(existsSync(join(memory, 'file')), 'what was in memory is gone');

    for (const [index, pod] of [second, third].entries()) {
      const { untilPod } = scenes[index + 1] as NodeScene;
      const now = await untilPod('Ready', 'pod', isReady);
      t.is(idOf(now), idOf(pod));
      t.is(containerOf(now, 'app')?.restartCount, 0);
    }
  },
);

/** `npm run cluster -- --node` without npm, with a pod on it. */
async function play(t: ExecutionContext): Promise<{ child: ChildProcess; folder: string }> {
  await binaries(t);
  t.timeout(180_000);
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/cluster/run.ts', '--node'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGTERM'));
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  await until('it says where', () => lines.length >= 2, 120_000);
  const file = /^export KUBECONFIG=(\/.*\/admin\.kubeconfig)$/.exec(lines[0] ?? '')?.[1] ?? '';
  const socket =
    /^export CONTAINERD_ADDRESS=(\/.*\/containerd\.sock) CONTAINERD_NAMESPACE=k8s\.io$/.exec(lines[1] ?? '')?.[1] ?? '';
  const config = JSON.parse(readFileSync(file, 'utf8')) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
    users: [{ user: { token: string } }];
  };
  const { server, 'certificate-authority-data': authority } = config.clusters[0].cluster;
  const access = { url: server, ca: Buffer.from(authority, 'base64').toString(), token: config.users[0].user.token };
  // The scheduler finds the node.
  const path = '/api/v1/namespaces/default/pods';
  const containers = [{ name: 'app', image: 'baton.test/pause:1' }];
  await ask(access, 'POST', path, { metadata: { name: 'pod' }, spec: { containers } });
  const isRunning = async (): Promise<boolean> =>
    isReady(JSON.parse(await ask(access, 'GET', `${path}/pod`)) as WirePod);
  await until('it runs', isRunning, 60_000);
  return { child, folder: dirname(dirname(socket)) };
}

serialNodeTest('npm run cluster -- --node: killed, with a pod running, it leaves nothing', async (t) => {
  const { child, folder } = await play(t);
  t.true((await leftOf(folder)).length > 10);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await untilGone(folder);
  t.pass();
});

serialNodeTest('what a run left that was killed with all that looked after it, the next one removes', async (t) => {
  const code = `
    import { makePlace } from './test/cluster/node/place.ts';
    import { addContainerd } from './test/cluster/node/containerd.ts';
    const place = await makePlace();
    const containerd = await addContainerd({ place, cgroup: place.makeCgroup('node-1'), folder: place.folder });
    console.log(place.folder);
    setInterval(() => undefined, 1000);
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', code], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [folder = ''] = (await once(createInterface(child.stdout), 'line')) as string[];
  const sweepers = inFolder('/proc').filter((path) => linesWith(`${path}/cmdline`, `sweep.sh\0${folder}`).length > 0);
  t.is(sweepers.length, 1);
  for (const path of sweepers) process.kill(Number(basename(path)), 'SIGKILL');
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.true((await leftOf(folder)).length > 3);
  const next = await makePlace();
  t.teardown(() => next.leave());
  t.deepEqual(await leftOf(folder), []);
});
