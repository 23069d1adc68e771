import type { Pod } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { KubernetesObject } from '../../cluster/cluster.ts';
import { pods as podResource, sidecarSets } from '../../cluster/resource.ts';
import { ask } from '../../test/cluster/control-plane/api.ts';
import { until } from '../../test/helpers/processes.ts';
import { loop, type Driver } from './driver.ts';
import { PARALLEL, type Place } from './place.ts';

export type WirePod = Pod & KubernetesObject;
export type WireSet = SidecarSet & KubernetesObject;

export async function makeNamespace(
  { admin }: Place,
  name: string,
  labels: Record<string, string> = {},
): Promise<void> {
  await ask(admin, 'POST', '/api/v1/namespaces', { metadata: { name, labels } });
  await until('the account', () =>
    ask(admin, 'GET', `/api/v1/namespaces/${name}/serviceaccounts/default`).catch(() => undefined),
  );
}

/** Creates pods on a node, so many at a time; resolves with the seconds that it took. */
export function createPods(driver: Driver, namespace: string, count: number, node = 'node-1'): Promise<number> {
  return loop(count, PARALLEL, (index) => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace, name: `p${index}`, labels: { app: namespace } },
      spec: {
        nodeName: node,
        containers: [{ name: 'app', image: 'app:1', env: [{ name: 'TZ', value: 'UTC' }] }],
      },
    };
    return driver.send('POST', `/api/v1/namespaces/${namespace}/pods`, JSON.stringify(pod));
  });
}

/** A set of the pods of a namespace, named like it. */
export async function createSet({ cluster }: Place, name: string, containers: object[]): Promise<void> {
  const spec = {
    selector: { matchLabels: { app: name } },
    updateStrategy: { maxUnavailable: '100%' },
    containers,
  };
  await cluster.create(sidecarSets, { metadata: { name }, spec } as unknown as WireSet);
  await until('the controller has seen it', async () => {
    const { status } = await cluster.get<WireSet>(sidecarSets, { name });
    return status?.observedGeneration !== undefined;
  });
}

export async function allPods({ cluster }: Place, namespace: string): Promise<WirePod[]> {
  const all: WirePod[] = [];
  let next: string | undefined;
  do {
    const page = await cluster.list<WirePod>(podResource, {
      namespace,
      limit: 1000,
      ...(next !== undefined && { next }),
    });
    all.push(...page.items);
    next = page.next;
  } while (next !== undefined);
  return all;
}

/** Waits until the kubelet has written so many statuses more than `before`. */
export const untilStatuses = (place: Place, before: number, count: number): Promise<number> =>
  until(`${count} statuses`, () => place.statusesReached(before + count), 600_000);
