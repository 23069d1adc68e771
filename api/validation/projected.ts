import { broken, forbidden, invalid, required, type FieldError } from './field-error.ts';
import { get, isSet, list, number, shownNumber, text, type Field } from './field.ts';
import { unreservedPath } from './paths.ts';
import { downwardFileErrors, keyToPathErrors, modeErrors } from './files.ts';

const KINDS = ['secret', 'configMap', 'downwardAPI', 'serviceAccountToken', 'clusterTrustBundle'];
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

/** What is wrong with a volume that several sources fill. */
export function projectedErrors(projected: Field): FieldError[] {
  const paths = new Set<string>();
  /** No two files may have one path. */
  const taken = (path: string, shown: string): FieldError[] => {
    const isTwice = paths.has(path);
    paths.add(path);
    return isTwice ? [invalid(projected.at, shown, 'conflicting duplicate paths')] : [];
  };
  return [
    ...modeErrors(get(projected, 'defaultMode')),
    ...list(get(projected, 'sources')).flatMap((source) => [
      ...mapErrors(get(source, 'secret'), taken),
      ...mapErrors(get(source, 'configMap'), taken),
      ...downwardErrors(get(source, 'downwardAPI'), taken),
      ...tokenErrors(get(source, 'serviceAccountToken'), projected.at),
      ...bundleErrors(get(source, 'clusterTrustBundle'), taken),
      ...(KINDS.filter((kind) => isSet(get(source, kind))).length > 1
        ? [forbidden(source.at, 'may not specify more than 1 volume type per source')]
        : []),
    ]),
  ];
}

type Taken = (path: string, shown: string) => FieldError[];

function mapErrors(map: Field, taken: Taken): FieldError[] {
  if (!isSet(map)) return [];
  const name = get(map, 'name');
  return [
    ...(text(name) === '' ? [required(name.at)] : []),
    ...list(get(map, 'items')).flatMap((item) => {
      const path = text(get(item, 'path'));
      return [...keyToPathErrors(item), ...(path === '' ? [] : taken(path, text(name)))];
    }),
  ];
}

function downwardErrors(downward: Field, taken: Taken): FieldError[] {
  return list(get(downward, 'items')).flatMap((item) => {
    const path = text(get(item, 'path'));
    return [...downwardFileErrors({ ...item, at: downward.at }), ...(path === '' ? [] : taken(path, path))];
  });
}

/** Kubernetes counts the path of a token among the volume's own fields. */
function tokenErrors(token: Field, volumeAt: string): FieldError[] {
  if (!isSet(token)) return [];
  const [expiration, path] = [get(token, 'expirationSeconds'), text(get(token, 'path'))];
  const seconds = number(expiration) ?? 0;
  const wrong = (detail: string): FieldError => invalid(expiration.at, shownNumber(expiration), detail);
  return [
    ...(seconds < MIN_TOKEN_SECONDS ? [wrong('may not specify a duration less than 10 minutes')] : []),
    ...(seconds > MAX_TOKEN_SECONDS ? [wrong('may not specify a duration larger than 2^32 seconds')] : []),
    ...(path === '' ? [required(`${volumeAt}.path`)] : broken(`${volumeAt}.path`, path, unreservedPath(path))),
  ];
}

/** A bundle of certificates; the names of bundles and signers are the API server's to check. */
function bundleErrors(bundle: Field, taken: Taken): FieldError[] {
  if (!isSet(bundle)) return [];
  const path = get(bundle, 'path');
  const hasOne = isSet(get(bundle, 'name')) || isSet(get(bundle, 'signerName'));
  return [
    ...(hasOne ? [] : [required(bundle.at, 'either name or signerName must be specified')]),
    ...(text(path) === '' ? [required(path.at)] : []),
    ...broken(path.at, text(path), unreservedPath(text(path))),
    ...taken(text(path), text(path)),
  ];
}
