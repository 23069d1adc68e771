import test from 'ava';
import { compareBytes, isObject } from '../../api/json.ts';
import type { ControllerRevision, Pod } from '../../api/kubernetes.ts';
import { readHashes } from '../../api/pod-annotations.ts';
import { hashKey } from '../../api/pod-contract.ts';
import { valueOr } from '../../api/reading.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { revisionData } from '../../controller/revisions/data.ts';
import { register, toDelete } from '../../controller/revisions/history.ts';
import { newRevision, revisionLabels } from '../../controller/revisions/revision.ts';
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
    const deleted = toDelete(sidecarSet, stored, revisionsOf(pods));
    const left = stored
      .filter((revision) => !deleted.includes(revision))
      .map(({ metadata, revision }) => ({
        name: metadata?.name ?? '',
        revision,
        customVersion: metadata?.labels?.[revisionLabels.customVersion] ?? null,
      }))
      .sort((a, b) => a.revision - b.revision || compareBytes(a.name, b.name));
    t.deepEqual(left, out.revisions);
  });
}

/** The revisions that the pods carry; all pods of the corpus match. */
function revisionsOf(pods: Pod[]): Set<string> {
  const hashes = pods.map(({ metadata }) => readHashes(metadata?.annotations?.[hashKey]));
  return new Set(
    hashes.flatMap((read) => [...valueOr(read, new Map())].map(([, entry]) => entry.controllerRevision ?? '')),
  );
}
