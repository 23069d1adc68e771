import { compareBytes } from '../../api/json.ts';
import type { Pod } from '../../api/kubernetes.ts';
import {
  printHashes,
  printInjectedList,
  printWorking,
  readHashes,
  readInjectedList,
  readWorking,
  type Annotations,
  type HashEntry,
} from '../../api/pod-annotations.ts';
import {
  copies,
  hashKey,
  hashWithoutImageKey,
  injectedListKey,
  versionAltKey,
  versionKey,
  workingKey,
} from '../../api/pod-contract.ts';
import { valueOr, type Reading } from '../../api/reading.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { isHot } from './hot-pair.ts';

/** The sidecars of a set that stay: containers and native ones, by the names that the set declares, each once. */
export function lastingSidecars({ spec }: SidecarSet): string[] {
  const native = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...new Set([...(spec.containers ?? []), ...native].map(({ name }) => name))].sort(compareBytes);
}

/** A set without any is listed on the pod, but has no hash there. */
const hasSidecars = ({ spec }: SidecarSet): boolean =>
  (spec.containers ?? []).length + (spec.initContainers ?? []).length > 0;

/** The sidecars of a set that are injected as pairs. */
export const hotSidecars = ({ spec }: SidecarSet): string[] => [
  ...(spec.initContainers ?? []).filter((sidecar) => isHot(sidecar, true)).map(({ name }) => name),
  ...(spec.containers ?? []).filter((sidecar) => isHot(sidecar, false)).map(({ name }) => name),
];

/**
 * The annotations that say what was injected (`sidecarset.md` 2.9 and 3.1). Entries of other sets stay; an annotation that is not
 * what it should be is written anew (Q21).
 *
 * @param now RFC 3339, seconds
 * @param malformed told of an annotation that could not be read
 */
export function injectedAnnotations(
  annotations: Annotations,
  sets: readonly SidecarSet[],
  now: string,
  malformed: (key: string, problem: string) => void,
): Record<string, string> {
  const read = <T>(key: string, reading: Reading<T>, empty: T): T => {
    if ('problem' in reading) malformed(key, reading.problem);
    return valueOr(reading, empty);
  };
  const hashes = (key: typeof hashKey | typeof hashWithoutImageKey): string => {
    const entries = new Map(read(key, readHashes(annotations[key]), new Map<string, HashEntry>()));
    for (const set of sets.filter(hasSidecars)) {
      const entry = entryOf(set, key, now);
      entries.set(entry.sidecarSetName, entry);
    }
    return printHashes(entries);
  };
  const names = sets.map(({ metadata }) => metadata.name ?? '');
  const hot = sets.flatMap(hotSidecars);
  const working = hot.map((name): [string, string] => [name, copies(name)[0]]);
  return {
    [hashKey]: hashes(hashKey),
    [hashWithoutImageKey]: hashes(hashWithoutImageKey),
    [injectedListKey]: printInjectedList([...readInjectedList(annotations[injectedListKey]), ...names]),
    ...Object.fromEntries(hot.flatMap((name) => Object.entries(freshVersions(name)))),
    ...(hot.length > 0 && {
      [workingKey]: printWorking(
        new Map([...read(workingKey, readWorking(annotations[workingKey]), new Map<string, string>()), ...working]),
      ),
    }),
  };
}

function entryOf(set: SidecarSet, key: typeof hashKey | typeof hashWithoutImageKey, now: string): HashEntry {
  const { metadata, status } = set;
  return {
    updateTimestamp: now,
    hash: metadata.annotations?.[key] ?? '',
    sidecarSetName: metadata.name ?? '',
    sidecarList: lastingSidecars(set),
    ...(key === hashKey && status?.latestRevision && { controllerRevision: status.latestRevision }),
  };
}

/** The versions of a pair that has just been injected: the first copy works. */
function freshVersions(sidecar: string): Record<string, string> {
  const [working, idle] = copies(sidecar);
  return {
    [versionKey(working)]: '1',
    [versionAltKey(working)]: '0',
    [versionKey(idle)]: '0',
    [versionAltKey(idle)]: '1',
  };
}

/**
 * Whether a pod already is what injecting a set makes of it: the API server asks again when another webhook has changed the
 * pod. Images are not compared, as such a webhook may have rewritten them.
 */
export function carries({ metadata, spec }: Pod, set: SidecarSet): boolean {
  const annotations = metadata?.annotations ?? {};
  const name = set.metadata.name ?? '';
  if (!readInjectedList(annotations[injectedListKey]).includes(name)) return false;
  const entry = valueOr(readHashes(annotations[hashKey]), new Map<string, HashEntry>()).get(name);
  if (hasSidecars(set) && entry?.hash !== (set.metadata.annotations?.[hashKey] ?? '')) return false;
  const isFresh = hotSidecars(set).every((sidecar) =>
    Object.entries(freshVersions(sidecar)).every(([key, version]) => annotations[key] === version),
  );
  return (
    isFresh &&
    hasAll(set.spec.containers, spec?.containers, false) &&
    hasAll(set.spec.initContainers, spec?.initContainers, true)
  );
}

function hasAll(
  sidecars: SidecarSet['spec']['containers'],
  containers: NonNullable<Pod['spec']>['initContainers'],
  isInit: boolean,
): boolean {
  const present = new Set((containers ?? []).map(({ name }) => name));
  return (sidecars ?? []).every((sidecar) =>
    (isHot(sidecar, isInit) ? copies(sidecar.name) : [sidecar.name]).every((name) => present.has(name)),
  );
}
