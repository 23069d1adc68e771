// Controller, agent and embedded node together, on the SDK's HTTP example. Needs `npm run build:sdk`.
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import type { Container } from '../../api/kubernetes.ts';
import { grantKey, upgradeKey } from '../../api/pod-contract.ts';
import type { SidecarContainer, SidecarSet } from '../../api/sidecar-set.ts';
import { readRecords } from '../../api/upgrade-record.ts';
import { namespaces, pods, sidecarSets } from '../../cluster/resource.ts';
import { wellFormed } from '../../controller/rollout/facts.ts';
import type { LocalImage } from '../../local/pod-spec.ts';
import { armImage } from '../../cli/rehearsal/faults.ts';
import { findAddresses } from '../../cli/rehearsal/rollout/addresses.ts';
import { homeNamespace, type WirePod, type WireSet } from '../../cli/rehearsal/rollout/home.ts';
import { atRest } from '../../cli/rehearsal/rollout/rest.ts';
import { nodeName, startSystem, type System } from '../../cli/rehearsal/rollout/system.ts';
import { readStateFile } from '../../local/state-file.ts';
import { temporaryDirectory, until } from '../helpers/processes.ts';

const script = fileURLToPath(new URL('../../examples/http-echo/sidecar.js', import.meta.url));
const echo: LocalImage = { command: [process.execPath, script] };
const sleep: LocalImage = { command: ['sleep', 'infinity'] };
const images = new Map([
  ['app:1', sleep],
  ...['log:1', 'log:2'].map((name): [string, LocalImage] => [name, sleep]),
  ...['echo:1', 'echo:2', 'echo:3', 'echo:empty'].map((name): [string, LocalImage] => [name, echo]),
]);

const hot = (name: string, port: number): SidecarContainer => ({
  name,
  image: 'echo:1',
  env: [
    { name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'PORT', value: String(port) },
  ],
  upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'echo:empty' },
});
const set = (name: string, containers: SidecarContainer[]): SidecarSet => ({
  metadata: { name },
  spec: { selector: { matchLabels: { app: 'a' } }, containers },
});

interface World extends System {
  /** All states of the pod so far. */
  seen: WirePod[];
  publish: (set: string, container: string, image: string) => Promise<void>;
  /** Waits until nothing moves. */
  rest: () => Promise<void>;
}

async function start(
  t: ExecutionContext,
  sets: SidecarSet[],
  { agentRestarted = false, its = images }: { agentRestarted?: boolean; its?: ReadonlyMap<string, LocalImage> } = {},
): Promise<World> {
  const directory = temporaryDirectory(t);
  const [address = ''] = await findAddresses(1, 9090);
  const seen: WirePod[] = [];
  const nothing = (): void => undefined;
  const system = startSystem({
    images: its,
    addressOf: () => address,
    logs: directory,
    cwd: directory,
    baseEnv: { PATH: process.env['PATH'] ?? '' },
    agentRestarted,
    warn: nothing,
    onPod: (pod) => void seen.push(pod),
    onSet: nothing,
    onStep: nothing,
    onSeen: nothing,
  });
  t.teardown(() => system.stop());
  const { cluster } = system;
  const rest = async (): Promise<void> => {
    const result = await atRest(system, Date.now() + 60_000, new AbortController().signal);
    if (result !== 'settled') throw new Error(`not at rest: ${JSON.stringify(system.controller.seen()?.plans)}`);
  };
  for (const name of ['default', homeNamespace, 'test']) await cluster.create(namespaces, { metadata: { name } });
  for (const one of sets) await cluster.create<WireSet>(sidecarSets, one);
  await rest();
  await cluster.create<WirePod>(pods, {
    metadata: { namespace: 'test', name: 'p', labels: { app: 'a' } },
    spec: { nodeName, containers: [{ name: 'app', image: 'app:1' }] },
  });
  await rest();
  const pod = await cluster.get<WirePod>(pods, { namespace: 'test', name: 'p' });
  const hotOnes = sets.flatMap(({ spec }) => spec.containers ?? []).filter((container) => container.upgradeStrategy);
  // They have no postStart hook, so ready does not mean that they serve.
  for (const { name } of hotOnes) {
    const folder = system.kubelet.batonDir(pod, `${name}-1`) ?? '';
    await until(`${name} serves`, () => readStateFile(folder, '1')?.phase === 'serving');
  }
  seen.splice(0, Infinity, pod);
  return {
    ...system,
    seen,
    rest,
    async publish(name, container, image) {
      const { spec } = await cluster.get<WireSet>(sidecarSets, { name });
      const containers = spec.containers?.map((one) => (one.name === container ? { ...one, image } : one));
      await cluster.patch(sidecarSets, { name }, { spec: { containers } });
    },
  };
}

const imageOf = ({ spec }: WirePod, name: string): string | undefined =>
  spec?.containers.find((container: Container) => container.name === name)?.image;
const openIn = ({ metadata }: WirePod): string[] =>
  [...wellFormed(readRecords(metadata.annotations?.[upgradeKey]))]
    .filter(([, { result }]) => result === undefined)
    .map(([name]) => name);

/** The writes to the pod, its status apart: what it was after each. */
function writes(seen: readonly WirePod[]): WirePod[] {
  const textOf = ({ spec, metadata: { annotations, labels } }: WirePod): string =>
    JSON.stringify({ spec, annotations, labels });
  return seen.filter((pod, index) => index > 0 && textOf(pod) !== textOf(seen[index - 1] as WirePod));
}

for (const agentRestarted of [false, true]) {
  const how = agentRestarted ? 'another agent goes on after each step' : 'one agent';
  test.serial(`a hot upgrade is three writes to the pod: grant, upgrade, reset (${how})`, async (t) => {
    const { seen, publish, rest } = await start(t, [set('s', [hot('echo', 9090)])], { agentRestarted });
    await publish('s', 'echo', 'echo:2');
    await rest();
    const [granted, upgraded, reset, ...more] = writes(seen);
    t.deepEqual(more, []);
    t.truthy(granted?.metadata.annotations?.[grantKey]);
    t.is(upgraded && imageOf(upgraded, 'echo-2'), 'echo:2');
    t.is(reset && imageOf(reset, 'echo-1'), 'echo:empty');
    t.true(
      seen.every(({ status }) => status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')),
    );
  });
}

test.serial('two sets of one pod go one after the other, and both come out', async (t) => {
  const sets = [set('s', [hot('echo', 9090)]), set('z', [hot('other', 9191)])];
  const { seen, publish, rest } = await start(t, sets, { agentRestarted: true });
  await Promise.all([publish('s', 'echo', 'echo:2'), publish('z', 'other', 'echo:2')]);
  await rest();
  t.true(seen.every((pod) => openIn(pod).length <= 1));
  const last = seen.at(-1);
  t.deepEqual(
    ['echo-2', 'other-2'].map((name) => last && imageOf(last, name)),
    ['echo:2', 'echo:2'],
  );
  t.deepEqual(
    ['echo-1', 'other-1'].map((name) => last && imageOf(last, name)),
    ['echo:empty', 'echo:empty'],
  );
});

test.serial('a cold container of the set goes with the hot one, in one write', async (t) => {
  const { cluster, seen, rest } = await start(t, [set('s', [hot('echo', 9090), { name: 'log', image: 'log:1' }])]);
  const containers = [
    { ...hot('echo', 9090), image: 'echo:2' },
    { name: 'log', image: 'log:2' },
  ];
  await cluster.patch(sidecarSets, { name: 's' }, { spec: { containers } });
  await rest();
  const pairs = seen.map((pod) => `${imageOf(pod, 'echo-2') ?? ''} ${imageOf(pod, 'log') ?? ''}`);
  t.deepEqual([...new Set(pairs)], ['echo:empty log:1', 'echo:2 log:2']);
});

test.serial(
  'after a roll-back the next version goes in at once, and is not taken for the one that failed',
  async (t) => {
    const broken = armImage({ command: echo.command ?? [], env: {} }, 'crash-after-ready', temporaryDirectory(t));
    const its = new Map([...images, ['echo:2', broken.image] as const]);
    const { seen, publish, rest, controller } = await start(t, [set('s', [hot('echo', 9090)])], { its });
    await publish('s', 'echo', 'echo:2');
    await rest();
    t.true(broken.happened());
    t.deepEqual(controller.seen()?.plans.get('s')?.halted, { failed: 1, threshold: 1 });
    await publish('s', 'echo', 'echo:3');
    await rest();
    const last = seen.at(-1);
    t.is(last && imageOf(last, 'echo-2'), 'echo:3');
    t.is(last && imageOf(last, 'echo-1'), 'echo:empty');
  },
);
