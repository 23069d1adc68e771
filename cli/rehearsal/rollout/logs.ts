import { pods } from '../../../cluster/resource.ts';
import type { Plan } from '../../../controller/rollout/plan.ts';
import { isReady, type WirePod } from './home.ts';
import { keyOf } from './places.ts';
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
export function notStarted(system: System, pod: WirePod | undefined, timeout: number): Error {
  const tails = (pod ? tailsOfPod(system, pod) : []).filter(([, lines]) => lines.length > 0);
  const logs = tails.map(([name, lines]) => `\n${name}:\n${lines.map((line) => `  ${line}`).join('\n')}`);
  const what = pod ? `pod ${keyOf(pod)} is` : 'the pods are';
  const message = `${what} not ready within ${timeout / 1000} s.${logs.join('') || ' Its containers printed nothing.'}`;
  return Object.assign(new Error(message), { code: 'ERR_BATON_NOT_STARTED' });
}
