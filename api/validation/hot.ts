import { copies } from '../pod-contract.ts';
import { duplicate, invalid, required, stricter, type FieldError } from './field-error.ts';
import { get, list, text, type Field } from './field.ts';

/** A container's name may have 63 characters, and a copy adds two. */
const MAX_HOT_NAME = 61;

type Kind = 'initContainers' | 'containers';
const KINDS: readonly Kind[] = ['initContainers', 'containers'];

/** Whether a sidecar becomes a pair of copies. */
export const isHot = (container: Field, kind: Kind): boolean =>
  text(get(get(container, 'upgradeStrategy'), 'upgradeType')) === 'HotUpgrade' &&
  (kind === 'containers' || text(get(container, 'restartPolicy')) === 'Always');

/** The names that a sidecar takes: its own in other sets' lists, and its copies' in the pod. */
export function podNames(container: Field, kind: Kind): string[] {
  const name = text(get(container, 'name'));
  return isHot(container, kind) ? [name, ...copies(name)] : [name];
}

/** What is wrong with hot sidecars that OpenKruise lets pass, and whose pods the API server then refuses. */
export function hotErrors(spec: Field): FieldError[] {
  const sidecars = KINDS.flatMap((kind) => list(get(spec, kind)).map((container) => ({ container, kind })));
  const names = new Set(sidecars.map(({ container }) => text(get(container, 'name'))));
  return sidecars
    .filter(({ container, kind }) => isHot(container, kind))
    .flatMap(({ container }) => hotSidecarErrors(container, names))
    .map(stricter);
}

function hotSidecarErrors(container: Field, names: ReadonlySet<string>): FieldError[] {
  const [name, emptyImage] = [get(container, 'name'), get(get(container, 'upgradeStrategy'), 'hotUpgradeEmptyImage')];
  const taken = copies(text(name)).filter((copy) => names.has(copy));
  const detail = `must be no more than ${MAX_HOT_NAME} characters: the pod gets this name with -1 and with -2`;
  return [
    ...(Buffer.byteLength(text(name)) > MAX_HOT_NAME ? [invalid(name.at, text(name), detail)] : []),
    ...(text(emptyImage) === ''
      ? [required(emptyImage.at, 'a HotUpgrade container needs an image for its idle copy')]
      : []),
    ...taken.map((copy) => duplicate(name.at, copy)),
  ];
}
