import test, { type ExecutionContext } from 'ava';
import jsonpatch from 'fast-json-patch';
import { isConsistent, isUpdateCompleted, recordedImages } from '../../api/consistency.ts';
import { statusOf } from '../../api/containers.ts';
import { resetAnnotations, switchedAnnotations, targetOf, type PairFacts, type Switch } from '../../api/hot-pair.ts';
import { equalImages, isPinned } from '../../api/image.ts';
import type { Pod, PodCondition } from '../../api/kubernetes.ts';
import {
  readInjectedList,
  readInPlaceStates,
  readWorking,
  recordedImageIDs,
  upgradedAnnotations,
} from '../../api/pod-annotations.ts';
import { inPlaceStateKey, injectedListKey, otherCopy, workingKey } from '../../api/pod-contract.ts';
import { patchAnnotations } from '../../api/pod-metadata.ts';
import { valueOr } from '../../api/reading.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { upgradableCondition } from '../../api/upgradable.ts';
import type { JsonPatch } from '../../cluster/cluster.ts';
import { register } from '../../controller/revisions/history.ts';
import { coldWrite } from '../../controller/rollout/cold.ts';
import { conditionPatch } from '../../controller/rollout/condition.ts';
import { factsOf, unsettledIn } from '../../controller/rollout/facts.ts';
import { whyNotMatched } from '../../controller/rollout/matching.ts';
import { plan } from '../../controller/rollout/plan.ts';
import { subjectOf, type Sidecar, type Subject } from '../../controller/rollout/subject.ts';
import { oracle, plain } from './corpus.ts';
import { excuseOf } from './excuses/rollout.ts';

interface Written {
  annotations: Record<string, string>;
  images: Record<string, string>;
  condition?: PodCondition;
  panic?: string;
  error?: string;
}

interface UpgradeCase {
  id: string;
  desc: string;
  sidecarSet: SidecarSet;
  pod: Pod;
  others?: SidecarSet[];
  out: {
    before: Record<string, unknown> & { panic?: string };
    upgrade: Written;
    flip: Written;
    markNotUpgradable: PodCondition;
    reconcile: {
      action: 'none' | 'upgrade' | 'flip' | 'condition' | 'other';
      status: Record<string, unknown>;
      events: string[];
      controllerRevision?: string;
      pod?: Written;
      panic?: string;
      error?: string;
    };
  };
}

const now = Date.UTC(2026, 0, 2, 3, 4, 5);
const later = (text: string): string => text.replaceAll('2026-01-02T03:04:05Z', '<now>');

const patched = (pod: Pod, patch: JsonPatch): Pod =>
  jsonpatch.applyPatch(structuredClone(pod), patch as jsonpatch.Operation[], true).newDocument;

const conditionOf = ({ status }: Pod): PodCondition | undefined =>
  status?.conditions?.find(({ type }) => type === upgradableCondition);

/** A pod in the corpus' form. */
function writtenOf(pod: Pod): Written {
  const condition = conditionOf(pod);
  const annotations = Object.entries(pod.metadata?.annotations ?? {}).map(([key, text]) => [key, later(text)]);
  return {
    annotations: Object.fromEntries(annotations) as Record<string, string>,
    images: Object.fromEntries((pod.spec?.containers ?? []).map(({ name, image }) => [name, image ?? ''])),
    ...(condition && { condition: JSON.parse(later(JSON.stringify(condition))) as PodCondition }),
  };
}

/** What OpenKruise knows of a pod before it does anything, in the corpus' words. */
function beforeOf(pod: Pod, subject: Subject): Record<string, unknown> {
  const facts = factsOf(pod, subject);
  const { isUpdated, isConsistent: stateConsistent, isReady, halfUpgraded, hash } = facts;
  const annotations = pod.metadata?.annotations ?? {};
  const recorded = () => recordedImages(readInPlaceStates(annotations[inPlaceStateKey]), subject.name);
  const present = (pod.spec?.containers ?? []).filter(({ name }) => subject.containers.has(name));
  const imageID = (name: string): string => statusOf(pod, name)?.imageID.replace(/^.*?:\/\//, '') ?? '';
  const upgradable = facts.isUpgradable;
  return {
    injected: readInjectedList(annotations[injectedListKey]).includes(subject.name),
    podControllerRevision: hash.controllerRevision,
    updated: isUpdated,
    ready: isReady,
    stateConsistent,
    containerConsistent: Object.fromEntries(
      present.map(({ name }) => [name, isConsistent(pod, new Set([name]), recorded)]),
    ),
    updateCompleted: isUpdateCompleted(pod, subject.containers, recorded),
    digestEqual: Object.fromEntries(
      present
        .filter(({ image }) => isPinned(image ?? ''))
        .map(({ name, image }) => [name, equalImages(image ?? '', imageID(name))]),
    ),
    inHotUpgrading: halfUpgraded.length > 0,
    upgradable: [upgradable, upgradable && unsettledIn(facts, subject) === undefined],
  };
}

const pairOf = (pod: Pod, { name, emptyImage = '' }: Sidecar): PairFacts => ({
  sidecar: name,
  emptyImage,
  annotations: pod.metadata?.annotations ?? {},
  image: (container) => pod.spec?.containers.find((found) => found.name === container)?.image,
});

const withImages = (pod: Pod, images: ReadonlyMap<string, string>): Pod => ({
  ...pod,
  spec: {
    ...pod.spec,
    containers: (pod.spec?.containers ?? []).map((container) => ({
      ...container,
      image: images.get(container.name) ?? container.image ?? '',
    })),
  },
});

const withAnnotations = (pod: Pod, changes: Record<string, string>): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, annotations: { ...pod.metadata?.annotations, ...changes } },
});

const imageIDsOf = (pod: Pod, containers: Iterable<string>): Map<string, string> =>
  new Map([...containers].map((name) => [name, statusOf(pod, name)?.imageID ?? '']));

/** The upgrade step as OpenKruise makes it: hot sidecars of `spec.containers` by the functions that the agent uses. */
function upgradeAsOpenKruise(pod: Pod, subject: Subject): Pod {
  const revision = subject.set.status?.latestRevision;
  const hot = subject.sidecars.filter(({ emptyImage, isNative }) => emptyImage !== undefined && !isNative);
  if (hot.length === 0) {
    const write = coldWrite(pod, subject, { now, ...(revision && { controllerRevision: revision }) });
    return patched(pod, write.patch);
  }
  const annotations = pod.metadata?.annotations ?? {};
  const recorded = () => recordedImages(readInPlaceStates(annotations[inPlaceStateKey]), subject.name);
  const isReady = (name: string): boolean =>
    (statusOf(pod, name)?.ready ?? false) && isConsistent(pod, new Set([name]), recorded);
  const switches: Switch[] = [];
  const images = new Map<string, string>();
  for (const sidecar of subject.sidecars.filter(({ isNative }) => !isNative)) {
    if (sidecar.emptyImage === undefined) {
      if (pairOf(pod, sidecar).image(sidecar.name) !== sidecar.image) images.set(sidecar.name, sidecar.image);
      continue;
    }
    const pair = pairOf(pod, sidecar);
    const target = targetOf(pair, isReady);
    if (pair.image(otherCopy(sidecar.name, target)) === sidecar.image) continue;
    switches.push({ sidecar: sidecar.name, target });
    images.set(target, sidecar.image);
  }
  const { name, hash, sidecarList, set } = subject;
  const written = upgradedAnnotations(annotations, {
    set: name,
    hash,
    sidecarList,
    ...(revision && { controllerRevision: revision }),
    imageIDs: imageIDsOf(pod, images.keys()),
    now,
  });
  const switched = switchedAnnotations(annotations, switches, set.metadata.resourceVersion ?? '');
  const all = { ...annotations, ...written, ...switched };
  return withAnnotations(withImages(pod, images), patchAnnotations(all, set.spec.patchPodMetadata ?? []).annotations);
}

/** The reset step (3.6), forced. */
function flipAsOpenKruise(pod: Pod, subject: Subject): Pod {
  const annotations = pod.metadata?.annotations ?? {};
  const working = valueOr(readWorking(annotations[workingKey]), new Map<string, string>());
  const pairs = subject.sidecars
    .filter(({ emptyImage, isNative }) => emptyImage !== undefined && !isNative)
    .map((sidecar) => {
      const copy = working.get(sidecar.name) ?? '';
      return { ...sidecar, working: copy, other: otherCopy(sidecar.name, copy) };
    })
    .filter((pair) => pairOf(pod, pair).image(pair.other) !== pair.emptyImage);
  const images = new Map(pairs.map(({ other, emptyImage = '' }) => [other, emptyImage]));
  const imageIDs = imageIDsOf(pod, images.keys());
  return withAnnotations(withImages(pod, images), {
    ...resetAnnotations(pairs),
    [inPlaceStateKey]: recordedImageIDs(annotations, { set: subject.name, hash: subject.hash, imageIDs, now }),
  });
}

const marked = (pod: Pod, set: string, upgradable: boolean): Pod =>
  patched(pod, conditionPatch(pod, { set, upgradable, now }));

function compareForced(t: ExecutionContext, { pod, out }: UpgradeCase, subject: Subject): void {
  const { condition, ...upgrade } = out.upgrade;
  const written = writtenOf(upgradeAsOpenKruise(pod, subject));
  t.deepEqual({ annotations: written.annotations, images: written.images }, upgrade);
  t.deepEqual(plain(writtenOf(marked(pod, subject.name, true)).condition), plain(condition));
  t.deepEqual(plain(writtenOf(marked(pod, subject.name, false)).condition), plain(out.markNotUpgradable));
  const flipped = writtenOf(flipAsOpenKruise(pod, subject));
  t.deepEqual(
    { annotations: flipped.annotations, images: flipped.images },
    { annotations: out.flip.annotations, images: out.flip.images },
  );
}

function compareReconcile(t: ExecutionContext, { sidecarSet, pod, others = [], out }: UpgradeCase): void {
  const { action, status, events, controllerRevision } = out.reconcile;
  const registered = register(sidecarSet, [], { namespace: 'kruise-system' });
  const planned = plan(sidecarSet, [pod], {
    now,
    controllerRevision: registered.revision.metadata?.name ?? '',
    collisionCount: registered.collisionCount,
    sets: new Set([sidecarSet, ...others].map(({ metadata }) => metadata.name ?? '')),
  });
  const { updatedReadyPods, ...figures } = planned.status;
  t.deepEqual(updatedReadyPods === 0 ? figures : planned.status, status);
  const done = ['upgrade', 'grant', 'conditions'].filter((list) => planned[list as 'grant'].length > 0).join();
  const { isUpdated, halfUpgraded } = factsOf(pod, subjectOf(sidecarSet, []));
  const { type, paused } = sidecarSet.spec.updateStrategy ?? {};
  const endsHalfUpgrade =
    planned.matched.length > 0 && isUpdated && halfUpgraded.length > 0 && type !== 'NotUpdate' && !paused;
  const isHot = (sidecarSet.spec.containers ?? []).some(
    ({ upgradeStrategy }) => upgradeStrategy?.upgradeType === 'HotUpgrade',
  );
  if (endsHalfUpgrade) t.is(done, 'grant');
  else if (action === 'flip') t.is(done, 'grant');
  else if (action === 'upgrade') t.true(done === 'upgrade' || (isHot && done === 'grant'), done);
  else t.is(done, action === 'condition' ? 'conditions' : '');
  t.is(planned.notUpgradable.length, events.filter((event) => event.includes('NotUpgradablePods')).length);
  const [write] = planned.upgrade;
  if (write)
    t.is(
      factsOf(patched(pod, write.patch), subjectOf(sidecarSet, [])).hash.controllerRevision,
      controllerRevision ?? '',
    );
}

for (const recorded of oracle<UpgradeCase>('upgrade')) {
  const { id, desc, sidecarSet, pod, out } = recorded;
  test(`${id} ${desc}`, (t) => {
    const subject = subjectOf(sidecarSet, []);
    const excuse = excuseOf(sidecarSet, pod);
    if (excuse !== undefined) {
      t.log(`excused: ${excuse}`);
      t.notThrows(() => plan(sidecarSet, [pod], { now }));
      // Who is idle decides what is done next, not how it is done.
      if (excuse === 'q2EmptyImage') compareForced(t, recorded, subject);
      return;
    }
    const { active, injected, consistentWithSet } = out.before;
    const isMatched = whyNotMatched(pod, subject) === undefined;
    t.is(isMatched, active === true && injected === true && consistentWithSet === true);
    if (isMatched) {
      t.like(out.before, beforeOf(pod, subject));
      compareForced(t, recorded, subject);
    }
    compareReconcile(t, recorded);
  });
}
