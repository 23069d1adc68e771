import { toAlpha } from '../../../api/conversion.ts';
import type { ControllerRevision, Pod } from '../../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import * as resources from '../../../cluster/resource.ts';
import { newRevision } from '../../../controller/revisions/revision.ts';
import { ask, type Access } from '../control-plane/api.ts';
import { timeless, withLives, type Recorded } from './recorded.ts';
import type { WirePod, WireSet } from './start-system.ts';

/** Where OpenKruise keeps revisions and whitelist. */
export const history = 'kruise-system';
export type Revision = ControllerRevision & KubernetesObject;

/** A set that OpenKruise left, and the names of its revisions, in whose place the corpus has others. */
export interface Left {
  name: string;
  older: string;
  latest: string;
  /** Annotations as the corpus has them, with those names, and without times. */
  spelled: (annotations: Readonly<Record<string, string>>) => Record<string, string>;
}

/** Creates a set and its pods as OpenKruise 1.8 left them, with its revision and the one before. */
export async function leave(
  admin: Access,
  cluster: Cluster,
  { sidecarSet, out: { reconcile } }: Recorded,
  pods: readonly Pod[],
): Promise<Left> {
  const name = sidecarSet.metadata.name ?? '';
  const path = '/apis/apps.kruise.io/v1alpha1/sidecarsets';
  const created = JSON.parse(await ask(admin, 'POST', path, toAlpha(sidecarSet))) as WireSet;
  const set = { ...sidecarSet, metadata: { ...sidecarSet.metadata, uid: created.metadata.uid ?? '' } };
  const before = structuredClone(set);
  for (const container of before.spec.containers ?? []) container.image = `${container.image ?? ''}-old`;
  const revisions = [before, set].map((of, index) =>
    newRevision(of, { namespace: history, revision: index + 1, collisionCount: 0 }),
  );
  for (const revision of revisions) await cluster.create<Revision>(resources.controllerRevisions, revision as Revision);
  const [older = '', latest = ''] = revisions.map(({ metadata }) => metadata?.name ?? '');
  const status = { ...reconcile.status, latestRevision: latest, matchedPods: pods.length };
  await ask(admin, 'PATCH', `${path}/${name}/status`, { status }, 'application/merge-patch+json');
  const renamed = (annotations: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(annotations).map(([key, text]) => [
        key,
        text.replaceAll('s-rev1', older).replaceAll('s-rev2', latest),
      ]),
    );
  for (const [index, pod] of pods.entries()) {
    const annotations = renamed(pod.metadata?.annotations ?? {});
    for (const key of Object.keys(annotations))
      annotations[key] = (annotations[key] ?? '').replaceAll('<now>', '2026-01-02T00:00:00Z');
    const key = { namespace: 'default', name: `${name}-${index}` };
    await cluster.create<WirePod>(resources.pods, {
      metadata: { ...pod.metadata, ...key, annotations },
      ...(pod.spec && { spec: pod.spec }),
    });
    await cluster.patch(resources.pods, key, { status: withLives(pod).status }, { subresource: 'status' });
  }
  return { name, older, latest, spelled: (annotations) => timeless(renamed(annotations)) };
}
