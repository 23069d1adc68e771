import { copies, versionAltKey, versionKey, workingKey } from '../api/pod-contract.ts';

type Annotations = Readonly<Record<string, string>>;

/** Which copy of a sidecar does what, and with which version. */
export interface Pair {
  working: string;
  other: string;
  version: string;
}

/** The annotations of a new pod: the first copy serves as version 1, the second idles. */
export function injected(sidecar: string): Record<string, string> {
  const [first, second] = copies(sidecar);
  return {
    [workingKey]: JSON.stringify({ [sidecar]: first }),
    [versionKey(first)]: '1',
    [versionAltKey(first)]: '0',
    [versionKey(second)]: '0',
    [versionAltKey(second)]: '1',
  };
}

/** Reads the pair back from the annotations that {@link injected} and the three patches below write. */
export function pairOf(sidecar: string, annotations: Annotations): Pair {
  const [first, second] = copies(sidecar);
  const working = (JSON.parse(annotations[workingKey] ?? '{}') as Record<string, string>)[sidecar] ?? first;
  return { working, other: working === first ? second : first, version: annotations[versionKey(working)] ?? '0' };
}

/** The version of the next copy: more than every one used before. Decimal strings of any length. */
export function nextVersion(highest: string): string {
  return (BigInt(highest) + 1n).toString();
}

/** The other copy gets `version` and becomes the working one. */
export function upgradePatch(sidecar: string, pair: Pair, version: string): Record<string, string> {
  return {
    [workingKey]: JSON.stringify({ [sidecar]: pair.other }),
    [versionKey(pair.other)]: version,
    [versionAltKey(pair.other)]: pair.version,
    [versionAltKey(pair.working)]: version,
  };
}

/** The old copy becomes the idle one. `pair` is the one from before the upgrade. */
export function resetPatch(pair: Pair): Record<string, string> {
  return { [versionKey(pair.working)]: '0', [versionAltKey(pair.other)]: '0' };
}

/** As before the upgrade. The new copy idles again; the old one, restarted, would be first again. */
export function rollBackPatch(sidecar: string, pair: Pair): Record<string, string> {
  return {
    [workingKey]: JSON.stringify({ [sidecar]: pair.working }),
    [versionKey(pair.other)]: '0',
    [versionAltKey(pair.working)]: '0',
  };
}
