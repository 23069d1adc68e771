import type { Step } from '../../../agent/hot-upgrade/step.ts';
import type { RuntimeContainer, View } from '../../../agent/hot-upgrade/view.ts';
import type { Grant } from '../../../api/grant.ts';
import { printGrants } from '../../../api/grant.ts';
import { printSortedJsonLikeGo } from '../../../api/json.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import type { StateFile } from '../../../api/pod-contract.ts';
import {
  grantKey,
  hashKey,
  inPlaceStateKey,
  upgradeKey,
  versionAltKey,
  versionKey,
  workingKey,
} from '../../../api/pod-contract.ts';
import type { RecordedPhase, UpgradeRecord } from '../../../api/upgrade-record.ts';
import { printRecords, readRecords } from '../../../api/upgrade-record.ts';
import { applied, now, podOf, rfc, stateFile, there } from './scene.ts';

// An abstract pod with one hot pair, its kubelet, its two processes and the node's images. Times are only "passed" or not, versions
// only their order, container IDs only "the one before the last patch" or not: so there are finitely many worlds.

export const names = ['m-1', 'm-2'] as const;
export type Index = 0 | 1;
export type Process = 'none' | 'idle' | 'starting' | 'waiting' | 'serving' | 'draining' | 'drained' | 'hung';

export interface Copy {
  want: string;
  /** The image that runs; empty between two lives. */
  runs: string;
  process: Process;
  /** The version that the process started with. */
  version: string;
  /** Its life is not the one that the record remembers. */
  isNew: boolean;
  /** Its life began after the last patch. */
  isYoung: boolean;
  /** A life that began after the last patch has ended. */
  lost: boolean;
  /** The pod's status shows this life: its postStart hook returned. */
  shown: boolean;
  /** What the status shows as long as it does not: the life that the record remembers, one before that, or a crash. */
  veil: 'before' | 'older' | 'down';
  /** The hook will not return. */
  stuck: boolean;
  /** The kubelet says that the image cannot be had. */
  backOff: boolean;
}

export interface World {
  copies: [Copy, Copy];
  working: string;
  versions: [string, string];
  alts: [string, string];
  /** The set's entry of the hash annotation, empty when there is none. */
  hash: string;
  /** As on the wire, with all times the same. */
  record: string;
  grant: Revision | 'none';
  /** Long enough since the last patch to help a roll-back along; the deadline. */
  passed: { patience: boolean; deadline: boolean };
  images: Record<string, 'there' | 'missing' | 'running' | 'absent' | 'unclear'>;
}

export interface Setting {
  sdk: boolean;
  runtime: boolean;
  rollback: 'Automatic' | 'Never';
  /** Start from pods that OpenKruise left half-way. */
  found: boolean;
  /** What may be granted. */
  grants: (Revision | 'none')[];
  /** Images that may have to be pulled. */
  pulled: string[];
}

export const revisions = { h1: 'v1', h2: 'v2', h3: 'v3' } as const;
export type Revision = keyof typeof revisions;

const recordedID = { imageID: 'id/E' };
const inPlaceState = JSON.stringify({ s: { lastContainerStatuses: { 'm-1': recordedID, 'm-2': recordedID } } });

/** The world as the agent sees it. */
export function viewOf(world: World, setting: Setting): View {
  const { patience, deadline } = world.passed;
  const annotations: Record<string, string> = {
    [workingKey]: JSON.stringify({ m: world.working }),
    [inPlaceStateKey]: inPlaceState,
    [hashKey]: world.hash === '' ? '{}' : JSON.stringify({ s: { hash: world.hash, sidecarSetName: 's' } }),
    ...(world.grant === 'none' ? {} : { [grantKey]: grants(setting)[world.grant] }),
    ...(world.record === ''
      ? {}
      : { [upgradeKey]: recordsAt(world.record)[deadline ? 'late' : patience ? 'later' : 'soon'] }),
  };
  const runtime = new Map<string, RuntimeContainer>();
  const files: StateFile[] = [];
  const containers = names.map((name, index) => {
    const copy = world.copies[index as Index];
    annotations[versionKey(name)] = world.versions[index as Index];
    annotations[versionAltKey(name)] = world.alts[index as Index];
    const id = idOf(name, copy);
    const running = copy.runs !== '';
    const isLost = copy.lost && world.record !== '';
    const exits = isLost ? [{ id: `${name}-lost`, startedBy: now }] : [];
    runtime.set(name, { id, running, startedAt: startOf(copy, world), exits });
    if (setting.sdk && running) files.push(fileOf(copy, world));
    const isVeiled = !copy.shown;
    const isUp = copy.shown || copy.veil !== 'down';
    // What the status shows until the new life's hook returned is the life before; its image was the empty one.
    const image = copy.shown ? copy.runs : isUp ? 'E' : 'x';
    const status = {
      image,
      imageID: `id/${image}`,
      containerID: isVeiled ? `${name}-${copy.veil}` : id,
      ready: isUp,
      state: isUp
        ? { running: { startedAt: rfc(copy.shown ? startOf(copy, world) : longAgo) } }
        : { waiting: { reason: copy.backOff ? 'ImagePullBackOff' : 'x' } },
      ...(isLost
        ? { lastState: { terminated: { exitCode: 1, containerID: `${name}-lost`, startedAt: rfc(now) } } }
        : {}),
    };
    return { name, image: copy.want, status };
  });
  const onNode = Object.entries(world.images).filter(([, state]) => state === 'there');
  const pulls = Object.entries(world.images).filter(([, state]) => state !== 'there' && state !== 'missing');
  return {
    pod: podOf(containers, annotations),
    now,
    stateFiles: new Map(files.length > 0 ? [['m', files]] : []),
    mayStart: true,
    ...(setting.runtime ? { runtime } : {}),
    ...(setting.pulled.length === 0
      ? {}
      : {
          images: {
            present: there('v1', ...onNode.map(([image]) => image)),
            pulls: new Map(pulls.map(([image, state]) => [image, { state, since: now, message: state } as never])),
          },
        }),
  };
}

/** The world after the agent's step; `undefined` when it changes nothing. */
export function stepped(world: World, view: View, step: Step): World | undefined {
  switch (step.do) {
    case 'patch':
      return decoded(world, applied(view.pod, step));
    case 'pull':
      return { ...world, images: { ...world.images, [step.image]: 'running' } };
    case 'stop-container': {
      const index = names.indexOf(step.container as 'm-1') as Index;
      const copy = world.copies[index];
      return step.id === idOf(step.container, copy) ? withCopy(world, index, ended(copy)) : undefined;
    }
    default:
      return undefined;
  }
}

export function withCopy(world: World, index: Index, copy: Copy): World {
  return { ...world, copies: index === 0 ? [copy, world.copies[1]] : [world.copies[0], copy] };
}

/** A copy whose process is gone: by itself, or because it gets another image, which the status does not show at once. */
export function ended(copy: Copy, isReplaced = false): Copy {
  const gone = { runs: '', process: 'none', version: '', shown: false, stuck: false } as const;
  const shown = copy.isNew ? 'older' : 'before';
  const veil = !isReplaced ? 'down' : copy.shown ? shown : copy.veil;
  return { ...copy, ...gone, veil, lost: copy.lost || copy.isYoung };
}

/**
 * The same text for worlds that differ in nothing that matters: versions become ranks, the copy that is named as working the
 * first, and images and revisions are numbered as they appear (unless some of them have to be pulled).
 */
export function keyOf(world: World, setting: Setting): string {
  const text = JSON.stringify(ranked(essential(world.working === 'm-2' ? mirrored(world) : world, setting)));
  if ('v2' in world.images) return text;
  const numbers = new Map<string, number>();
  return text.replace(/\b([vh])(\d)\b/g, (_, kind: string, digit: string) => {
    if (!numbers.has(digit)) numbers.set(digit, numbers.size + 1);
    return `${kind}${numbers.get(digit) ?? 0}`;
  });
}

/** A text for exactly this world, its record apart. */
export function formOf({ copies, working, versions, alts, hash, grant, passed, images }: World): string {
  let text = `${working} ${versions[0]} ${versions[1]} ${alts[0]} ${alts[1]} ${hash} ${grant}`;
  text += passed.deadline ? ' late' : passed.patience ? ' later' : '';
  for (const image in images) text += ` ${image} ${images[image]}`;
  return `${text} ${copyFormOf(copies[0])} ${copyFormOf(copies[1])}`;
}

function copyFormOf({ want, runs, process, version, isNew, isYoung, lost, shown, veil, stuck, backOff }: Copy): string {
  const flags = +isNew | (+isYoung << 1) | (+lost << 2) | (+shown << 3) | (+stuck << 4) | (+backOff << 5);
  return `${want} ${runs} ${process} ${version} ${veil} ${flags}`;
}

/** Without what nobody will look at again. */
function essential(world: World, { runtime }: Setting): World {
  const { phase, old, emptied } = rolesIn(world.record);
  const isRunning = old !== undefined && (phase === 'Upgrading' || phase === 'Failed');
  const hasDeadline = isRunning || phase === 'Pulling';
  const { patience, deadline } = world.passed;
  const plain = (index: Index): Copy => {
    const copy = world.copies[index];
    const name = names[index];
    const isWatched = isRunning || emptied.includes(name);
    // The times in a pod's status are rounded: without the runtime they make a difference to what an old copy's file is worth.
    const isTimed = runtime ? isRunning && name !== old : isRunning || phase === 'RollingBack';
    return {
      ...copy,
      isNew: copy.isNew || !isWatched,
      isYoung: copy.isYoung && isTimed,
      lost: copy.lost && isTimed,
      veil: copy.shown || (copy.veil === 'older' && !isWatched) ? 'before' : copy.veil,
      backOff: copy.backOff && (phase === undefined || (isRunning && name !== old)),
    };
  };
  return {
    ...world,
    copies: [plain(0), plain(1)],
    passed: { patience: patience && !hasDeadline, deadline: deadline && hasDeadline },
    record: essentialRecord(world.record),
  };
}

/** What a record says of the copies. */
const rolesIn = remembered((text: string): { phase?: RecordedPhase; old: string | undefined; emptied: string[] } => {
  const record = recordIn(text);
  return record
    ? { phase: record.phase, old: record.previous.working['m'], emptied: record.emptied }
    : { old: undefined, emptied: [] };
});

export const phaseOf = remembered((record: string): RecordedPhase | undefined => recordIn(record)?.phase);

const essentialRecord = remembered((text: string): string => {
  const record = recordIn(text);
  if (!record) return text;
  if (record.reason) record.reason = 'Crashed';
  const isOver = record.phase === 'Resetting' || record.phase === 'RollingBack';
  if (isOver) record.previous = { ...record.previous, hash: null, images: {} };
  if (record.phase === 'Resetting') record.previous.versions = {};
  return printSortedJsonLikeGo(record);
});

export const worldOf = (key: string): World => JSON.parse(key) as World;

function mirrored(world: World): World {
  const [first, second] = world.copies;
  return {
    ...world,
    copies: [second, first],
    versions: [world.versions[1], world.versions[0]],
    alts: [world.alts[1], world.alts[0]],
    working: 'm-1',
    record: mirroredRecord(world.record),
  };
}

const mirroredRecord = remembered((text: string): string => {
  const swapped = text.replace(/m-([12])/g, (_, number) => (number === '1' ? 'm-2' : 'm-1'));
  return swapped === '' ? '' : printSortedJsonLikeGo(JSON.parse(swapped));
});

const versionsIn = remembered((record: string): string[] => {
  const parsed = recordIn(record);
  return parsed ? [parsed.highestVersion, ...Object.values(parsed.previous.versions)] : [];
});

function ranked(world: World): World {
  const [first, second] = world.copies;
  const used = [...world.versions, ...world.alts, first.version, second.version, ...versionsIn(world.record)];
  const sorted = [...new Set(used)].map(Number).sort((a, b) => a - b);
  const ranks = new Map(
    sorted.filter((version) => version > 0).map((version, index) => [`${version}`, `${index + 1}`]),
  );
  if ([...ranks].every(([version, rank]) => version === rank)) return world;
  const rank = (version: string): string => ranks.get(version) ?? version;
  const record = recordIn(world.record);
  if (record) {
    record.highestVersion = rank(record.highestVersion);
    const { versions } = record.previous;
    for (const [name, version] of Object.entries(versions)) versions[name] = rank(version);
  }
  return {
    ...world,
    copies: [
      { ...first, version: rank(first.version) },
      { ...second, version: rank(second.version) },
    ],
    versions: [rank(world.versions[0]), rank(world.versions[1])],
    alts: [rank(world.alts[0]), rank(world.alts[1])],
    record: record ? printSortedJsonLikeGo(record) : '',
  };
}

function remembered<T>(compute: (text: string) => T): (text: string) => T {
  const known = new Map<string, { value: T }>();
  return (text) => {
    let found = known.get(text);
    if (!found) known.set(text, (found = { value: compute(text) }));
    return found.value;
  };
}

export function recordIn(text: string): UpgradeRecord | undefined {
  return text === '' ? undefined : (JSON.parse(text) as UpgradeRecord);
}

function decoded(world: World, pod: Pod): World {
  const annotations = pod.metadata?.annotations ?? {};
  const records = readRecords(annotations[upgradeKey]);
  const entry = 'problem' in records ? undefined : records.value.get('s');
  if (!entry || 'problem' in entry) throw new Error('the patch left no readable record');
  const record = entry.value;
  const isLater = record.phaseAt === now;
  const ids = record.previous.containerIDs;
  const copies = world.copies.map((copy, index): Copy => {
    const name = names[index as Index];
    const before = ids[name];
    const isNew = before !== idOf(name, copy);
    const isVeilBefore = before === `${name}-${copy.veil}`;
    const veil = copy.veil === 'down' ? copy.veil : isVeilBefore ? 'before' : 'older';
    if (before !== undefined && before !== '') ids[name] = `${name}-before`;
    const want = pod.spec?.containers.find((container) => container.name === name)?.image ?? '';
    return {
      ...copy,
      want,
      isNew,
      isYoung: copy.isYoung && !isLater,
      veil,
      lost: copy.lost && !isLater,
      backOff: copy.backOff && want === copy.want,
    };
  });
  const get = (key: string): string => annotations[key] ?? '';
  const hashes = JSON.parse(get(hashKey)) as Record<string, { hash: string } | undefined>;
  delete record.message;
  if (record.previous.hash) record.previous.hash = { ...record.previous.hash, updateTimestamp: null };
  return {
    ...world,
    copies: copies as [Copy, Copy],
    working: (JSON.parse(get(workingKey)) as { m: string }).m,
    versions: [get(versionKey(names[0])), get(versionKey(names[1]))],
    alts: [get(versionAltKey(names[0])), get(versionAltKey(names[1]))],
    hash: hashes['s']?.hash ?? '',
    record: printSortedJsonLikeGo({ ...record, startedAt: 0, phaseAt: 0, deadline: 0 }),
    passed: isLater ? { patience: false, deadline: false } : world.passed,
  };
}

/** The annotation with a record, as it is soon after the last patch, after some patience, and past the deadline. */
const recordsAt = remembered((text: string): Record<'soon' | 'later' | 'late', string> => {
  const record = JSON.parse(text) as UpgradeRecord;
  const printed = (since: number, left: number): string => {
    const times = { startedAt: now - 1_000_000, phaseAt: now - since, deadline: now + left };
    return printRecords(new Map([['s', { ...record, ...times }]]));
  };
  return { soon: printed(1_000, 100_000), later: printed(400_000, 100_000), late: printed(400_000, -1_000) };
});

const idOf = (name: string, copy: Copy): string => `${name}-${copy.isNew ? 'new' : 'before'}`;

const longAgo = now - 3_600_000;

const startOf = ({ isYoung }: Copy, { passed }: World): number =>
  isYoung ? now - (passed.patience || passed.deadline ? 100_000 : 500) : longAgo;

function fileOf(copy: Copy, world: World): StateFile {
  const { process, version } = copy;
  const phase = process === 'none' || process === 'hung' ? 'serving' : process;
  return stateFile(version, phase, {
    startedAt: startOf(copy, world),
    // An old copy that hangs never drains: then the time for it has passed.
    servingAt: now - (world.copies.some((its) => its.process === 'hung') ? 700_000 : 100),
    heartbeatAt: now - (process === 'hung' ? 6_000 : 100),
  });
}

const printed = new Map<Setting, Record<Revision, string>>();

function grants(setting: Setting): Record<Revision, string> {
  const known = printed.get(setting);
  if (known) return known;
  const text = (revision: Revision): string => {
    const sidecar = { image: revisions[revision], emptyImage: 'E', rollback: setting.rollback };
    const fixed = { v: 1 as const, version: '1', sidecarList: ['m'], grantedAt: rfc(now) };
    const grant: Grant = { ...fixed, revision, hash: revision, sidecars: { m: sidecar } };
    return printGrants(new Map([['s', grant]]));
  };
  const all = { h1: text('h1'), h2: text('h2'), h3: text('h3') };
  printed.set(setting, all);
  return all;
}
