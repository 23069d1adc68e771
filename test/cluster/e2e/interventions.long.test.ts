// What people do in the middle of an upgrade, on a real node and under load; and what they write that cannot be carried out.
import type { ExecutionContext } from 'ava';
import { fileURLToPath } from 'node:url';
import { findContainer } from '../../../api/containers.ts';
import type { Container } from '../../../api/kubernetes.ts';
import { copies, grantKey, injectedLabel, workingKey } from '../../../api/pod-contract.ts';
import { printGrants } from '../../../api/grant.ts';
import type { UpgradePhase } from '../../../api/upgrade-record.ts';
import { pods, sidecarSets } from '../../../cluster/resource.ts';
import { slots } from '../../helpers/slots.ts';
import { until } from '../../helpers/processes.ts';
import { addImages } from '../node/image.ts';
import { nodeTest } from '../node/node-test.ts';
import { startRegistry } from '../node/registry.ts';
import { isReady, type WirePod } from '../node/scene.ts';
import { echoImage, names } from './images.ts';
import {
  appContainer,
  hotSide,
  idleCopy,
  startScene,
  workingCopy,
  type Scene,
  type SidecarContainer,
} from './scene.ts';
import {
  assertUnnoticed,
  eventsOf,
  givesUp,
  neverServes,
  phaseNow,
  script,
  startTrial,
  type Trial,
  untilCreated,
} from './trial.ts';

/** Each may wait for its turn. */
const TEST_TIMEOUT_MS = 300_000;
const inTurn = slots(2);

/** Serves after two seconds. */
const late = {
  '/app/real.js': fileURLToPath(new URL('../../../examples/http-echo/sidecar.js', import.meta.url)),
  '/app/sidecar.js': {
    content: "await new Promise((resolve) => setTimeout(resolve, 2000)); await import('/app/real.js');",
  },
};

type Images = Record<'late' | 'hanging' | 'failing', string>;
let imported: Promise<Images> | undefined;
/** All at once: they have the same layers but one. */
const imagesOn = (t: ExecutionContext, { node }: Scene): Promise<Images> =>
  (imported ??= addImages(t, node, {
    late: echoImage('late', late),
    failing: echoImage('failing', givesUp),
    hanging: echoImage('hanging', { ...neverServes, '/migrate.sh': script('exec sleep 600') }),
  }));

const side = (image: string): SidecarContainer => hotSide(image, { upgradeStrategy: { soakSeconds: 2 } });

/** What people do, and the image that they ask for by it. */
const interventions: [what: string, act: (scene: Scene) => Promise<unknown>, image?: string][] = [
  ['another version is published', ({ publish }) => publish({ containers: [side(names.v3)] }), names.v3],
  ['the set is paused', ({ publish }) => publish({ updateStrategy: { paused: true } })],
  ['the change is reverted', ({ publish }) => publish({ containers: [side(names.v1)] }), names.v1],
  ['the set is deleted', ({ cluster, name }) => cluster.delete(sidecarSets, { name })],
];

/** In each phase: the version that is under way, and what serves in the end where nothing else was asked for. */
const moments: [phase: UpgradePhase, next: keyof Images, end: keyof Images | 'v1'][] = [
  ['Upgrading', 'late', 'late'],
  ['Soaking', 'late', 'late'],
  ['Resetting', 'late', 'late'],
  ['RollingBack', 'failing', 'v1'],
];

for (const [phase, next, end] of moments) {
  for (const [what, act, image] of interventions) {
    nodeTest(`${what} in phase ${phase}: it ends well, and nobody notices`, async (t) => {
      const scene = await startScene(t);
      t.timeout(TEST_TIMEOUT_MS);
      const images = { ...(await imagesOn(t, scene)), v1: names.v1 };
      await inTurn(async () => {
        await scene.createSet({ containers: [side(names.v1)] });
        await scene.startPod('pod');
        const trial = await startTrial(t, scene);
        await scene.publish({ containers: [side(images[next])] });
        await trial.untilPhase(phase);
        await endsWell(t, scene, trial, act, image ?? images[end]);
      });
    });
  }
}

for (const [what, act, image = names.v1] of interventions) {
  nodeTest(`${what} in phase Pulling: what was not begun is taken back`, async (t) => {
    const scene = await startScene(t);
    t.timeout(TEST_TIMEOUT_MS);
    const registry = await startRegistry(t);
    const next = await registry.push({ name: 'echo:next', ...echoImage('next') });
    await inTurn(async () => {
      await scene.createSet({ containers: [side(names.v1)] });
      const { spec } = await scene.startPod('pod');
      const trial = await startTrial(t, scene);
      registry.trouble('hanging');
      await scene.publish({ containers: [side(next)] });
      await trial.untilPhase('Pulling');
      const { spec: pulling } = await scene.untilPod('Pulling', 'pod', () => true);
      t.deepEqual(pulling, spec);
      await endsWell(t, scene, trial, act, image);
      registry.trouble();
    });
  });
}

/** The kubelet calls a pod with a dead container not ready, and rests after a hook that failed. */
const UNREADY_MS = 13_000;

nodeTest('a version whose hook hangs makes room for the next one', async (t) => {
  const scene = await startScene(t);
  t.timeout(TEST_TIMEOUT_MS);
  const { hanging } = await imagesOn(t, scene);
  await inTurn(async () => {
    await scene.createSet({ containers: [side(names.v1)] });
    await scene.startPod('pod');
    const trial = await startTrial(t, scene);
    await scene.publish({ containers: [side(hanging)] });
    await untilCreated(scene.node, hanging);
    const began = performance.now();
    await scene.publish({ containers: [side(names.v3)] });
    await scene.untilPod('it is over', 'pod', (pod) => isAtRest(pod, scene.name, names.v3));
    t.log(`over after ${Math.round(performance.now() - began)} ms`);
    const seen = await trial.end();
    assertUnnoticed(t, seen);
    t.true(seen.gaps.reduce((all, gap) => all + gap, 0) <= UNREADY_MS);
  });
});

/** The pod comes to rest with that image, and its clients notice nothing of it all. */
async function endsWell(
  t: ExecutionContext,
  scene: Scene,
  trial: Trial,
  act: (scene: Scene) => Promise<unknown>,
  image: string,
): Promise<void> {
  const began = performance.now();
  await act(scene);
  await scene.untilPod('it is over', 'pod', (pod) => isAtRest(pod, scene.name, image));
  t.log(`over after ${Math.round(performance.now() - began)} ms, ${trial.phase() ?? 'no upgrade'}`);
  const seen = await trial.end();
  assertUnnoticed(t, seen);
  t.deepEqual(seen.gaps, []);
}

/** No upgrade goes on, that image serves, and the other copy is empty. */
function isAtRest(pod: WirePod, set: string, image: string): boolean {
  const imageOf = (container: string): string | undefined => findContainer(pod, container)?.container.image;
  return (
    ['Done', 'Failed', 'Withdrawn'].includes(phaseNow(pod, set) ?? '') &&
    imageOf(workingCopy(pod)) === image &&
    imageOf(idleCopy(pod)) === names.empty
  );
}

const GRACE_SECONDS = 5;

for (const phase of ['Upgrading', 'Soaking'] as const) {
  nodeTest(`a pod that is deleted in phase ${phase} is gone within its grace period`, async (t) => {
    const scene = await startScene(t);
    const { cluster, namespace } = scene;
    t.timeout(TEST_TIMEOUT_MS);
    const images = await imagesOn(t, scene);
    const next = phase === 'Upgrading' ? images.hanging : images.late;
    await inTurn(async () => {
      await scene.createSet({ containers: [side(names.v1)] });
      await scene.startPod('pod', { terminationGracePeriodSeconds: GRACE_SECONDS });
      await scene.publish({ containers: [side(next)] });
      await scene.untilPod(phase, 'pod', (pod) => phaseNow(pod, scene.name) === phase);
      const began = performance.now();
      await cluster.delete(pods, { namespace, name: 'pod' });
      const isGone = async (): Promise<boolean> =>
        (await cluster.list(pods, { namespace, fields: { 'metadata.name': 'pod' } })).items.length === 0;
      await until('it is gone', isGone, 60_000);
      const ms = Math.round(performance.now() - began);
      t.log(`gone after ${ms} ms`);
      t.true(ms < GRACE_SECONDS * 1000 + 5_000);
    });
  });
}

nodeTest(
  'a grant that cannot be read, and volumes that are not as injected: the pod is untouched, and says so',
  async (t) => {
    const scene = await startScene(t);
    const { cluster, namespace } = scene;
    const [first, second] = copies('side');
    const grant = {
      v: 1,
      revision: 'r2',
      hash: 'h2',
      version: '50',
      sidecarList: ['side'],
      sidecars: { side: { image: names.v2, emptyImage: names.empty } },
      grantedAt: new Date().toISOString(),
    } as const;
    const grants: Record<string, string> = {
      unread: '{"set":{"v":2}}',
      broken: '{"set":',
      elsewhere: printGrants(new Map([['set', grant]])),
    };
    // Another webhook took the mounts away.
    const copyOf = (name: string): Container => ({
      ...appContainer([]),
      name,
      env: [
        { name: 'CALLS', value: '' },
        { name: 'SERVES', value: name === first ? '8001' : '8002' },
        { name: 'BATON_DIR', value: '/run/baton' },
      ],
    });
    const block = async (name: string, text: string): Promise<void> => {
      await cluster.create<WirePod>(pods, {
        metadata: {
          namespace,
          name,
          labels: { [injectedLabel]: 'true' },
          annotations: { [workingKey]: JSON.stringify({ side: first }) },
        },
        spec: {
          nodeName: scene.node.name,
          terminationGracePeriodSeconds: 1,
          containers: [appContainer(), copyOf(first), copyOf(second)],
        },
      });
      const before = await scene.untilPod('Ready', name, isReady);
      await cluster.patch(pods, { namespace, name }, { metadata: { annotations: { [grantKey]: text } } });
      const told = await until('it is told', async () =>
        (await eventsOf(scene, name)).find(({ reason }) => reason === 'HotUpgradeBlocked'),
      );
      t.log(name, told.message);
      const { spec } = await scene.untilPod('Ready', name, isReady);
      t.deepEqual(spec, before.spec);
    };
    t.timeout(TEST_TIMEOUT_MS);
    await inTurn(() => Promise.all(Object.entries(grants).map(([name, text]) => block(name, text))));
  },
);
