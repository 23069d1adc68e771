import type { Pod } from '../../../api/kubernetes.ts';
import { containerdAt } from './containerd.ts';
import { run } from './run.ts';

/** A container's ID, as the pod's status has it; without `containerd://`. */
export function containerIdOf(pod: Pod, container: string): string {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const found = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
  const id = found?.containerID?.replace(/^\w+:\/\//, '');
  if (!id) throw new Error(`${pod.metadata?.name ?? ''} has no container ${container}: ${JSON.stringify(pod.status)}`);
  return id;
}

/** The process number of a running container's first process; undefined where it does not run. */
export async function pidOf(node: { socket: string }, id: string): Promise<number | undefined> {
  const lines = (await containerdAt(node.socket).ctr('tasks', 'ls')).split('\n');
  const [, pid, status] = lines.find((line) => line.startsWith(id))?.split(/\s+/) ?? [];
  return status === 'RUNNING' ? Number(pid) : undefined;
}

/** What runs a program of this machine in the network of a process's container: its command, in front of the program's own. */
export const inNetworkOf = (pid: number): readonly [string, ...string[]] => [
  'nsenter',
  `--net=/proc/${pid}/ns/net`,
  '--',
];

/** Runs one there to its end; what it printed. */
export function runInNetworkOf(pid: number, ...command: readonly string[]): Promise<string> {
  const [program, ...enter] = inNetworkOf(pid);
  return run(program, ...enter, ...command);
}
