// What the agent does to pods of a cluster in memory; the node is a double here. test/cli/rehearse-rollout.test.ts has the real one.
import test from 'ava';
import type { Pod } from '../../api/kubernetes.ts';
import { printGrants, type Grant } from '../../api/grant.ts';
import { copyOf } from '../../agent/hot-upgrade/evidence.ts';
import type { Step } from '../../agent/hot-upgrade/step.ts';
import type { View } from '../../agent/hot-upgrade/view.ts';
import {
  createUpgrader,
  lookAtAll,
  type NodeAccess,
  type Upgrader,
  type UpgraderOptions,
} from '../../agent/upgrader.ts';
import { copies, grantKey, upgradeKey, versionAltKey, versionKey, workingKey } from '../../api/pod-contract.ts';
import { readRecords, type UpgradeRecord } from '../../api/upgrade-record.ts';
import { wellFormed } from '../../controller/rollout/facts.ts';
import type { Cluster, KubernetesObject } from '../../cluster/cluster.ts';
import { clusterError } from '../../cluster/errors.ts';
import { type Admission, createMemoryCluster } from '../../cluster/memory/cluster.ts';
import { namespaces, pods } from '../../cluster/resource.ts';
import { there } from './hot-upgrade/scene.ts';

type WirePod = Pod & KubernetesObject;
const NOW = Date.UTC(2026, 0, 1);
const [first, second] = copies('s');

const grant: Grant = {
  v: 1,
  revision: 'r2',
  hash: 'h2',
  version: '50',
  sidecarList: ['s'],
  sidecars: { s: { image: 's:2', emptyImage: 's:empty' } },
  grantedAt: new Date(NOW).toISOString(),
};

interface World {
  cluster: Cluster;
  node: NodeAccess & { present: Map<string, string[]>; pulled: string[] };
  steps: string[];
  upgrader: Upgrader;
  pods: () => Promise<WirePod[]>;
  look: () => Promise<number | undefined>;
}

async function world(
  count: number,
  maxConcurrent = 3,
  admit?: Admission,
  more: Partial<UpgraderOptions> = {},
): Promise<World> {
  const cluster = createMemoryCluster({ now: () => NOW, ...(admit && { admit }) });
  await cluster.create(namespaces, { metadata: { name: 'test' } });
  const present = there('s:1', 's:2', 's:empty');
  const pulled: string[] = [];
  const node: World['node'] = {
    present,
    pulled,
    look: () => Promise.resolve({ stateFiles: new Map(), images: { present, pulls: new Map() } }),
    attend: () => undefined,
    pull: (image) => void pulled.push(image),
    stopContainer: () => undefined,
  };
  const steps: string[] = [];
  const onLook = ({ pod: { metadata } }: View, step: Step): void => {
    if (step.do === 'nothing' || step.do === 'wait') return;
    steps.push(`${metadata?.name ?? ''} ${step.do === 'patch' ? step.phase : step.do}`);
  };
  const upgrader = createUpgrader({ cluster, node, maxConcurrent, now: () => NOW, onLook, ...more });
  for (let index = 0; index < count; index += 1) await create(cluster, `p${index}`);
  const list = async (): Promise<WirePod[]> => (await cluster.list<WirePod>(pods)).items;
  return { cluster, node, steps, upgrader, pods: list, look: async () => lookAtAll(upgrader, await list()) };
}

async function create(cluster: Cluster, name: string): Promise<void> {
  const containers = [first, second].map((copy, index) => ({ name: copy, image: index === 0 ? 's:1' : 's:empty' }));
  const annotations = {
    [workingKey]: JSON.stringify({ s: first }),
    [versionKey(first)]: '1',
    [versionAltKey(first)]: '0',
    [versionKey(second)]: '0',
    [versionAltKey(second)]: '1',
    [grantKey]: printGrants(new Map([['set', grant]])),
  };
  const key = { namespace: 'test', name };
  await cluster.create<WirePod>(pods, { metadata: { ...key, annotations }, spec: { nodeName: 'n', containers } });
  const containerStatuses = containers.map((container) => ({
    ...container,
    containerID: `x://${container.name}/0`,
    imageID: '',
    ready: true,
    restartCount: 0,
    state: { running: { startedAt: new Date(NOW - 60_000).toISOString() } },
  }));
  await cluster.patch(pods, key, { status: { phase: 'Running', containerStatuses } }, { subresource: 'status' });
}

const recordOf = ({ metadata }: WirePod): UpgradeRecord | undefined =>
  wellFormed(readRecords(metadata.annotations?.[upgradeKey])).get('set');
const imageOf = ({ spec }: WirePod, name: string): string | undefined =>
  spec?.containers.find((container) => container.name === name)?.image;

test('a granted pod gets one patch, and a look at what waits takes no step', async (t) => {
  const { look, pods: all, steps } = await world(1);
  t.is(await look(), undefined, 'what it wrote will be seen as a change');
  t.deepEqual(steps, ['p0 Upgrading']);
  const [pod] = await all();
  t.is(pod && imageOf(pod, second), 's:2');
  t.is(pod && imageOf(pod, first), 's:1');
  t.true(((await look()) ?? 0) > NOW, 'it says when it has to look again');
  t.is(steps.length, 1);
});

test('no more pods than the node has places, those under way first', async (t) => {
  const { look, pods: all, steps } = await world(4, 2);
  await look();
  await look();
  t.deepEqual(steps, ['p0 Upgrading', 'p1 Upgrading']);
  t.is((await all()).filter((pod) => recordOf(pod)?.phase === 'Upgrading').length, 2);
});

test('a pod that somebody else wrote meanwhile is left to the next look', async (t) => {
  const { cluster, upgrader, pods: all, look } = await world(1);
  const old = await all();
  await cluster.patch(pods, { namespace: 'test', name: 'p0' }, { metadata: { labels: { a: 'b' } } });
  await lookAtAll(upgrader, old);
  t.is((await all()).map(recordOf)[0], undefined);
  await look();
  t.is((await all()).map(recordOf)[0]?.phase, 'Upgrading');
});

test('a pod that is gone meanwhile is no error', async (t) => {
  const { cluster, upgrader, pods: all } = await world(1);
  const old = await all();
  await cluster.delete(pods, { namespace: 'test', name: 'p0' }, { gracePeriodSeconds: 0 });
  await t.notThrowsAsync(lookAtAll(upgrader, old));
});

test('what the cluster refuses for another reason is thrown', async (t) => {
  const { look } = await world(1, 3, ({ operation, object }) =>
    operation === 'UPDATE' ? Promise.reject(clusterError('Forbidden', 'no')) : Promise.resolve(object),
  );
  await t.throwsAsync(look(), { code: 'ERR_BATON_FORBIDDEN' });
});

test('an image that is not on the node is claimed, then pulled, and only then put in', async (t) => {
  const { node, look, steps, pods: all } = await world(1);
  node.present.delete('s:2');
  await look();
  await look();
  t.deepEqual(steps, ['p0 Pulling', 'p0 pull']);
  t.deepEqual(node.pulled, ['s:2']);
  t.is((await all()).map((pod) => imageOf(pod, second))[0], 's:empty');
  node.present.set('s:2', []);
  await look();
  t.is(steps.at(-1), 'p0 Upgrading');
});

test('under pressure nothing begins, and the reason is told; what is under way goes on', async (t) => {
  let pressure: string | undefined;
  const told: (string | undefined)[] = [];
  const {
    look,
    steps,
    pods: all,
  } = await world(2, 3, undefined, {
    pressure: () => Promise.resolve(pressure),
    onLook: ({ heldBack, pod }, step) => {
      told.push(heldBack);
      if (step.do === 'patch') steps.push(`${pod.metadata?.name ?? ''} ${step.phase}`);
    },
  });
  pressure = 'the node has MemoryPressure';
  const again = await look();
  t.deepEqual(told, [pressure, pressure]);
  t.deepEqual(steps, []);
  t.true((again ?? Infinity) <= NOW + 10_000, 'it is looked at again soon');
  pressure = undefined;
  await look();
  pressure = 'the node has DiskPressure';
  await look();
  t.deepEqual(steps, ['p0 Upgrading', 'p1 Upgrading']);
  t.is((await all()).length, 2);
});

test('a pod that waits for a place is told when there is one; one that goes away leaves its own', async (t) => {
  const woken: string[] = [];
  const more: Partial<UpgraderOptions> = { onRoom: ({ metadata }) => void woken.push(metadata?.name ?? '') };
  const { upgrader, look, pods: all } = await world(3, 1, undefined, more);
  await look();
  t.is(upgrader.underWay.size, 1);
  t.is(upgrader.waiting, 2);
  t.deepEqual(woken, []);
  const [first] = await all();
  upgrader.forget(first?.metadata.uid ?? '');
  t.deepEqual(woken, ['p1']);
  t.is(upgrader.waiting, 1);
});

test('an agent that comes new counts what is under way before it begins anything', async (t) => {
  const { cluster, node, look, pods: all } = await world(2, 1);
  await look();
  const begun: string[] = [];
  const other = createUpgrader({
    cluster,
    node,
    maxConcurrent: 1,
    now: () => NOW,
    onLook({ pod }, step) {
      if (step.do === 'patch') begun.push(pod.metadata?.name ?? '');
    },
  });
  const [first, second] = await all();
  if (!first || !second) throw new Error('no pods');
  for (const pod of [first, second]) other.meet(pod);
  await other.look(second);
  t.deepEqual(begun, []);
});

test('what was written is known before the watch brings it, so no place is given twice', async (t) => {
  const { upgrader, pods: all, steps } = await world(2, 1);
  const old = await all();
  await lookAtAll(upgrader, old);
  await lookAtAll(upgrader, old);
  t.deepEqual(steps, ['p0 Upgrading']);
});

test('a pod of which the node cannot tell is left as it is', async (t) => {
  const { node, look, steps, pods: all } = await world(1);
  node.look = () => Promise.reject(new Error('no CRI socket'));
  await t.throwsAsync(look(), { message: 'no CRI socket' });
  t.deepEqual(steps, []);
  t.is((await all()).map(recordOf)[0], undefined);
});

test('what ended before the last patch is no failure of the new life, though its whole seconds look later', (t) => {
  const at = (ms: number): string => new Date(ms).toISOString();
  const patchedAt = NOW + 500;
  const ended = { containerID: 'x://s-2/2', exitCode: 137, reason: 'Error', startedAt: at(NOW), finishedAt: at(NOW) };
  const running = { startedAt: at(NOW) };
  const status = { name: second, image: 's:empty', imageID: '', ready: true, restartCount: 3 };
  const pod: Pod = {
    status: {
      containerStatuses: [
        { ...status, containerID: 'x://s-2/3', state: { running }, lastState: { terminated: ended } },
      ],
    },
  };
  const previous = { hash: null, working: {}, versions: {}, images: {}, containerIDs: { [second]: 's-2/3' } };
  const record = { phaseAt: patchedAt, previous } as unknown as UpgradeRecord;
  const exit = { id: 's-2/3', startedBy: NOW + 100 };
  const runtime = new Map([[second, { id: 's-2/4', running: true, startedAt: NOW + 600, exits: [exit] }]]);
  const view: View = { pod, now: NOW + 700, stateFiles: new Map(), runtime, mayStart: true };
  t.deepEqual(copyOf(view, second, record).lost, []);
});
