import type { Grant } from '../../api/grant.ts';
import { readGrants } from '../../api/grant.ts';
import type { Pod } from '../../api/kubernetes.ts';
import type { StateFile } from '../../api/pod-contract.ts';
import { grantKey, upgradeKey } from '../../api/pod-contract.ts';
import type { Reading } from '../../api/reading.ts';
import type { UpgradeRecord } from '../../api/upgrade-record.ts';
import { readRecords } from '../../api/upgrade-record.ts';

/** All that is decided from. Times are milliseconds since the epoch in the node's clock, which the containers share. */
export interface View {
  pod: Pod;
  now: number;
  /** The state files of each sidecar's folder, by the sidecar's name. None: it does not use the SDK. */
  stateFiles: ReadonlyMap<string, readonly StateFile[]>;
  /** The containers as the runtime knows them; absent without a CRI socket. They say more, and sooner, than the pod's status. */
  runtime?: ReadonlyMap<string, RuntimeContainer>;
  /** The node's images; absent without a CRI socket. */
  images?: NodeImages;
  /** Whether the node may carry out one more upgrade. */
  mayStart: boolean;
  /** Why not, in words, if it is not that it carries out enough of them. */
  heldBack?: string;
  /** Since when the kubelet runs, where it is known: the end of a hook that began before cannot be seen. */
  kubeletStartedAt?: number;
}

/** What of it only the node knows. */
export type NodeView = Pick<View, 'stateFiles' | 'runtime' | 'images' | 'kubeletStartedAt'>;

/** The newest life of a container, and the ends of those before, bare IDs. */
export interface RuntimeContainer {
  id: string;
  running: boolean;
  image?: ImageNames;
  /** Before its process began. */
  createdAt?: number;
  /** As the runtime noted it, which may be some time after its process began. */
  startedAt?: number;
  exits: readonly ContainerExit[];
}

export interface ContainerExit {
  id: string;
  image?: ImageNames;
  /** When that life began, at the latest. */
  startedBy?: number;
  reason?: string | undefined;
  exitCode?: number | undefined;
}

/** The ID and the digests of one image; runtimes tell one or the other. */
export type ImageNames = readonly string[];

export interface NodeImages {
  /** Images that are there, as pod specs name them. */
  present: ReadonlyMap<string, ImageNames>;
  /** What became of this agent's pulls. */
  pulls: ReadonlyMap<string, Pull>;
}

/** `absent`: the registry says that there is no such image. `unclear`: anything else that went wrong. */
export type Pull =
  { state: 'running' | 'pulled'; since: number } | { state: 'absent' | 'unclear'; since: number; message: string };

/** What one agent process remembers of a pod from look to look; a new process starts with its first look. */
export interface Memory {
  firstLookAt: number;
  /** Set, hash and version of the upgrade that the rest is about. */
  attempt?: string;
  /** Since when all new copies serve. */
  servingSince?: number;
  /** When they last did. */
  servedAt?: number;
}

/** The entries of an annotation that can be used, by set, sorted. A malformed one counts as none. */
export function usable<T>(entries: Reading<ReadonlyMap<string, Reading<T>>>): Map<string, T> {
  return sorted(entries, (entry) => ('problem' in entry ? undefined : entry.value));
}

/** What is wrong with those that cannot be used; all of an annotation that is no map counts under the name of no set. */
function unusable<T>(entries: Reading<ReadonlyMap<string, Reading<T>>>): Map<string, string> {
  if ('problem' in entries) return new Map([['', entries.problem]]);
  return sorted(entries, (entry) => ('problem' in entry ? entry.problem : undefined));
}

function sorted<T, U>(entries: Reading<ReadonlyMap<string, T>>, choose: (entry: T) => U | undefined): Map<string, U> {
  const all = 'problem' in entries ? [] : [...entries.value];
  const chosen = all.flatMap(([set, entry]): [string, U][] => {
    const value = choose(entry);
    return value === undefined ? [] : [[set, value]];
  });
  return new Map(chosen.sort(([a], [b]) => (a < b ? -1 : 1)));
}

export function grantsOn(pod: Pod): Map<string, Grant> {
  return usable(readGrants(pod.metadata?.annotations?.[grantKey]));
}

export function recordsOn(pod: Pod): Map<string, UpgradeRecord> {
  return usable(readRecords(pod.metadata?.annotations?.[upgradeKey]));
}

/** The grants and records that cannot be read, with the reason: set -> words for people. */
export function malformedOn({ metadata }: Pod): Map<string, string> {
  const { [grantKey]: grants, [upgradeKey]: records } = metadata?.annotations ?? {};
  const told = (key: string, problems: Map<string, string>): [string, string][] =>
    [...problems].map(([set, problem]) => [set, `the annotation ${key} cannot be read: ${problem}`]);
  return new Map([
    ...told(grantKey, unusable(readGrants(grants))),
    // What cannot be read of an upgrade that may be under way weighs more.
    ...told(upgradeKey, unusable(readRecords(records))),
  ]);
}
