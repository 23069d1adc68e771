import test from 'ava';
import jsonpatch from 'fast-json-patch';
import { compareBytes, isObject } from '../../api/json.ts';
import type { ControllerRevision, Pod } from '../../api/kubernetes.ts';
import { revisionLabels } from '../../api/revision-labels.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { revisionData } from '../../controller/revisions/data.ts';
import { register, toDelete } from '../../controller/revisions/history.ts';
import { newRevision } from '../../controller/revisions/revision.ts';
import { plan } from '../../controller/rollout/plan.ts';
import type { PodWrite } from '../../controller/rollout/pod-write.ts';
import { isNews } from '../../controller/rollout/status.ts';
import { oracle, plain } from './corpus.ts';

const namespace = 'kruise-system';

interface NewRevision {
  id: string;
  desc: string;
  kind: 'newRevision';
  sidecarSet: SidecarSet;
  revision: number;
  collisionCount: number;
  out: { data: string; revision: ControllerRevision };
}

interface Reconcile {
  id: string;
  desc: string;
  kind: 'reconcile';
  sidecarSet: SidecarSet;
  pods: Pod[];
  revisions: ControllerRevision[];
  out: {
    status: NonNullable<SidecarSet['status']>;
    revisions: { name: string; revision: number; customVersion: string | null }[];
    changedPods: { name: string; annotations: Record<string, string>; images: Record<string, string> }[] | null;
    events: unknown[];
  };
}

for (const recorded of oracle<NewRevision | Reconcile>('history')) {
  test(`${recorded.id} ${recorded.desc}`, (t) => {
    if (recorded.kind === 'newRevision') {
      const { sidecarSet, revision, collisionCount, out } = recorded;
      t.is(revisionData(sidecarSet), out.data);
      const { apiVersion, kind, data, ...made } = newRevision(sidecarSet, { namespace, revision, collisionCount });
      t.deepEqual(plain(made), plain(out.revision));
      t.deepEqual([apiVersion, kind, isObject(data)], ['apps/v1', 'ControllerRevision', true]);
      return;
    }
    const { sidecarSet, pods, revisions, out } = recorded;
    const registered = register(sidecarSet, revisions, { namespace });
    t.is(registered.revision.metadata?.name, out.status.latestRevision);
    t.is(registered.collisionCount, out.status.collisionCount ?? -1);
    const others = revisions.filter(({ metadata }) => metadata?.name !== registered.revision.metadata?.name);
    const stored = [...others, registered.revision];
    const planned = plan(sidecarSet, pods, {
      now: Date.UTC(2026, 0, 2, 3, 4, 5),
      controllerRevision: registered.revision.metadata?.name ?? '',
      collisionCount: registered.collisionCount,
    });
    const deleted = toDelete(sidecarSet, stored, new Set(planned.revisions.inUse));
    const left = stored
      .filter((revision) => !deleted.includes(revision))
      .map(({ metadata, revision }) => ({
        name: metadata?.name ?? '',
        revision,
        customVersion: metadata?.labels?.[revisionLabels.customVersion] ?? null,
      }))
      .sort((a, b) => a.revision - b.revision || compareBytes(a.name, b.name));
    t.deepEqual(left, out.revisions);
    t.deepEqual(changedBy(planned.upgrade, pods), changedPods(out.changedPods ?? []));
    const status = isNews(sidecarSet, planned.status) ? planned.status : sidecarSet.status;
    t.deepEqual({ updatedReadyPods: 0, ...status }, { updatedReadyPods: 0, ...out.status });
  });
}

type Changed = Record<string, { annotations: Record<string, string>; images: Record<string, string> }>;

const changedPods = (pods: NonNullable<Reconcile['out']['changedPods']>): Changed =>
  Object.fromEntries(pods.map(({ name, annotations, images }) => [name, { annotations, images }]));

function changedBy(writes: PodWrite[], pods: Pod[]): Changed {
  return Object.fromEntries(
    writes.map(({ name, patch }) => {
      const pod = structuredClone(pods.find(({ metadata }) => metadata?.name === name)) as Pod;
      const { newDocument: changed } = jsonpatch.applyPatch(pod, patch as jsonpatch.Operation[], true);
      const annotations = Object.entries(changed.metadata?.annotations ?? {}).map(([key, text]): [string, string] => [
        key,
        text.replaceAll('2026-01-02T03:04:05Z', '<now>'),
      ]);
      const images = (changed.spec?.containers ?? []).map((container): [string, string] => [
        container.name,
        container.image ?? '',
      ]);
      return [name, { annotations: Object.fromEntries(annotations), images: Object.fromEntries(images) }];
    }),
  );
}
