import { pods } from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { ask } from '../control-plane/api.ts';
import { containerIdOf, pidOf } from '../node/container.ts';
import { isReady, type NodeScene, type WirePod } from '../node/scene.ts';

const namespace = 'baton-system';
const labels = { matchLabels: { 'app.kubernetes.io/component': 'agent' } };

async function agentPod({ cluster }: NodeScene): Promise<WirePod | undefined> {
  const { items } = await cluster.list<WirePod>(pods, { namespace, labels });
  return items.find(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** Kills the node's agent at once (SIGKILL). Its DaemonSet starts another one, without the kubelet's pause after a crash. */
export async function killAgent(scene: NodeScene): Promise<void> {
  const pod = await until('there is an agent', () => agentPod(scene));
  const pid = await pidOf(scene.node, containerIdOf(pod, 'agent'));
  if (pid === undefined) throw new Error('the agent does not run');
  process.kill(pid, 'SIGKILL');
  await scene.cluster.delete(pods, { namespace, name: pod.metadata.name ?? '' }, { gracePeriodSeconds: 0 });
}

export const untilAgentRuns = (scene: NodeScene): Promise<unknown> =>
  until(
    'the agent runs',
    async () => ((await agentPod(scene).then((pod) => pod && isReady(pod))) ? true : undefined),
    60_000,
  );

/** Kills the agent, and lets no other one start. */
export async function sendAgentAway(scene: NodeScene): Promise<void> {
  await select(scene, { nowhere: 'true' });
  await killAgent(scene).catch(() => undefined);
  await until('it is gone', async () => (await agentPod(scene)) === undefined);
}

export const letAgentBack = (scene: NodeScene): Promise<unknown> => select(scene, { nowhere: null });

const select = ({ admin }: NodeScene, nodeSelector: Record<string, string | null>): Promise<unknown> =>
  ask(
    admin,
    'PATCH',
    `/apis/apps/v1/namespaces/${namespace}/daemonsets/baton-agent`,
    { spec: { template: { spec: { nodeSelector } } } },
    'application/merge-patch+json',
  );
