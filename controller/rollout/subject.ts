import { attemptOf } from '../../api/grant.ts';
import type { Namespace } from '../../api/kubernetes.ts';
import { copies, hashKey, hashWithoutImageKey, resumeKey } from '../../api/pod-contract.ts';
import { readWorking } from '../../api/pod-annotations.ts';
import { valueOr } from '../../api/reading.ts';
import { matches } from '../../api/selector.ts';
import type { SidecarContainer, SidecarSet, UpdateStrategy } from '../../api/sidecar-set.ts';
import { lastingSidecars } from '../inject/annotations.ts';
import { isHot } from '../inject/hot-pair.ts';

/** A sidecar that is upgraded in place: a container, or a native sidecar (Q28). */
export interface Sidecar {
  name: string;
  image: string;
  /** Only a hot one has it; empty where the set does not say. */
  emptyImage?: string;
  isNative: boolean;
  /** What it is called in a pod: both copies of a hot one. */
  containers: readonly string[];
  declared: SidecarContainer;
}

/** A SidecarSet as a rollout needs it: everything that is the same for all pods, worked out once. */
export interface Subject {
  set: SidecarSet;
  name: string;
  hash: string;
  hashWithoutImage: string;
  /** What failed pods are not tried again for: the hash and `baton.dev/resume`. */
  attempt: string;
  strategy: UpdateStrategy;
  sidecars: readonly Sidecar[];
  hot: readonly Sidecar[];
  /** The containers without which a pod is not the set's: those of all but native sidecars. */
  required: readonly string[];
  /** The containers of all sidecars, as they are called in a pod. */
  containers: ReadonlySet<string>;
  /** For the hash annotation. */
  sidecarList: string[] | null;
  /** Which copies the working annotation of a pod names; many pods have the same text. */
  workingOf: (annotation: string | undefined) => ReadonlyMap<string, string>;
  /** Whether pods with these labels may be upgraded; a selector that cannot be read selects none. */
  isSelected: (labels: Readonly<Record<string, string>> | undefined) => boolean;
  /** Names of the namespaces that the set is for; undefined for all. */
  namespaces?: ReadonlySet<string>;
}

/** @param namespaces - all that there are; not looked at unless the set has a namespace selector */
export function subjectOf(set: SidecarSet, namespaces: readonly Namespace[]): Subject {
  const { name = '', annotations = {} } = set.metadata;
  const { spec } = set;
  const strategy = spec.updateStrategy ?? {};
  const sidecars = [
    ...(spec.containers ?? []).map((container) => sidecarOf(container, false)),
    ...(spec.initContainers ?? [])
      .filter(({ restartPolicy }) => restartPolicy === 'Always')
      .map((container) => sidecarOf(container, true)),
  ];
  const hash = annotations[hashKey] ?? '';
  const list = lastingSidecars(set);
  const { namespaceSelector } = spec;
  return {
    set,
    name,
    hash,
    hashWithoutImage: annotations[hashWithoutImageKey] ?? '',
    attempt: attemptOf(hash, annotations[resumeKey]),
    strategy,
    sidecars,
    hot: sidecars.filter(({ emptyImage }) => emptyImage !== undefined),
    required: sidecars.filter(({ isNative }) => !isNative).flatMap(({ containers }) => containers),
    containers: new Set(sidecars.flatMap(({ containers }) => containers)),
    sidecarList: list.length > 0 ? list : null,
    workingOf: remembered((text) => valueOr(readWorking(text), new Map<string, string>())),
    isSelected: strategy.selector ? lenient((labels) => matches(strategy.selector, labels)) : () => true,
    ...(namespaceSelector && {
      namespaces: new Set(
        namespaces
          .filter(lenient(({ metadata }: Namespace) => matches(namespaceSelector, metadata?.labels)))
          .map(({ metadata }) => metadata?.name ?? ''),
      ),
    }),
  };
}

function sidecarOf(declared: SidecarContainer, isNative: boolean): Sidecar {
  const { name, image = '', upgradeStrategy } = declared;
  const hot = isHot(declared, isNative);
  return {
    name,
    image,
    ...(hot && { emptyImage: upgradeStrategy?.hotUpgradeEmptyImage ?? '' }),
    isNative,
    containers: hot ? copies(name) : [name],
    declared,
  };
}

/** A function that is asked the same again and again. */
function remembered<T>(read: (text: string | undefined) => T): (text: string | undefined) => T {
  const known = new Map<string | undefined, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const value = read(text);
    known.set(text, value);
    return value;
  };
}

/** A selector that cannot be read matches nothing. */
function lenient<T>(accepts: (value: T) => boolean): (value: T) => boolean {
  return (value) => {
    try {
      return accepts(value);
    } catch {
      return false;
    }
  };
}
