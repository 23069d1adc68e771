import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { printGrants } from '../../../api/grant.ts';
import {
  batonVolume,
  copies,
  grantKey,
  hashKey,
  injectedLabel,
  injectedListKey,
  upgradeKey,
  versionAltKey,
  versionKey,
  workingKey,
} from '../../../api/pod-contract.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { events, nodes, pods } from '../../../cluster/resource.ts';
import { create, tokenOnNode } from '../../deploy/installation.ts';
import { objectsOf } from '../../deploy/objects.ts';
import { temporaryDirectory, until, type Scope } from '../../helpers/processes.ts';
import { binaries } from '../cluster-test.ts';
import type { Access } from '../control-plane/api.ts';
import { writeKubeconfig } from '../control-plane/kubeconfig.ts';
import { accessOf, makeNamespace } from '../control-plane/namespace.ts';
import { startControlPlane, type OwnControlPlane } from '../control-plane/start.ts';
import type { WirePod } from '../controller/system.ts';
import { startTestKubelet, type Outcome } from '../kubelet.ts';
import { connect } from '../kubernetes/connect.ts';
import { BATON, startService, untilReady, type Service } from '../service.ts';

/** A control plane with Baton's roles and policies, on which a file's tests run one after the other; no controller is there. */
export interface AgentSystem {
  controlPlane: OwnControlPlane;
  admin: Access;
  cluster: Cluster;
  /** What becomes of containers with an image, where it is not `ready`. */
  outcomes: Map<string, Outcome>;
}

/** What the tests of one file share; it is started by the first that asks for it. */
export function sharedSystem(): (t: ExecutionContext) => Promise<AgentSystem> {
  const ends: (() => unknown)[] = [];
  const scope: Scope = { teardown: (end) => void ends.unshift(end) };
  let started: Promise<AgentSystem> | undefined;
  test.after.always(async () => {
    for (const end of ends) await end();
  });
  return async (t) => {
    t.timeout(180_000);
    return (started ??= startSystem(await binaries(t), scope));
  };
}

async function startSystem(folder: string, scope: Scope): Promise<AgentSystem> {
  const controlPlane = await startControlPlane({ binaries: folder });
  scope.teardown(() => controlPlane.stop());
  const admin = accessOf(controlPlane);
  const cluster = connect(controlPlane);
  // No webhooks: these tests inject and grant themselves.
  const others = ['CustomResourceDefinition', 'MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];
  await create(
    admin,
    objectsOf().filter(({ kind }) => !others.includes(kind) && kind !== 'Deployment' && kind !== 'DaemonSet'),
  );
  const outcomes = new Map<string, Outcome>();
  const kubelet = startTestKubelet({ cluster, delay: 100, outcome: (image) => outcomes.get(image) ?? 'ready' });
  scope.teardown(() => kubelet.stop());
  return { controlPlane, admin, cluster, outcomes };
}

export interface AgentFlags {
  'max-concurrent-upgrades'?: number;
  bad?: string;
  'die-in'?: string;
  'die-after'?: number;
  blind?: true;
}

/** One test's namespace and node. */
export interface AgentScene {
  system: AgentSystem;
  namespace: string;
  node: string;
  /** A process of the agent on this node, or another one, with an agent's own token; what it sees of the node is played. */
  agent: (flags?: AgentFlags, node?: string) => Promise<Service>;
  /** `baton agent` itself. */
  realAgent: (...args: string[]) => Promise<Service>;
  makePods: (
    count: number,
    on?: { node?: string; prefix?: string; annotations?: Record<string, string>; hasFolder?: boolean },
  ) => Promise<void>;
  pods: () => Promise<WirePod[]>;
  /** Grants `side:2`, or another image, to all pods. */
  grant: (image?: string) => Promise<void>;
  /** Waits until the pairs of all pods run this, the copy that serves first. */
  untilPairs: (pair: string, ms?: number) => Promise<unknown>;
  /** Reasons of the events about a pod, in the order in which they were written. */
  events: (pod?: string) => Promise<string[]>;
  /** What the last event about a pod says. */
  lastEvent: (pod?: string) => Promise<string | undefined>;
}

const injected = { name: 'IS_INJECTED', value: 'true' };
const containers = [
  { name: 'app', image: 'app:1' },
  ...copies('side').map((name, index) => ({
    name,
    image: index === 0 ? 'side:1' : 'side:empty',
    env: [injected, { name: 'SIDECARSET_VERSION', value: '1' }],
  })),
];
/** The same as the webhook leaves them, with the folder where they meet. */
const withFolder = {
  volumes: [{ name: batonVolume.name, emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
  containers: containers.map((container) => ({
    ...container,
    ...('env' in container && {
      env: [...container.env, { name: 'BATON_DIR', value: batonVolume.directory }],
      volumeMounts: [{ name: batonVolume.name, mountPath: batonVolume.directory, subPath: 'side' }],
    }),
  })),
};
const [first, second] = copies('side');
const annotations = {
  [hashKey]: JSON.stringify({ set: { updateTimestamp: '2026-01-01T00:00:00Z', hash: 'h1', sidecarSetName: 'set' } }),
  [injectedListKey]: 'set',
  [workingKey]: JSON.stringify({ side: first }),
  [versionKey(first)]: '1',
  [versionAltKey(first)]: '0',
  [versionKey(second)]: '0',
  [versionAltKey(second)]: '1',
};

/** A scene of the test's own on the file's system. */
export async function sceneOf(t: Scope, system: AgentSystem): Promise<AgentScene> {
  const { cluster, admin, controlPlane } = system;
  const namespace = await makeNamespace(t, controlPlane);
  const node = `${namespace}-node`;
  const makeNode = (name: string): Promise<unknown> => cluster.create(nodes, { metadata: { name } });
  await makeNode(node);
  const known = new Set([node]);
  const list = async (): Promise<WirePod[]> => (await cluster.list<WirePod>(pods, { namespace })).items;
  type WireEvent = KubernetesObject & { reason: string; message: string; involvedObject: { name?: string } };
  const eventsOf = async (pod = 'p0'): Promise<WireEvent[]> =>
    (await cluster.list<WireEvent>(events, { namespace })).items
      .filter(({ involvedObject }) => involvedObject.name === pod)
      .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion));
  const accessOn = async (on: string): Promise<string[]> => {
    const kubeconfig = join(temporaryDirectory(t), 'agent.kubeconfig');
    writeKubeconfig(kubeconfig, { ...admin, token: await tokenOnNode(admin, on) });
    return [`--kubeconfig=${kubeconfig}`, `--node-name=${on}`];
  };
  return {
    system,
    namespace,
    node,
    async agent(flags = {}, on = node) {
      const args = Object.entries(flags).map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`));
      const service = await startService(
        t,
        ['--import=tsx', 'test/cluster/agent/process.ts'],
        [...(await accessOn(on)), ...args],
      );
      if (flags['die-in'] === undefined) await untilReady(service);
      return service;
    },
    async realAgent(...args) {
      const service = await startService(t, BATON, ['agent', ...(await accessOn(node)), ...args]);
      await untilReady(service);
      return service;
    },
    async makePods(count, { node: on = node, prefix = 'p', annotations: more = {}, hasFolder = false } = {}) {
      if (!known.has(on)) await makeNode(on);
      known.add(on);
      const make = (_: unknown, index: number): Promise<unknown> =>
        cluster.create<WirePod>(pods, {
          metadata: {
            namespace,
            name: `${prefix}${index}`,
            labels: { [injectedLabel]: 'true' },
            annotations: { ...annotations, ...more },
          },
          spec: { nodeName: on, ...(hasFolder ? withFolder : { containers }) },
        });
      await Promise.all(Array.from({ length: count }, make));
      await until('they run', async () =>
        (await list()).every(({ status }) => status?.containerStatuses?.every(({ ready }) => ready)),
      );
    },
    pods: list,
    async grant(image = 'side:2') {
      const grants = printGrants(
        new Map([
          [
            'set',
            {
              v: 1,
              revision: image,
              hash: image,
              version: '50',
              sidecarList: ['side'],
              sidecars: { side: { image, emptyImage: 'side:empty' } },
              grantedAt: new Date().toISOString(),
            },
          ],
        ]),
      );
      const patch = { metadata: { annotations: { [grantKey]: grants } } };
      for (const { metadata } of await list()) {
        await cluster.patch(pods, { namespace, name: metadata.name ?? '' }, patch);
      }
    },
    untilPairs: (pair, ms = 30_000) =>
      until(
        `${pair} everywhere`,
        async () => {
          const all = await list();
          return all.every((pod) => pairOf(pod) === pair && isAtRest(pod));
        },
        ms,
      ),
    events: async (pod) => (await eventsOf(pod)).map(({ reason }) => reason),
    lastEvent: async (pod) => (await eventsOf(pod)).at(-1)?.message,
  };
}

/** What the two copies run, the one that serves first. */
export const pairOf = ({ spec }: WirePod): string =>
  (spec?.containers ?? [])
    .flatMap(({ name, image = '' }) => (name.startsWith('side-') ? [image] : []))
    .sort((a, b) => Number(a === 'side:empty') - Number(b === 'side:empty'))
    .join();

/** Every container runs what the spec says. */
const isAtRest = ({ spec, status }: WirePod): boolean =>
  (spec?.containers ?? []).every(({ name, image }) => {
    const shown = status?.containerStatuses?.find((container) => container.name === name);
    return shown?.image === image && shown?.ready;
  });

/** The record of the pod's upgrade. */
export const recordOf = ({ metadata }: WirePod): { phase: string; reason?: string } | undefined =>
  (JSON.parse(metadata.annotations?.[upgradeKey] ?? '{}') as Record<string, { phase: string; reason?: string }>)['set'];

/** The value of a metric of the agent's; 0 where it has none yet. */
export async function metricOf({ page }: Service, line: string): Promise<number> {
  const text = (await page('/metrics'))?.text ?? '';
  const found = text.split('\n').find((each) => each.startsWith(`${line} `));
  return Number(found?.slice(line.length) ?? 0);
}
