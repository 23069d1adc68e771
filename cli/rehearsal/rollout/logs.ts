import { pods } from '../../../cluster/resource.ts';
import type { Plan } from '../../../controller/rollout/plan.ts';
import { isReady, type WirePod } from './home.ts';
import { keyOf } from './places.ts';
import type { RolloutScenario } from './scenario.ts';
import type { System } from './system.ts';

const tailLines = 10;

/** The last lines of the logs of pods that failed or are not ready, by `namespace/pod/container`. */
export async function tailsOf(system: System, plans: ReadonlyMap<string, Plan>): Promise<Record<string, string[]>> {
  const failed = [...plans.values()].flatMap((plan) => plan.pods.filter(({ verdict }) => verdict === 'failed'));
  const keys = new Set(failed.map(keyOf));
  const { items } = await system.cluster.list<WirePod>(pods);
  const shown = items.filter((pod) => keys.has(keyOf(pod)) || !isReady(pod));
  return Object.fromEntries(shown.flatMap((pod) => tailsOfPod(system, pod)));
}

const tailsOfPod = ({ kubelet }: System, pod: WirePod): [string, string[]][] =>
  kubelet
    .lives(pod)
    .map(({ name }) => [
      `${pod.metadata.namespace ?? ''}/${pod.metadata.name ?? ''}/${name}`,
      kubelet.logTail(pod, name, tailLines),
    ]);

/** `ERR_BATON_NOT_STARTED`, with what the pod's containers printed last. */
export function notStarted(system: System, pod: WirePod | undefined, { timeouts, load, port }: RolloutScenario): Error {
  const tails = (pod ? tailsOfPod(system, pod) : []).filter(([, lines]) => lines.length > 0);
  const logs = tails.map(([name, lines]) => `\n${name}:\n${lines.map((line) => `  ${line}`).join('\n')}`);
  const [subject, verb] = pod ? [`pod ${keyOf(pod)} is`, 'does'] : ['the pods are', 'do'];
  const mute = load.kind === 'none' ? '' : `, or ${verb} not answer on port ${port},`;
  const message = `${subject} not ready${mute} within ${timeouts.start / 1000} s.`;
  return Object.assign(new Error(message + (logs.join('') || ' Its containers printed nothing.')), {
    code: 'ERR_BATON_NOT_STARTED',
  });
}
