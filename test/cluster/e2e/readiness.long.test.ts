// What probes of a hot sidecar do to the pod's readiness in an upgrade: docs/agent.md has the figures that this prints.
import { slots } from '../../helpers/slots.ts';
import { nodeTest } from '../node/node-test.ts';
import { names } from './images.ts';
import { hotSide, startScene, type SidecarContainer } from './scene.ts';
import { assertUnnoticed, startTrial } from './trial.ts';

/** Each may wait for its turn. */
const TEST_TIMEOUT_MS = 300_000;
const inTurn = slots(1);

const health = { exec: { command: ['baton', 'health'] }, periodSeconds: 1, timeoutSeconds: 5 };

/** A restarted container with a probe is not ready until the first answer; how long that takes is the probe's. */
const UNREADY_MS = 5_000;

const cases: [what: string, probes: Partial<SidecarContainer>, unreadyMs: number][] = [
  ['no probe', {}, 0],
  ['a liveness probe by baton health', { livenessProbe: { ...health, periodSeconds: 5 } }, 0],
  ['a readiness probe by baton health', { readinessProbe: health }, UNREADY_MS],
  [
    'a readiness probe without a program',
    { readinessProbe: { exec: { command: ['/bin/busybox', 'true'] }, periodSeconds: 1 } },
    UNREADY_MS,
  ],
  [
    'a startup probe by baton health',
    { startupProbe: { ...health, successThreshold: 1, failureThreshold: 30 } },
    UNREADY_MS,
  ],
];

for (const [what, probes, unreadyMs] of cases) {
  nodeTest(`upgraded with ${what}`, async (t) => {
    const scene = await startScene(t);
    t.timeout(TEST_TIMEOUT_MS);
    const side = (image: string): SidecarContainer => hotSide(image, probes);
    await inTurn(async () => {
      await scene.createSet({ containers: [side(names.v1)] });
      await scene.startPod('pod');
      const trial = await startTrial(t, scene);
      await scene.publish({ containers: [side(names.v2)] });
      await scene.untilUpgraded('pod', names.v2);
      await scene.untilPod('Ready', 'pod', () => trial.readiness.transitions.at(-1)?.ready === true);
      const seen = await trial.end();
      assertUnnoticed(t, seen);
      const sum = seen.gaps.reduce((all, gap) => all + gap, 0);
      t.true(sum <= unreadyMs, `not ready for ${sum} ms`);
      t.true(seen.gaps.length <= 2, 'one for each copy');
    });
  });
}
