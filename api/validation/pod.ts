import { containerErrors } from './container.ts';
import { duplicate, forbidden, invalid, invalidObject, notSupported, type FieldError } from './field-error.ts';
import { get, isSet, list, text, type Field } from './field.ts';
import { handlerErrors, noHandlerErrors } from './handlers.ts';
import { hostPortErrors } from './ports.ts';
import { volumeErrors } from './volumes.ts';

/** What a pod gets that would have no container: the set is tried in it all the same. */
const PLACEHOLDER = {
  name: 'test',
  image: 'busybox',
  imagePullPolicy: 'IfNotPresent',
  terminationMessagePolicy: 'File',
};

/**
 * What the Kubernetes API would refuse in a pod of nothing but this set's containers and volumes, in its order and words
 * (`ValidatePodCreate` of Kubernetes 1.32, rule K12). Windows options and retired kinds of volumes are left to the API server.
 */
export function podErrors(spec: Field): FieldError[] {
  const volumes = new Map<string, Field>();
  const inVolumes = volumeErrors(get(spec, 'volumes'), volumes);
  const [given, initContainers] = [list(get(spec, 'containers')), list(get(spec, 'initContainers'))];
  const containers = given.length > 0 ? given : [{ at: 'spec.containers[0]', value: PLACEHOLDER }];
  const names = new Set<string>();
  return [
    ...inVolumes,
    ...containers.flatMap((container) => [
      ...containerErrors(container, volumes),
      ...takenNameErrors(get(container, 'name'), names),
      ...handlerErrors(container),
      ...restartErrors(container),
    ]),
    ...hostPortErrors(containers),
    ...initContainers.flatMap((container) => initContainerErrors(container, volumes, names)),
    ...[...containers, ...initContainers].flatMap(paddingErrors),
  ];
}

function initContainerErrors(container: Field, volumes: ReadonlyMap<string, Field>, names: Set<string>): FieldError[] {
  const [policy, resize] = [get(container, 'restartPolicy'), get(container, 'resizePolicy')];
  const isLasting = text(policy) === 'Always';
  // Kubernetes looks at init containers one by one, and so names each of them the first.
  const alone = { ...container, at: container.at.replace(/\[\d+\]$/, '[0]') };
  return [
    ...containerErrors(container, volumes),
    ...(isSet(policy) && !isLasting ? [notSupported(policy.at, text(policy), ['Always'])] : []),
    ...takenNameErrors(get(container, 'name'), names),
    ...hostPortErrors([alone]),
    ...(isLasting ? handlerErrors(container) : noHandlerErrors(container)),
    ...(list(resize).length > 0 ? [invalidObject(resize.at, resize.value, 'must not be set for init containers')] : []),
  ];
}

function takenNameErrors(name: Field, names: Set<string>): FieldError[] {
  if (names.has(text(name))) return [duplicate(name.at, text(name))];
  names.add(text(name));
  return [];
}

function restartErrors(container: Field): FieldError[] {
  const policy = get(container, 'restartPolicy');
  return isSet(policy) ? [forbidden(policy.at, 'may not be set for non-init containers')] : [];
}

function paddingErrors(container: Field): FieldError[] {
  const image = get(container, 'image');
  const isPadded = text(image) !== text(image).trim();
  return isPadded ? [invalid(image.at, text(image), 'must not have leading or trailing whitespace')] : [];
}
