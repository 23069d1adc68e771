import { createHash } from 'node:crypto';
import { compareBytes, isObject, printJsonLikeGo } from './json.ts';
import type { SidecarSet } from './sidecar-set.ts';
import { sidecarContainer } from './wire/container.ts';
import { goForm, list, refuseMistyped, type Wire } from './wire/wire.ts';

export interface Hashes {
  /** For the annotation `kruise.io/sidecarset-hash`. */
  hash: string;
  /** For `kruise.io/sidecarset-hash-without-image`: equal for two sets that differ in images only. */
  hashWithoutImage: string;
}

/**
 * Both hashes of a set's containers, byte for byte as OpenKruise computes them (`sidecarset.md` 1.5): live pods are compared
 * with them. They are meant for a set with its defaults.
 *
 * @throws ApiError `ERR_BATON_FIELD` if a field has the wrong type
 */
export function hashesOf(set: SidecarSet): Hashes {
  const encoded = encodeForHash(set);
  return { hash: hashOf(encoded), hashWithoutImage: hashOf(encodeForHash(withoutImages(set))) };
}

const hashOf = (encoded: string): string => safeEncode(createHash('sha256').update(encoded).digest('hex'));

/**
 * What is hashed: the containers, and all init containers if one of them is a native sidecar, printed as Go prints them.
 *
 * @throws ApiError `ERR_BATON_FIELD` if a field has the wrong type
 */
export function encodeForHash(set: SidecarSet): string {
  const spec: Partial<SidecarSet['spec']> = isObject(set.spec) ? set.spec : {};
  const { containers, initContainers } = spec;
  const native = (initContainers ?? []).some((container) => container.restartPolicy === 'Always');
  const encodedInits = native ? `,"initContainers":${encode(initContainers, 'spec.initContainers')}` : '';
  return `{"containers":${encode(containers, 'spec.containers')}${encodedInits}}`;
}

function encode(containers: unknown, path: string): string {
  const wire = list(sidecarContainer);
  return print(wire, goForm(wire, containers, { report: refuseMistyped }, path));
}

function print(wire: Wire, form: unknown): string {
  if (typeof wire === 'string' || form === null) return printJsonLikeGo(form);
  if ('list' in wire) return `[${(form as unknown[]).map((item) => print(wire.list, item)).join(',')}]`;
  const value = form as Record<string, unknown>;
  const fields =
    'map' in wire
      ? Object.keys(value)
          .sort(compareBytes)
          .map((name) => ({ name, wire: wire.map }))
      : wire.fields.filter(({ name, added }) => Object.hasOwn(value, name) && !added);
  return `{${fields.map((field) => `${printJsonLikeGo(field.name)}:${print(field.wire, value[field.name])}`).join(',')}}`;
}

function withoutImages(set: SidecarSet): SidecarSet {
  const blank = <T extends { image?: string }>(containers: T[] | undefined): T[] | undefined =>
    containers?.map((container) => ({ ...container, image: '' }));
  const { spec } = set;
  return { ...set, spec: { ...spec, containers: blank(spec.containers), initContainers: blank(spec.initContainers) } };
}

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** Spells a text so that it can form no word and is safe in a name: each character by its code, modulo 27. */
export function safeEncode(text: string): string {
  return Array.from(text, (character) => ALPHABET[(character.codePointAt(0) ?? 0) % ALPHABET.length]).join('');
}
