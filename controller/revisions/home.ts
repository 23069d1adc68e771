import { ApiError } from '../../api/error.ts';
import { revisionLabels } from '../../api/revision-labels.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { controllerRevisions, namespaces } from '../../cluster/resource.ts';

export interface HomeOptions {
  /** Baton's own namespace. */
  own: string;
  /** The one where OpenKruise keeps revisions and whitelist. */
  history: string;
}

/**
 * In which namespace revisions and whitelist are kept (ADR 7): where OpenKruise keeps them if there is such a namespace, so that
 * its history goes on and can be gone back to; else in Baton's own. Where Baton began in its own, it stays there.
 *
 * @throws ApiError of the cluster
 */
export async function homeOfRevisions(cluster: Cluster, { own, history }: HomeOptions): Promise<string> {
  if (own === history) return own;
  const labels = { matchExpressions: [{ key: revisionLabels.set, operator: 'Exists' as const }] };
  const { items } = await cluster.list(controllerRevisions, { namespace: own, labels, limit: 1 });
  if (items.length > 0) return own;
  try {
    const { metadata } = await cluster.get(namespaces, { name: history });
    return metadata.deletionTimestamp === undefined ? history : own;
  } catch (error) {
    if (error instanceof ApiError && error.code === 'ERR_BATON_NOT_FOUND') return own;
    throw error;
  }
}
