// New versions that fail, each in its own way, on a real node and under load: rolled back, and the old one serves all along.
import type { ExecutionContext } from 'ava';
import type { SidecarSetStatus } from '../../../api/sidecar-set.ts';
import type { Files } from '../../../deploy/image/files.ts';
import { findContainer } from '../../../api/containers.ts';
import type { FailureReason } from '../../../api/upgrade-record.ts';
import { slots } from '../../helpers/slots.ts';
import { kubectl } from '../controller/kubectl.ts';
import { addImages } from '../node/image.ts';
import { containerIdOf } from '../node/container.ts';
import { nodeTest } from '../node/node-test.ts';
import { startRegistry } from '../node/registry.ts';
import { isReady, type WirePod } from '../node/scene.ts';
import { echoImage, names } from './images.ts';
import { hotSide, idleCopy, recordOf, startScene, workingCopy, type Scene, type SidecarContainer } from './scene.ts';
import { installedCluster } from './system.ts';
import { assertUnnoticed, givesUp, LOAD, neverServes, program, script, startTrial } from './trial.ts';

/** Each may wait for its turn. */
const TEST_TIMEOUT_MS = 300_000;
const inTurn = slots(2);

/** For those that wait for it. */
const TIMEOUT_SECONDS = 6;

/** The kubelet starts an ended container anew within one or two seconds, or after the 10 that it rests when a hook failed. */
const UNREADY_MS = 13_000;

interface Case {
  title: string;
  /** What the new version has instead of the example's. */
  files: Files;
  side?: Partial<SidecarContainer>;
  settings?: NonNullable<SidecarContainer['upgradeStrategy']>;
  /** One of them: where there are two, it depends on who is heard first, the runtime or the kubelet. */
  reasons: readonly FailureReason[];
  /** The longest that the pod may be not ready in all, in milliseconds; without it, not at all. */
  unreadyMs?: number;
  /** A process that served them dies: its clients' connections too. */
  isNoticed?: true;
}

const cases: Case[] = [
  {
    title: 'an image that crashes',
    files: program('process.exit(3);'),
    // The hook of a dead process fails, too.
    reasons: ['Crashed', 'PostStartFailed'],
    unreadyMs: UNREADY_MS,
  },
  {
    title: 'a postStart hook that exits 1',
    files: { '/migrate.sh': script('exit 1') },
    reasons: ['PostStartFailed'],
    unreadyMs: UNREADY_MS,
    // Its SIGTERM came before Node could take it: it served until it was killed.
    isNoticed: true,
  },
  {
    title: 'baton migrate, which gives up',
    files: givesUp,
    reasons: ['ReportedError'],
  },
  {
    title: 'a migration that hangs',
    files: neverServes,
    settings: { migrationTimeoutSeconds: TIMEOUT_SECONDS },
    reasons: ['DeadlineExceeded'],
    unreadyMs: UNREADY_MS,
  },
  {
    title: 'a hook that hangs although its process serves',
    files: { '/migrate.sh': script('exec sleep 600') },
    settings: { migrationTimeoutSeconds: TIMEOUT_SECONDS },
    reasons: ['DeadlineExceeded'],
    unreadyMs: UNREADY_MS,
  },
  {
    title: 'a new copy that never becomes ready',
    files: { '/unready': { content: '' } },
    side: { readinessProbe: { exec: { command: ['/bin/sh', '-c', 'test ! -e /unready'] }, periodSeconds: 1 } },
    settings: { migrationTimeoutSeconds: TIMEOUT_SECONDS },
    reasons: ['DeadlineExceeded'],
    unreadyMs: TIMEOUT_SECONDS * 1000 + UNREADY_MS,
  },
  {
    title: 'a new copy that hangs while soaking',
    files: program(`
      import { createServer } from 'node:http';
      import { serve } from 'baton-sidecar';
      const server = createServer((request, response) => response.end('new'));
      await serve(server, { name: 'http', host: '127.0.0.1', port: 9091 }, { name: 'http-echo' });
      setTimeout(() => { for (;;); }, 2000);
    `),
    side: {
      livenessProbe: {
        exec: { command: ['baton', 'health'] },
        periodSeconds: 5,
        failureThreshold: 3,
        timeoutSeconds: 4,
      },
    },
    settings: { soakSeconds: 60 },
    reasons: ['HeartbeatLost'],
    unreadyMs: UNREADY_MS,
    isNoticed: true,
  },
];

/** All at once: they have the same layers but one. */
const badImages = Object.fromEntries(cases.map(({ title, files }) => [title, echoImage('bad', files)]));
let images: Promise<Record<string, string>> | undefined;

for (const { title, side = {}, settings = {}, reasons, unreadyMs = 0, isNoticed } of cases) {
  nodeTest(`${title}: rolled back`, async (t) => {
    const scene = await startScene(t);
    t.timeout(TEST_TIMEOUT_MS);
    const { [title]: bad = '' } = await (images ??= addImages(t, scene.node, badImages));
    const sideOf = (image: string): SidecarContainer => hotSide(image, { ...side, upgradeStrategy: settings });
    await inTurn(async () => {
      await scene.createSet({ containers: [sideOf(names.v1)] });
      const before = await scene.startPod('pod');
      const trial = await startTrial(t, scene);
      const began = performance.now();
      const after = (): number => Math.round(performance.now() - began);
      await scene.publish({ containers: [sideOf(bad)] });
      await trial.untilPhase('RollingBack');
      t.log(`rolled back ${after()} ms after it was published`);
      const pod = await trial.untilPhase('Failed');
      await scene.untilPod('Ready', 'pod', isReady);
      t.log(`over after ${after()} ms`);
      const message = await trial.untilTold('HotUpgradeFailed');
      const { reason } = recordOf(pod, scene.name) ?? {};
      if (!reason || !reasons.includes(reason)) return t.fail(message);
      assertOld(t, pod, before);
      await assertCounted(t, scene);
      await assertDescribed(t, scene, reason);
      const seen = await trial.end();
      if (isNoticed) t.true(seen.requests.failed <= LOAD.connections + 1 && seen.connections.refused === 0);
      else assertUnnoticed(t, seen);
      const sum = seen.gaps.reduce((all, gap) => all + gap, 0);
      t.true(sum <= unreadyMs, `not ready for ${sum} ms`);
      t.true(seen.isReady);
    });
  });
}

nodeTest('an image that the registry has not: the pod is as it was', async (t) => {
  const scene = await startScene(t);
  t.timeout(TEST_TIMEOUT_MS);
  const { address } = await startRegistry(t);
  await inTurn(async () => {
    await scene.createSet();
    const before = await scene.startPod('pod');
    const trial = await startTrial(t, scene);
    await scene.publish({ containers: [hotSide(`${address}/echo:none`)] });
    const pod = await trial.untilPhase('Failed');
    t.log(await trial.untilTold('HotUpgradeFailed'));
    t.is(recordOf(pod, scene.name)?.reason, 'ImageNotFound');
    t.deepEqual(pod.spec, before.spec);
    assertOld(t, pod, before);
    await assertCounted(t, scene);
    await assertDescribed(t, scene, 'ImageNotFound');
    const seen = await trial.end();
    assertUnnoticed(t, seen);
    t.deepEqual(seen.gaps, []);
  });
});

/** What people look at first says why. */
async function assertDescribed(t: ExecutionContext, { namespace }: Scene, reason: FailureReason): Promise<void> {
  const facts = await installedCluster(t);
  const described = await kubectl({ controlPlane: facts }, 'describe', 'pod', '--namespace', namespace, 'pod');
  t.regex(described, new RegExp(`Warning +HotUpgradeFailed .*${reason}: `));
}

/** As it was before the upgrade. */
function assertOld(t: ExecutionContext, pod: WirePod, before: WirePod): void {
  t.is(workingCopy(pod), workingCopy(before));
  t.is(findContainer(pod, workingCopy(pod))?.container.image, names.v1);
  t.is(findContainer(pod, idleCopy(pod))?.container.image, names.empty);
  for (const container of ['app', workingCopy(pod)])
    t.is(containerIdOf(pod, container), containerIdOf(before, container));
}

/** The pod is not updated, and the set's conditions and kubectl say why. */
async function assertCounted(t: ExecutionContext, scene: Scene): Promise<void> {
  const isTrue = ({ conditions = [] }: SidecarSetStatus, type: string): boolean =>
    conditions.some((one) => one.type === type && one.status === 'True');
  const { conditions, updatedPods } = await scene.untilSet(
    'it is counted',
    (status) => isTrue(status, 'Degraded') && isTrue(status, 'Halted'),
  );
  t.is(updatedPods, 0);
  t.is(conditions?.find(({ type }) => type === 'Degraded')?.reason, 'Failed');
}
