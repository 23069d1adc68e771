import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Cluster } from '../../../cluster/cluster.ts';
import * as resources from '../../../cluster/resource.ts';
import { objectsOf } from '../../deploy/objects.ts';
import { temporaryDirectory, until } from '../../helpers/processes.ts';
import { binaries } from '../cluster-test.ts';
import { ask, type Access } from '../control-plane/api.ts';
import { accessOf } from '../control-plane/namespace.ts';
import { startControlPlane } from '../control-plane/start.ts';
import { startTestKubelet } from '../kubelet.ts';
import { connect } from '../kubernetes/connect.ts';
import { startFront } from './front.ts';
import { history, leave, type Left } from './left-behind.ts';
import { commandsOf, shell } from './page.ts';
import { playAgent } from './played-agent.ts';
import { installItsWebhooks, installOpenKruise, playDeployments } from './played-openkruise.ts';
import { after, recorded } from './recorded.ts';
import { startReplica, type Replica } from './replica.ts';
import {
  forThisMachine,
  home,
  kubeconfigOf,
  servicesByName,
  setNodeReady,
  strictFlags,
  type WirePod,
  type WireSet,
} from './start-system.ts';

/** One recorded pod each, beside the set `cold`, of which OpenKruise has upgraded two pods of four. */
export const shapes = {
  idle: recorded('upgrade-087', 'idle'),
  /** The new copy serves, the old one is not empty yet. */
  half: recorded('upgrade-072', 'half'),
  /** A hot upgrade that OpenKruise has not begun. */
  hot: recorded('upgrade-071', 'hot'),
  /** More than images differ. */
  other: recorded('upgrade-011', 'other'),
};
export const cold = recorded('upgrade-001', 'cold');

export type Shape = keyof typeof shapes | 'cold';

/** The cluster that is moved, and who runs the page's commands on it. */
export interface Move {
  admin: Access;
  cluster: Cluster;
  left: Record<Shape, Left>;
  /** The pods as OpenKruise left them. */
  before: Record<string, WirePod>;
  podsNow: () => Promise<Record<string, WirePod>>;
  set: (name: string) => Promise<WireSet>;
  /** Runs the commands under a heading of the page. */
  step: (heading: string) => Promise<string>;
  /** Creates a pod that a set selects. */
  make: (name: string, set: Shape) => Promise<WirePod>;
  /** What went wrong with what is played. */
  failure: () => unknown;
}

/** A cluster with OpenKruise in the middle of its work. */
export async function startMove(t: ExecutionContext): Promise<Move> {
  const controlPlane = await startControlPlane({
    binaries: await binaries(t),
    apiServerFlags: [...servicesByName, ...strictFlags],
  });
  t.teardown(() => controlPlane.stop());
  const admin = accessOf(controlPlane);
  const cluster = connect(controlPlane);
  const front = await startFront(t);
  await cluster.create(resources.nodes, { metadata: { name: 'node-1' } });
  await setNodeReady(cluster, 'node-1', true);
  await installOpenKruise(admin, cluster);
  await until('SidecarSets are served', () =>
    ask(admin, 'GET', '/apis/apps.kruise.io/v1alpha1/sidecarsets').catch(() => undefined),
  );
  const done = after(cold.pod, cold.out.upgrade);
  const left = { cold: await leave(admin, cluster, cold, [done, done, cold.pod, cold.pod]) } as Record<Shape, Left>;
  for (const [name, shape] of Object.entries(shapes))
    left[name as Shape] = await leave(admin, cluster, shape, [shape.pod]);
  await installItsWebhooks(cluster);
  const podsNow = async (): Promise<Record<string, WirePod>> => {
    const { items } = await cluster.list<WirePod>(resources.pods, { namespace: 'default' });
    return Object.fromEntries(items.map((pod) => [pod.metadata.name ?? '', pod]));
  };
  const before = await podsNow();

  let replica: Replica | undefined;
  const played = playDeployments(t, admin, cluster, async (replicas) => {
    const own = { 'app.kubernetes.io/name': 'baton' };
    const pods = Array.from({ length: 2 }, (_, index) => ['controller', `controller-${index}`] as const);
    if (replicas === 0) {
      await replica?.kill('SIGTERM');
      for (const [, name] of pods)
        await cluster.delete(resources.pods, { namespace: home, name }, { gracePeriodSeconds: 0 });
      return;
    }
    replica = await startReplica(t, await kubeconfigOf(t, admin));
    front.replicas.add(replica.webhookPort);
    for (const [component, name] of [...pods, ['agent', 'agent-1'] as const])
      await cluster.create<WirePod>(resources.pods, {
        metadata: { namespace: home, name, labels: { ...own, 'app.kubernetes.io/component': component } },
        spec: { nodeName: 'node-1', containers: [{ name: component, image: `baton-${component}:0.1.0` }] },
      });
  });
  await until('OpenKruise leads', () =>
    cluster.get(resources.leases, { namespace: history, name: 'kruise-manager' }).catch(() => undefined),
  );
  const kubelet = startTestKubelet({ cluster, nodes: ['node-1'] });
  t.teardown(() => kubelet.stop());
  playAgent(t, { cluster, namespace: 'default', node: 'node-1', usesSdk: false });

  const folder = temporaryDirectory(t);
  const run = shell(folder, controlPlane.kubeconfigs['admin'] ?? '');
  const commands = commandsOf('coming-from-openkruise.md');
  const files = join(folder, 'deploy.json');
  const objects = objectsOf().map((object) => forThisMachine(object, front.port) ?? object);
  writeFileSync(files, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  return {
    ...{ admin, cluster, left, before, podsNow, failure: played.failure },
    set: (name) => cluster.get<WireSet>(resources.sidecarSets, { name }),
    step(heading) {
      const code = commands.get(heading);
      if (code === undefined) throw new Error(`the page has no ${heading}`);
      return run(code.replaceAll('-k deploy', `--filename ${files}`));
    },
    make: (name, set) =>
      cluster.create<WirePod>(resources.pods, {
        metadata: { namespace: 'default', name, labels: { app: set } },
        spec: { containers: [{ name: 'main', image: 'app:1' }] },
      }),
  };
}
