/** An image reference, its parts as written. */
export interface ImageReference {
  /** Registry and repository, such as `busybox` or `registry.example:5000/team/proxy`. */
  name: string;
  tag?: string;
  /** Algorithm and hexadecimal digits: `sha256:…`. */
  digest?: string;
}

// The grammar of the distribution project's reference package, without its rule that names are completed.
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = String.raw`(?:${LABEL}(?:\.${LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const REFERENCE = new RegExp(
  `^((?:${DOMAIN}/)?${COMPONENT}(?:/${COMPONENT})*)` +
    String.raw`(?::(\w[\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);
const DIGEST_LENGTHS: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };
const MAX_NAME = 255;

/** Takes a reference apart; undefined if it is none. */
export function parseImage(image: string): ImageReference | undefined {
  const [, name, tag, digest] = REFERENCE.exec(image) ?? [];
  if (name === undefined || name.length > MAX_NAME) return undefined;
  if (digest !== undefined && !isDigest(digest)) return undefined;
  return { name, ...(tag === undefined ? {} : { tag }), ...(digest === undefined ? {} : { digest }) };
}

function isDigest(digest: string): boolean {
  const [algorithm = '', digits = ''] = digest.split(':');
  return digits.length === DIGEST_LENGTHS[algorithm] && digits === digits.toLowerCase();
}

/** Whether an image is pinned by a digest. */
export const isPinned = (image: string): boolean => parseImage(image)?.digest !== undefined;

/**
 * Whether two references are equal as OpenKruise compares them: names literally, then digests if both have one, else
 * tags. `busybox@sha256:…` and `docker.io/library/busybox@sha256:…` differ; {@link sameImage} knows better.
 */
export function equalImages(a: string, b: string): boolean {
  return equal(parseImage(a), parseImage(b));
}

/**
 * Whether two references mean the same image: names completed with Docker's default registry and namespace, as a runtime
 * completes them before it reports them. A missing tag without a digest is `latest`.
 */
export function sameImage(a: string, b: string): boolean {
  return equal(completed(a), completed(b));
}

function equal(a: ImageReference | undefined, b: ImageReference | undefined): boolean {
  if (a === undefined || b === undefined || a.name !== b.name) return false;
  return a.digest !== undefined && b.digest !== undefined ? a.digest === b.digest : a.tag === b.tag;
}

function completed(image: string): ImageReference | undefined {
  const parsed = parseImage(image);
  if (parsed === undefined) return undefined;
  const [first = '', ...others] = parsed.name.split('/');
  const hasRegistry = others.length > 0 && (/[.:[]/.test(first) || first === 'localhost' || /[A-Z]/.test(first));
  const registry = !hasRegistry || first === 'index.docker.io' ? 'docker.io' : first;
  const path = hasRegistry ? others : [first, ...others];
  const name = [registry, ...(registry === 'docker.io' && path.length === 1 ? ['library'] : []), ...path].join('/');
  const tag = parsed.tag ?? (parsed.digest === undefined ? 'latest' : undefined);
  return { ...parsed, name, ...(tag === undefined ? {} : { tag }) };
}
