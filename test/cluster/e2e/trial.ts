import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { lifeOf } from '../../../api/containers.ts';
import { phaseOf, type UpgradePhase } from '../../../api/upgrade-record.ts';
import type { LoadSummary } from '../../../cli/rehearsal/load-types.ts';
import type { Files } from '../../../deploy/image/files.ts';
import type { KubernetesObject } from '../../../cluster/cluster.ts';
import { events } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { containerIdOf, pidOf } from '../node/container.ts';
import { containerdAt } from '../node/containerd.ts';
import { startLoadIn } from '../node/load.ts';
import type { NodeFacts } from '../node/node.ts';
import { recordReadiness, type Readiness } from '../node/readiness.ts';
import { isReady, type WirePod } from '../node/scene.ts';
import { recordOf, type Scene } from './scene.ts';

/** Requests a second, and the connections that they share: many trials run at once. */
export const LOAD = { connections: 4, rate: 60, timeout: 30_000 };

const OVER_MS = 60_000;

/** A pod under load from inside, all of whose readiness is recorded. */
export interface Trial {
  readonly readiness: Readiness;
  /** Waits until the set's upgrade of the pod is in this phase. */
  untilPhase: (phase: UpgradePhase, ms?: number) => Promise<WirePod>;
  /** Waits until it is Done or Failed; asks nobody but the watch. */
  untilOver: (ms?: number) => Promise<unknown>;
  /** The latest that the watch has told. */
  phase: () => UpgradePhase | undefined;
  /** Waits for an event about the pod; its message. */
  untilTold: (reason: string, ms?: number) => Promise<string>;
  /** Ends the load and the record, and logs both. */
  end: () => Promise<Seen>;
}

/** What the pod's clients and its watchers saw. */
export interface Seen extends Pick<LoadSummary, 'requests' | 'connections'> {
  /** How long the pod was not ready, each time, in milliseconds: empty where it was ready throughout. */
  gaps: number[];
  isReady: boolean;
}

export async function startTrial(t: ExecutionContext, scene: Scene, name = 'pod'): Promise<Trial> {
  const { cluster, namespace, node } = scene;
  const pod = await scene.untilPod('Ready', name, isReady);
  const pid = await pidOf(node, containerIdOf(pod, 'app'));
  if (pid === undefined) throw new Error('the app does not run');
  const http = { kind: 'http', method: 'GET', path: '/', headers: {}, versionHeader: 'x-sidecar-version' } as const;
  const load = await startLoadIn(t, pid, { ...http, ...LOAD }, 9091);
  const readiness = await recordReadiness(t, cluster, { namespace, name });
  const phase = (): UpgradePhase | undefined => phaseNow(readiness.pod(), scene.name);
  return {
    readiness,
    untilPhase: (phase, ms) => scene.untilPod(phase, name, (now) => phaseNow(now, scene.name) === phase, ms),
    phase,
    untilOver: (ms = OVER_MS) =>
      until('it is over', () => ['Done', 'Failed'].includes(phase() ?? ''), ms).catch(async (error: unknown) => {
        const told = (await eventsOf(scene, name)).map(({ reason, message }) => `${reason} ${message}`);
        const { metadata, status } = readiness.pod();
        throw new Error([...told, JSON.stringify([metadata.annotations, status])].join('\n'), { cause: error });
      }),
    untilTold: (reason, ms) =>
      until(reason, async () => (await eventsOf(scene, name)).find((event) => event.reason === reason)?.message, ms),
    async end() {
      const { requests, connections } = await load.stop();
      await readiness.stop();
      const { transitions } = readiness;
      const gaps = transitions.flatMap(({ at, ready }, index) =>
        ready ? [] : [Math.round((transitions[index + 1]?.at ?? Infinity) - at)],
      );
      const why = transitions.flatMap(({ ready, missing }) => (ready ? [] : [missing.join()]));
      t.log(JSON.stringify({ requests, connections, gaps, why }));
      return { requests, connections, gaps, isReady: transitions.at(-1)?.ready ?? false };
    },
  };
}

/** The phase of a set's upgrade, as anybody sees it who reads the pod. */
export function phaseNow(pod: WirePod, set: string): UpgradePhase | undefined {
  const record = recordOf(pod, set);
  return record && phaseOf(record, (container) => lifeOf(pod, container));
}

type WireEvent = KubernetesObject & { reason: string; message: string; involvedObject: { name?: string } };

/** The events about a pod, in the order in which they were written. */
export async function eventsOf({ cluster, namespace }: Scene, pod = 'pod'): Promise<WireEvent[]> {
  const { items } = await cluster.list<WireEvent>(events, { namespace });
  return items
    .filter(({ involvedObject }) => involvedObject.name === pod)
    .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion));
}

/** Nothing that clients could notice. */
export function assertUnnoticed(t: ExecutionContext, { requests, connections }: Seen): void {
  t.true(requests.total > 10, `only ${requests.total} requests`);
  t.deepEqual(
    { failed: requests.failures, closed: connections.closed, refused: connections.refused },
    { failed: {}, closed: 0, refused: 0 },
  );
}

/** A file of an image that is a shell's program. */
export const script = (content: string): { content: string; mode: number } => ({
  content: `#!/bin/sh\n${content}\n`,
  mode: 0o755,
});

/** What an image has instead of the example's sidecar. */
export const program = (content: string): Files => ({ '/app/sidecar.js': { content } });

/** Uses the SDK, and comes to nothing. */
export const neverServes = program(`
  import { createSidecar } from 'baton-sidecar';
  await createSidecar();
  setInterval(() => undefined, 1000);
`);

/** The same, and says so at once: the agent is told, and the hook ends well. */
export const givesUp: Files = { ...neverServes, '/migrate.sh': script('exec baton migrate --timeout 1') };

/** Waits until a container has this image, and a moment more: its hook runs. */
export async function untilCreated({ socket }: NodeFacts, image: string): Promise<void> {
  const { ctr } = containerdAt(socket);
  await until('it is there', async () => (await ctr('containers', 'ls')).includes(image));
  await delay(1_500);
}
