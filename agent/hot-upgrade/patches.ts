import { findContainer, statusOf } from '../../api/containers.ts';
import type { Grant } from '../../api/grant.ts';
import { hotDefaults } from '../../api/grant.ts';
import { resetAnnotations, rolledBackAnnotations, switchedAnnotations } from '../../api/hot-pair.ts';
import { own } from '../../api/json.ts';
import type { Annotations, HashEntry } from '../../api/pod-annotations.ts';
import { printHashes, readHashes, recordedImageIDs, upgradedAnnotations } from '../../api/pod-annotations.ts';
import { grantKey, hashKey, inPlaceStateKey, otherCopy, upgradeKey } from '../../api/pod-contract.ts';
import { valueOr } from '../../api/reading.ts';
import { settledAnnotations } from '../../api/settled.ts';
import type { UpgradeRecord } from '../../api/upgrade-record.ts';
import { printWithRecord } from '../../api/upgrade-record.ts';
import type { JsonPatch } from '../../cluster/cluster.ts';
import { copyOf } from './evidence.ts';
import type { Failure } from './failures.ts';
import type { Plan } from './plan.ts';
import { highestUsed, lifeIDOf, nextVersion, previousOf } from './plan.ts';
import type { View } from './view.ts';

/** One write: the operations, and the record that they leave on the pod. */
export interface Write {
  record: UpgradeRecord;
  patch: JsonPatch;
}

/** A record without any change of the pod: the claim before a pull, or a failure before the start. */
export function claim(
  view: View,
  set: string,
  grant: Grant,
  earlier: UpgradeRecord | undefined,
  failure?: Failure,
): Write {
  const seconds = Object.values(grant.sidecars).map(
    ({ migrationTimeoutSeconds = hotDefaults.migrationTimeoutSeconds }) => migrationTimeoutSeconds,
  );
  return rewrite(view, set, {
    revision: grant.revision,
    hash: grant.hash,
    phase: failure ? 'Failed' : 'Pulling',
    startedAt: view.now,
    phaseAt: view.now,
    deadline: view.now + Math.max(...seconds) * 1000,
    sidecars: {},
    previous: { hash: null, working: {}, versions: {}, images: {}, containerIDs: {} },
    emptied: [],
    highestVersion: highestUsed(view, grant, earlier).toString(),
    ...(failure ? { result: 'failed', ...failure } : {}),
  });
}

/** Nothing but the record. */
export function rewrite(view: View, set: string, record: UpgradeRecord): Write {
  return write(view, set, { ...record, phaseAt: view.now }, new Map(), {});
}

/** The upgrade's first change of the pod (sidecarset.md 3.3), or the next one that goes into a copy that does not serve. */
export function upgrade(
  view: View,
  set: string,
  grant: Grant,
  plan: Plan,
  base: UpgradeRecord | undefined,
  earlier: UpgradeRecord | undefined,
): Write {
  const annotations = view.pod.metadata?.annotations ?? {};
  const upgraded = plan.pairs.filter(({ what }) => what === 'upgrade');
  const reverted = plan.pairs.filter(({ what }) => what === 'revert');
  const taking = plan.pairs.filter(({ what }) => what === 'upgrade' || what === 'keep');
  const images = new Map([
    ...plan.cold,
    ...upgraded.map((pair): [string, string] => [pair.new, pair.image]),
    ...reverted.map((pair): [string, string] => [pair.new, pair.settings.emptyImage]),
  ]);
  const version = nextVersion(view, grant, earlier);
  const waits = taking.length > 0;
  const seconds = taking.map(({ settings }) => settings.migrationTimeoutSeconds);
  const record: UpgradeRecord = {
    revision: grant.revision,
    hash: grant.hash,
    phase: waits ? 'Upgrading' : reverted.length > 0 ? 'Resetting' : 'Done',
    startedAt: view.now,
    phaseAt: view.now,
    deadline: view.now + Math.max(0, ...seconds) * 1000,
    sidecars: Object.fromEntries(taking.map(({ sidecar, settings }) => [sidecar, settings])),
    previous: previousOf(view, set, plan, base),
    emptied: reverted.map((pair) => pair.new).filter((name) => !isIdleStill(view, name, base)),
    highestVersion: upgraded.length > 0 ? version : highestUsed(view, grant, earlier).toString(),
    ...(waits ? {} : { result: 'done' }),
  };
  const { hash, sidecarList, controllerRevision } = grant;
  const written = upgradedAnnotations(settledAnnotations(view.pod, set), {
    set,
    hash,
    sidecarList,
    ...(controllerRevision === undefined ? {} : { controllerRevision }),
    imageIDs: imageIDsOf(view, images),
    now: view.now,
  });
  const switched = switchedAnnotations(
    annotations,
    upgraded.map(({ sidecar, new: target }) => ({ sidecar, target })),
    version,
  );
  const back = reverted.map((pair) => ({ sidecar: pair.sidecar, working: pair.old, other: pair.new }));
  return write(view, set, record, images, {
    ...written,
    // As in OpenKruise these may overwrite what comes before (oracle surprise 11), but nothing that says who serves.
    ...granted(grant.podAnnotations),
    [hashKey]: written[hashKey],
    ...switched,
    ...rolledBackAnnotations({ ...annotations, ...switched }, back),
  });
}

/** The old copies become empty (sidecarset.md 3.6); the upgrade is won. */
export function reset(view: View, set: string, current: UpgradeRecord): Write {
  const annotations = view.pod.metadata?.annotations ?? {};
  const pairs = Object.entries(current.sidecars).map(([sidecar, { emptyImage }]) => {
    const other = own(current.previous.working, sidecar) ?? '';
    return { sidecar, emptyImage, other, working: otherCopy(sidecar, other) };
  });
  const images = new Map(pairs.map(({ other, emptyImage }) => [other, emptyImage]));
  const won: UpgradeRecord = { ...ended(view, current, images, 'Resetting'), result: 'done' };
  delete won.reason;
  delete won.message;
  return write(view, set, won, images, {
    ...resetAnnotations(pairs),
    [inPlaceStateKey]: recordedImageIDs(annotations, {
      set,
      hash: current.hash,
      imageIDs: imageIDsOf(view, images),
      now: view.now,
    }),
  });
}

/** Everything as it was before: the new copies become empty, cold images and the hash are restored. */
export function rollBack(view: View, set: string, current: UpgradeRecord, failure: Failure): Write {
  const annotations = view.pod.metadata?.annotations ?? {};
  const { previous } = current;
  const pairs = Object.keys(current.sidecars).map((sidecar) => {
    const working = own(previous.working, sidecar) ?? '';
    return { sidecar, working, other: otherCopy(sidecar, working) };
  });
  const old = new Set(pairs.map(({ working }) => working));
  const images = new Map(Object.entries(previous.images).filter(([name]) => !old.has(name)));
  const emptied = new Map(pairs.map(({ other }) => [other, images.get(other) ?? '']));
  const hashes = new Map(valueOr(readHashes(annotations[hashKey]), new Map<string, HashEntry>()));
  if (previous.hash) hashes.set(set, previous.hash);
  else hashes.delete(set);
  const record: UpgradeRecord = { ...ended(view, current, emptied, 'RollingBack'), result: 'failed', ...failure };
  return write(view, set, record, images, {
    ...rolledBackAnnotations(annotations, pairs),
    [hashKey]: printHashes(hashes),
    [inPlaceStateKey]: recordedImageIDs(annotations, {
      set,
      hash: current.hash,
      imageIDs: imageIDsOf(view, images),
      now: view.now,
    }),
  });
}

/** `rollback: Never`: both copies stay as they are. */
export function giveUp(view: View, set: string, current: UpgradeRecord, failure: Failure): Write {
  // The time of the patch that started the new copies stays: what ended since then failed.
  return write(view, set, { ...current, phase: 'Failed', result: 'failed', ...failure }, new Map(), {});
}

function ended(
  view: View,
  current: UpgradeRecord,
  images: ReadonlyMap<string, string>,
  phase: 'Resetting' | 'RollingBack',
): UpgradeRecord {
  const lives = [...images.keys()].map((name): [string, string] => [name, lifeIDOf(view, name)]);
  const containerIDs = { ...current.previous.containerIDs, ...Object.fromEntries(lives) };
  const previous = { ...current.previous, containerIDs };
  // A container that has its image already is not restarted.
  const restarted = [...images].filter(([name, image]) => imageOf(view, name) !== image).map(([name]) => name);
  const stopping = phase === 'Resetting' ? restarted : restarted.filter((name) => !isIdleStill(view, name, current));
  return { ...current, phase, phaseAt: view.now, previous, emptied: [...current.emptied, ...stopping] };
}

/** The kubelet has not begun to give the copy its new image: the idle life from before may simply go on. */
function isIdleStill(view: View, container: string, current: UpgradeRecord | undefined): boolean {
  if (!current) return false;
  const { running, id, before } = copyOf(view, container, current);
  return running && id === before;
}

function write(
  view: View,
  set: string,
  record: UpgradeRecord,
  images: ReadonlyMap<string, string>,
  changes: Readonly<Record<string, string | undefined>>,
): Write {
  const annotations = view.pod.metadata?.annotations ?? {};
  const patch: JsonPatch = [];
  for (const [name, image] of images) {
    const found = findContainer(view.pod, name);
    if (!found || found.container.image === image) continue;
    patch.push({ op: 'replace', path: `${found.path}/image`, value: image });
  }
  const written: typeof changes = { ...changes, [upgradeKey]: printWithRecord(annotations[upgradeKey], set, record) };
  for (const [key, value] of Object.entries(written)) {
    if (value === undefined || value === annotations[key]) continue;
    patch.push({ op: 'add', path: `/metadata/annotations/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, value });
  }
  return { record, patch };
}

function imageIDsOf(view: View, images: ReadonlyMap<string, string>): Map<string, string> {
  const changed = [...images].filter(([name, image]) => imageOf(view, name) !== image);
  return new Map(changed.map(([name]) => [name, statusOf(view.pod, name)?.imageID ?? '']));
}

function imageOf({ pod }: View, name: string): string | undefined {
  return findContainer(pod, name)?.container.image;
}

function granted(annotations: Annotations = {}): Annotations {
  const own = (key: string): boolean => key === grantKey || key === upgradeKey;
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !own(key)));
}
