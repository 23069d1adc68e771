import type { Node } from '../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../cluster/cluster.ts';
import { nodes } from '../cluster/resource.ts';

/** Conditions under which the kubelet begins to evict pods: no time to run two copies of anything. */
const PRESSURES: readonly string[] = ['MemoryPressure', 'DiskPressure', 'PIDPressure'];
/** How long an answer counts, in milliseconds; the kubelet itself looks every 10 s. */
const FRESH = 5_000;

/**
 * Asks how the node fares, at most every few seconds.
 *
 * @param now - milliseconds that only grow
 * @returns what is short, in words; undefined where nothing is
 */
export function createPressure(cluster: Cluster, name: string, now: () => number): () => Promise<string | undefined> {
  let asked: { at: number; answer: Promise<string | undefined> } | undefined;
  return () => {
    if (!asked || now() - asked.at >= FRESH) {
      const answer = cluster.get<Node & KubernetesObject>(nodes, { name }).then(pressureOf);
      // The next one asks again.
      answer.catch(() => (asked = undefined));
      asked = { at: now(), answer };
    }
    return asked.answer;
  };
}

/** What a node says that it is short of. */
export function pressureOf({ metadata, status }: Node): string | undefined {
  const found = (status?.conditions ?? []).filter(({ type, status: is }) => is === 'True' && PRESSURES.includes(type));
  if (found.length === 0) return undefined;
  return `node ${metadata?.name ?? ''} has ${found.map(({ type }) => type).join(', ')}`;
}
