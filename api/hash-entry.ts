import { usualTime } from './go-json.ts';
import { readHashes } from './pod-annotations.ts';

const TEXT = String.raw`"[^"\\\x00-\x1f]*"`;
const TIME = `"${usualTime}"`;
const ENTRY =
  `${TEXT}:\\{"updateTimestamp":(?:null|${TIME}),"hash":${TEXT},"sidecarSetName":${TEXT},` +
  `"sidecarList":(?:null|\\[(?:${TEXT}(?:,${TEXT})*)?\\])(?:,"controllerRevision":${TEXT})?\\}`;

/** Hash annotations as OpenKruise and Baton print them, as long as nothing in them is escaped. */
const PRINTED = new RegExp(`^\\{${ENTRY}(?:,${ENTRY})*\\}$`);

/** What a rollout asks of a hash annotation. */
export interface PodHash {
  hash: string;
  controllerRevision: string;
}

const NONE: PodHash = { hash: '', controllerRevision: '' };

/**
 * One set's hash and revision in a hash annotation, empty where there is none or the annotation cannot be read. Says what
 * {@link readHashes} says and is ten times faster for annotations in their usual form: a rollout asks it of every pod.
 */
export function podHashOf(annotation: string | undefined, set: string): PodHash {
  if (annotation === undefined) return NONE;
  if (!PRINTED.test(annotation)) {
    const hashes = readHashes(annotation);
    const entry = 'problem' in hashes ? undefined : hashes.value.get(set);
    return entry ? { hash: entry.hash, controllerRevision: entry.controllerRevision ?? '' } : NONE;
  }
  const start = annotation.lastIndexOf(`"${set}":{`);
  if (start < 0) return NONE;
  const entry = annotation.slice(start, annotation.indexOf('}', start));
  return { hash: valueOf(entry, '"hash":"'), controllerRevision: valueOf(entry, '"controllerRevision":"') };
}

function valueOf(entry: string, key: string): string {
  const start = entry.indexOf(key);
  return start < 0 ? '' : entry.slice(start + key.length, entry.indexOf('"', start + key.length));
}
