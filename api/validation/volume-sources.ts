import { claimTemplateErrors } from './claim-template.ts';
import { choiceErrors } from './common.ts';
import { broken, forbidden, invalid, notSupported, required, tooLong, type FieldError } from './field-error.ts';
import { get, isSet, list, text, type Field } from './field.ts';
import { downwardFileErrors, keyToPathErrors, modeErrors } from './files.ts';
import { dnsSubdomain } from './names.ts';
import { pathWithoutBacksteps } from './paths.ts';
import { projectedErrors } from './projected.ts';
import { isNegative, readQuantity } from './resources.ts';

/** Kinds of volumes of which only what must be there is checked: storage systems that Kubernetes has retired. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  gitRepo: ['repository'],
  gcePersistentDisk: ['pdName'],
  awsElasticBlockStore: ['volumeID'],
  iscsi: ['targetPortal', 'iqn'],
  glusterfs: ['endpoints', 'path'],
  persistentVolumeClaim: ['claimName'],
  rbd: ['monitors', 'image'],
  cinder: ['volumeID'],
  cephfs: ['monitors'],
  quobyte: ['registry', 'volume'],
  flexVolume: ['driver'],
  azureFile: ['secretName', 'shareName'],
  vsphereVolume: ['volumePath'],
  photonPersistentDisk: ['pdID'],
  portworxVolume: ['volumeID'],
  azureDisk: ['diskName', 'diskURI'],
  storageos: ['volumeName'],
  scaleIO: ['gateway', 'system', 'volumeName'],
};

const CHECKS: Readonly<Record<string, (source: Field) => FieldError[]>> = {
  emptyDir: emptyDirErrors,
  hostPath: hostPathErrors,
  secret: (secret) => filesErrors(secret, 'secretName'),
  nfs: nfsErrors,
  downwardAPI: (source) => [
    ...modeErrors(get(source, 'defaultMode')),
    ...list(get(source, 'items')).flatMap((file) => downwardFileErrors({ ...file, at: source.at })),
  ],
  configMap: (configMap) => filesErrors(configMap, 'name'),
  projected: projectedErrors,
  csi: csiErrors,
  ephemeral: ephemeralErrors,
  image: (source) => choiceErrors(get(source, 'pullPolicy'), ['Always', 'IfNotPresent', 'Never']),
};

/** All kinds of volumes, in the order in which the Kubernetes API looks at them. */
export const SOURCES = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
];

/** What is wrong with a volume's source of this kind. */
export function sourceErrors(kind: string, source: Field): FieldError[] {
  const missing = (REQUIRED[kind] ?? []).map((key) => get(source, key)).filter((field) => isBlank(field));
  return [...missing.map(({ at }) => required(at)), ...(CHECKS[kind]?.(source) ?? [])];
}

const isBlank = (field: Field): boolean => text(field) === '' && list(field).length === 0;

function emptyDirErrors(source: Field): FieldError[] {
  const limit = get(source, 'sizeLimit');
  if (!isNegative(readQuantity(limit.value))) return [];
  return [forbidden(limit.at, 'SizeLimit field must be a valid resource quantity')];
}

const HOST_PATHS = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

function hostPathErrors(source: Field): FieldError[] {
  const [path, type] = [get(source, 'path'), get(source, 'type')];
  if (text(path) === '') return [required(path.at)];
  return [
    ...broken(path.at, text(path), pathWithoutBacksteps(text(path))),
    ...(HOST_PATHS.includes(text(type)) ? [] : [notSupported(type.at, text(type), HOST_PATHS)]),
  ];
}

function nfsErrors(source: Field): FieldError[] {
  const [server, path] = [get(source, 'server'), get(source, 'path')];
  return [
    ...[server, path].filter(isBlank).map(({ at }) => required(at)),
    ...(text(path).startsWith('/') ? [] : [invalid(path.at, text(path), 'must be an absolute path')]),
  ];
}

/** A Secret or ConfigMap as files. */
function filesErrors(source: Field, nameKey: string): FieldError[] {
  const name = get(source, nameKey);
  return [
    ...(text(name) === '' ? [required(name.at)] : []),
    ...modeErrors(get(source, 'defaultMode')),
    ...list(get(source, 'items')).flatMap(keyToPathErrors),
  ];
}

function csiErrors(source: Field): FieldError[] {
  const [driver, secret] = [get(source, 'driver'), get(source, 'nodePublishSecretRef')];
  const name = get(secret, 'name');
  return [
    ...(text(driver) === '' ? [required(driver.at)] : []),
    ...(Buffer.byteLength(text(driver)) > 63 ? [tooLong(driver.at, 63)] : []),
    ...broken(driver.at, text(driver), dnsSubdomain(text(driver).toLowerCase())),
    ...(isSet(secret) && text(name) === '' ? [required(name.at)] : []),
    ...(text(name) === '' ? [] : broken(`${source.at}.name`, text(name), dnsSubdomain(text(name)))),
  ];
}

function ephemeralErrors(source: Field): FieldError[] {
  const template = get(source, 'volumeClaimTemplate');
  return isSet(template) ? claimTemplateErrors(template) : [required(template.at)];
}
