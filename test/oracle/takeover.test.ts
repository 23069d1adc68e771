// Recorded pods as OpenKruise left them, taken over: what controller, agent and kubelet make of each, to the end.
import test from 'ava';
import jsonpatch from 'fast-json-patch';
import { decide } from '../../agent/hot-upgrade/decide.ts';
import type { Memory } from '../../agent/hot-upgrade/view.ts';
import type { Pod } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { JsonPatch } from '../../cluster/cluster.ts';
import { plan } from '../../controller/rollout/plan.ts';
import type { Verdict } from '../../controller/rollout/verdict.ts';
import { timeless, withLives } from '../cluster/controller/recorded.ts';
import { nextStatus } from '../cluster/kubelet.ts';
import { oracle } from './corpus.ts';
import { excuseOf } from './excuses/rollout.ts';

interface Written {
  annotations: Record<string, string>;
  images: Record<string, string>;
}

interface UpgradeCase {
  id: string;
  desc: string;
  sidecarSet: SidecarSet;
  pod: Pod;
  others?: SidecarSet[];
  out: {
    before: { updated?: boolean; inHotUpgrading?: boolean };
    upgrade: Written;
    flip: Written;
    reconcile: { action: 'none' | 'upgrade' | 'flip' | 'condition' | 'other' };
  };
}

const begin = Date.UTC(2026, 0, 2, 3, 4, 5);
/** Longer than any wait of the agent's for a sidecar without the SDK, in seconds. */
const LONG = 400;

const patched = (pod: Pod, patch: JsonPatch): Pod =>
  jsonpatch.applyPatch(structuredClone(pod), patch as jsonpatch.Operation[], true).newDocument;
const imagesOf = ({ spec }: Pod): Record<string, string> =>
  Object.fromEntries((spec?.containers ?? []).map(({ name, image = '' }) => [name, image]));
const writtenOf = (pod: Pod): Written => ({
  annotations: timeless(pod.metadata?.annotations),
  images: imagesOf(pod),
});

const recordedAs = ({ annotations, images }: Written): Written => ({ annotations: timeless(annotations), images });

/** A pod's life from the takeover on. */
interface Life {
  /** After the first write of the controller's, if that was a cold upgrade. */
  cold?: Pod;
  end: Pod;
  /** How often each container was started. */
  starts: Record<string, number>;
  /** How often each container's image was changed. */
  changes: Record<string, number>;
}

function takeOver({ sidecarSet, pod, others = [] }: UpgradeCase): Life {
  const { latestRevision: controllerRevision } = sidecarSet.status ?? {};
  const context = {
    ...(controllerRevision !== undefined && { controllerRevision }),
    sets: new Set([sidecarSet, ...others].map(({ metadata }) => metadata.name ?? '')),
  };
  const life: Life = { end: withLives(pod), starts: {}, changes: {} };
  const write = (patch: JsonPatch): void => {
    const next = patched(life.end, patch);
    const before = imagesOf(life.end);
    for (const [name, image] of Object.entries(imagesOf(next)))
      if (image !== before[name]) life.changes[name] = (life.changes[name] ?? 0) + 1;
    life.end = next;
  };
  let memory: Memory = { firstLookAt: begin };
  for (let second = 0; second < LONG; second++) {
    const now = begin + second * 1000;
    const planned = plan(sidecarSet, [life.end], { ...context, now });
    for (const { patch } of planned.conditions) life.end = patched(life.end, patch);
    for (const { patch } of [...planned.withdraw, ...planned.grant, ...planned.upgrade]) write(patch);
    if (second === 0 && planned.upgrade.length > 0) life.cold = life.end;
    // OpenKruise's pods have no folder in which an agent could find state files.
    const decision = decide({ pod: life.end, now, stateFiles: new Map(), mayStart: true }, memory);
    memory = decision.memory;
    if (decision.step.do === 'patch') write(decision.step.patch);
    const status = nextStatus(life.end, () => 'ready', now);
    for (const { name, containerID } of status?.containerStatuses ?? []) {
      const shown = life.end.status?.containerStatuses?.find((one) => one.name === name);
      if (shown?.containerID !== containerID) life.starts[name] = (life.starts[name] ?? 0) + 1;
    }
    if (status) life.end = { ...life.end, status };
  }
  return life;
}

/** What the kubelet had yet to start of what OpenKruise wrote, or the corpus shows no life of. */
const outstanding = ({ spec, status }: Pod): string[] =>
  (spec?.containers ?? [])
    .filter(({ name, image }) => {
      const shown = status?.containerStatuses?.find((one) => one.name === name);
      return !shown?.state?.running || shown.image !== image;
    })
    .map(({ name }) => name);

/** What the rollout makes of a pod, as OpenKruise would. */
type Kind = 'stays' | 'is finished' | 'is upgraded';

function kindOf({ sidecarSet, pod, out: { before, reconcile } }: UpgradeCase): Kind {
  const { type, paused } = sidecarSet.spec.updateStrategy ?? {};
  if (type === 'NotUpdate' || paused) return 'stays';
  if (before.updated) return before.inHotUpgrading ? 'is finished' : 'stays';
  // What the kubelet has not done yet holds OpenKruise up, for one reconcile.
  const waits = reconcile.action === 'none' && outstanding(pod).length > 0;
  return waits || ['upgrade', 'flip'].includes(reconcile.action) ? 'is upgraded' : 'stays';
}

/** Pods that were to be upgraded and are not up to date in the end. */
const undone: Record<string, Verdict> = {
  // patchPodMetadata takes the set out of the list of those that were injected.
  'upgrade-044': 'unmatched',
  // More than images differ: OpenKruise only gave the idle copy the other empty image.
  'upgrade-091': 'notUpgradable',
  // The image is the one by which idle copies are known.
  'upgrade-093': 'failed',
  // Made up: an idle copy, by its version, runs what is published. Nobody touches it; its upgrade is late for ever.
  'upgrade-164': 'upgrading',
};

const isHot = ({ spec }: SidecarSet): boolean =>
  (spec.containers ?? []).some(({ upgradeStrategy }) => upgradeStrategy?.upgradeType === 'HotUpgrade');

const cases = oracle<UpgradeCase>('upgrade');

for (const its of cases) {
  const { id, desc, sidecarSet, pod, out } = its;
  test(`${id} ${desc}`, (t) => {
    const { cold, end, starts, changes } = takeOver(its);
    const late = outstanding(pod);
    for (const [name, count] of Object.entries(starts))
      t.true(count <= (changes[name] ?? 0) + (late.includes(name) ? 1 : 0), `${name} is not started without a reason`);
    const most = out.before.inHotUpgrading && !out.before.updated ? 2 : 1;
    for (const [name, count] of Object.entries(changes)) t.true(count <= most, `${name} is changed ${count} times`);
    t.is(changes['main'], undefined);
    const kind = kindOf(its);
    const [final] = plan(sidecarSet, [end], { now: begin + LONG * 1000 }).pods;
    if (kind !== 'stays') t.is(final?.verdict, undone[id] ?? 'updated');
    const excuse = excuseOf(sidecarSet, pod);
    if (excuse !== undefined) {
      t.log(`excused from the record: ${excuse}`);
      return;
    }
    if (kind === 'stays') t.deepEqual(writtenOf(end), writtenOf(pod));
    if (kind === 'is finished') t.deepEqual(writtenOf(end), recordedAs(out.flip));
    if (kind === 'is upgraded' && out.reconcile.action === 'upgrade' && !isHot(sidecarSet))
      t.deepEqual(cold && writtenOf(cold), recordedAs(out.upgrade));
  });
}

test('the corpus has pods of every kind', (t) => {
  const counts = new Map<string, number>();
  for (const its of cases) {
    const kind = excuseOf(its.sidecarSet, its.pod) ?? kindOf(its);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  t.log(Object.fromEntries(counts));
  for (const kind of ['stays', 'is finished', 'is upgraded'] satisfies Kind[])
    t.true((counts.get(kind) ?? 0) > 5, kind);
});
