import test from 'ava';
import { reset, upgrade } from '../../../agent/hot-upgrade/patches.ts';
import type { Write } from '../../../agent/hot-upgrade/patches.ts';
import type { Plan } from '../../../agent/hot-upgrade/plan.ts';
import { planOf } from '../../../agent/hot-upgrade/plan.ts';
import { patch } from '../../../agent/hot-upgrade/step.ts';
import { foundHalfWay } from '../../../agent/hot-upgrade/takeover.ts';
import type { Grant, GrantedSidecar } from '../../../api/grant.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { hashKey, inPlaceStateKey, upgradeKey } from '../../../api/pod-contract.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { oracle } from '../../oracle/corpus.ts';
import { applied, imagesOn, now, rfc, viewOf } from './scene.ts';

interface Written {
  annotations: Record<string, string>;
  images: Record<string, string>;
}

interface Recorded {
  id: string;
  desc: string;
  sidecarSet: SidecarSet;
  pod: Pod;
  out: { upgrade: Partial<Written>; flip: Partial<Written> };
}

/** What the controller would grant for a set. */
function grantFor({ metadata, spec, status }: SidecarSet): Grant {
  const containers = spec.containers ?? [];
  const sidecars = containers.map(({ name, image = '', upgradeStrategy }): [string, GrantedSidecar] => {
    const emptyImage = upgradeStrategy?.hotUpgradeEmptyImage;
    const isHot = upgradeStrategy?.upgradeType === 'HotUpgrade' && emptyImage !== undefined;
    return [name, isHot ? { image, emptyImage } : { image }];
  });
  const hash = metadata.annotations?.[hashKey] ?? '';
  return {
    v: 1,
    revision: hash,
    hash,
    controllerRevision: status?.latestRevision ?? '',
    version: metadata.resourceVersion ?? '0',
    sidecarList: sidecars.map(([name]) => name).sort(),
    sidecars: Object.fromEntries(sidecars),
    grantedAt: rfc(now),
  };
}

/** The pod after a write, as the corpus shows pods: without Baton's own record. */
function after(its: Recorded, write: Write): Written {
  const view = viewOf(its.pod);
  const pod = applied(its.pod, patch(view, its.sidecarSet.metadata.name ?? '', write, ''));
  const annotations = Object.entries(pod.metadata?.annotations ?? {}).filter(([key]) => key !== upgradeKey);
  const printed = annotations.map(([key, value]) => [key, value.replaceAll('2026-01-01T12:00:00Z', '<now>')]);
  return {
    annotations: Object.fromEntries(printed) as Record<string, string>,
    images: imagesOn(pod) as Record<string, string>,
  };
}

function planned(its: Recorded): { grant: Grant; plan: Plan } | undefined {
  const { name = '' } = its.sidecarSet.metadata;
  const grant = grantFor(its.sidecarSet);
  const plan = planOf(viewOf(its.pod), name, grant, undefined, () => true);
  return 'blocked' in plan || Object.keys(its.pod.metadata?.annotations ?? {}).length === 0
    ? undefined
    : { grant, plan };
}

const cases = oracle<Recorded>('upgrade').filter(({ sidecarSet, out }) => {
  const { containers = [], initContainers = [], patchPodMetadata = [] } = sidecarSet.spec;
  const isHot = containers.some(({ upgradeStrategy }) => upgradeStrategy?.upgradeType === 'HotUpgrade');
  return (
    isHot &&
    initContainers.length === 0 &&
    patchPodMetadata.length === 0 &&
    out.upgrade.annotations &&
    out.flip.annotations
  );
});

for (const its of cases) {
  const { name = '' } = its.sidecarSet.metadata;
  const all = planned(its);
  if (!all) continue;
  const { grant, plan } = all;
  const hot = plan.pairs.filter(({ what }) => what !== 'none');
  const isIdle = plan.pairs.every(({ half }) => !half);
  const image = (container: string): string | undefined => imagesOn(its.pod)[container];
  const isEmpty = (container: string, pair: (typeof plan.pairs)[number]): boolean =>
    image(container) === pair.settings.emptyImage;
  // Surprise 14: an empty image as the new one, and pods in which neither copy is a live one.
  const isSound = plan.pairs.every((pair) => pair.image !== pair.settings.emptyImage && !isEmpty(pair.old, pair));
  const write = upgrade(viewOf(its.pod), name, grant, plan, undefined, undefined);
  // Q30: a resourceVersion that is not higher than the versions in use.
  const isHigher = hot.length === 0 || write.record.highestVersion === grant.version;
  if (isIdle && isSound && isHigher) {
    test(`an upgrade writes what OpenKruise writes: ${its.id} ${its.desc}`, (t) => {
      t.deepEqual(after(its, write), { annotations: its.out.upgrade.annotations, images: its.out.upgrade.images });
    });
  }
  const found = foundHalfWay(viewOf(its.pod), name, grant, plan, undefined);
  // Q2: a copy without a version that is not empty is not touched.
  const isTold = plan.pairs.every((pair) => pair.half || isEmpty(pair.new, pair));
  if (found && isTold && isSound) {
    test(`a reset writes what OpenKruise writes: ${its.id} ${its.desc}`, (t) => {
      const expected = { ...its.out.flip.annotations };
      const mine = after(its, reset(viewOf(its.pod), name, { ...found, hash: grant.hash }));
      t.deepEqual(mine.images, its.out.flip.images);
      t.is(mine.annotations[inPlaceStateKey], expected[inPlaceStateKey]);
      t.deepEqual(mine.annotations, expected);
    });
  }
}

test('the corpus has hot upgrades and resets', (t) => {
  t.true(cases.length > 0);
});
