import { broken, forbidden, invalid, notFound, notSupported, required, type FieldError } from './field-error.ts';
import { get, isSet, isTrue, list, text, type Field } from './field.ts';
import { descendingPath, pathWithoutBacksteps } from './paths.ts';

type Volumes = ReadonlyMap<string, Field>;

/** What is wrong with a container's `volumeMounts`. The last of its paths are counted without index, as Kubernetes does. */
export function mountErrors(container: Field, volumes: Volumes): FieldError[] {
  const mounts = get(container, 'volumeMounts');
  const devices = pathsByName(get(container, 'volumeDevices'), 'devicePath');
  const seen = new Set<string>();
  return list(mounts).flatMap((mount) => {
    const [name, mountPath, subPath, expression] = ['name', 'mountPath', 'subPath', 'subPathExpr'].map((key) =>
      get(mount, key),
    ) as [Field, Field, Field, Field];
    const path = text(mountPath);
    const isTwice = seen.has(path);
    seen.add(path);
    const volume = volumes.get(text(name));
    const isImage = volume !== undefined && isSet(get(volume, 'image'));
    const paths = [subPath, expression].filter((field) => text(field) !== '');
    return [
      ...(text(name) === '' ? [required(name.at)] : []),
      ...(volume === undefined ? [notFound(name.at, text(name))] : []),
      ...(path === '' ? [required(mountPath.at)] : []),
      ...(isTwice ? [invalid(mountPath.at, path, 'must be unique')] : []),
      ...(devices.has(text(name)) ? [invalid(name.at, text(name), 'must not already exist in volumeDevices')] : []),
      ...([...devices.values()].includes(path)
        ? [invalid(mountPath.at, path, 'must not already exist as a path in volumeDevices')]
        : []),
      ...(isImage ? paths.map((field) => invalid(field.at, text(field), 'not allowed in image volume sources')) : []),
      ...broken(`${mounts.at}.subPath`, text(subPath), descendingPath(text(subPath))),
      ...(paths.length === 2
        ? [invalid(expression.at, text(expression), 'subPathExpr and subPath are mutually exclusive')]
        : []),
      ...broken(`${mounts.at}.subPathExpr`, text(expression), descendingPath(text(expression))),
      ...propagationErrors(get(mount, 'mountPropagation'), `${mounts.at}.mountPropagation`, isPrivileged(container)),
      ...recursiveErrors(mount, `${mounts.at}.recursiveReadOnly`),
    ];
  });
}

/** What is wrong with a container's `volumeDevices`. */
export function deviceErrors(container: Field, volumes: Volumes): FieldError[] {
  const mounts = pathsByName(get(container, 'volumeMounts'), 'mountPath');
  const [names, paths] = [new Set<string>(), new Set<string>()];
  return list(get(container, 'volumeDevices')).flatMap((device) => {
    const [name, devicePath] = [get(device, 'name'), get(device, 'devicePath')];
    const [called, path] = [text(name), text(devicePath)];
    const volume = volumes.get(called);
    const isBlock = volume && (isSet(get(volume, 'persistentVolumeClaim')) || isSet(get(volume, 'ephemeral')));
    const [nameTwice, pathTwice] = [names.has(called), paths.has(path)];
    const climbs = pathWithoutBacksteps(path).length > 0;
    if (!climbs) paths.add(path);
    if (called !== '') names.add(called);
    return [
      ...(called === '' ? [required(name.at)] : []),
      ...(nameTwice ? [invalid(name.at, called, 'must be unique')] : []),
      ...(isBlock === false
        ? [
            invalid(
              name.at,
              called,
              'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode',
            ),
          ]
        : []),
      ...(volume === undefined ? [notFound(name.at, called)] : []),
      ...(path === '' ? [required(devicePath.at)] : []),
      ...(pathTwice ? [invalid(devicePath.at, path, 'must be unique')] : []),
      ...(climbs ? [invalid(devicePath.at, path, "can not contain backsteps ('..')")] : []),
      ...(mounts.has(called) ? [invalid(name.at, called, 'must not already exist in volumeMounts')] : []),
      ...([...mounts.values()].includes(path)
        ? [invalid(devicePath.at, path, 'must not already exist as a path in volumeMounts')]
        : []),
    ];
  });
}

const pathsByName = (members: Field, key: string): Map<string, string> =>
  new Map(list(members).map((member) => [text(get(member, 'name')), text(get(member, key))]));

const isPrivileged = (container: Field): boolean => isTrue(get(get(container, 'securityContext'), 'privileged'));

function propagationErrors(propagation: Field, at: string, privileged: boolean): FieldError[] {
  if (!isSet(propagation)) return [];
  const mode = text(propagation);
  const known = ['Bidirectional', 'HostToContainer', 'None'];
  const detail = 'Bidirectional mount propagation is available only to privileged containers';
  return [
    ...(known.includes(mode) ? [] : [notSupported(at, mode, known)]),
    ...(mode === 'Bidirectional' && !privileged ? [forbidden(at, detail)] : []),
  ];
}

function recursiveErrors(mount: Field, at: string): FieldError[] {
  const recursive = get(mount, 'recursiveReadOnly');
  if (!isSet(recursive) || text(recursive) === 'Disabled') return [];
  if (!['Enabled', 'IfPossible'].includes(text(recursive))) {
    return [notSupported(at, text(recursive), ['Disabled', 'Enabled', 'IfPossible'])];
  }
  const propagation = get(mount, 'mountPropagation');
  const isShared = isSet(propagation) && text(propagation) !== 'None';
  return [
    ...(isTrue(get(mount, 'readOnly')) ? [] : [forbidden(at, 'may only be specified when readOnly is true')]),
    ...(isShared ? [forbidden(at, 'may only be specified when mountPropagation is None or not specified')] : []),
  ];
}
