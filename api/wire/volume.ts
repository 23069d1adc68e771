import { fieldRef, resourceFieldRef } from './container.ts';
import { metadata, selector } from './metadata.ts';
import { list, map, struct, type Struct } from './wire.ts';

/* core/v1 Volume of Kubernetes 0.32. Not hashed, but written back as Go would: revisions record it to the letter. */

const secretRef = struct({ name: 'string' });
const items = list(struct({ 'key!': 'string', 'path!': 'string', 'mode?': 'int32' }));
const downwardItems = list(
  struct({ 'path!': 'string', 'fieldRef?': fieldRef, 'resourceFieldRef?': resourceFieldRef, 'mode?': 'int32' }),
);

const projection = struct({
  'secret?': struct({ name: 'string', items, 'optional?': 'boolean' }),
  'downwardAPI?': struct({ items: downwardItems }),
  'configMap?': struct({ name: 'string', items, 'optional?': 'boolean' }),
  'serviceAccountToken?': struct({ audience: 'string', 'expirationSeconds?': 'int64', 'path!': 'string' }),
  'clusterTrustBundle?': struct({
    'name?': 'string',
    'signerName?': 'string',
    'labelSelector?': selector,
    'optional?': 'boolean',
    'path!': 'string',
  }),
});

const claim = struct({
  'metadata!': metadata,
  'spec!': struct({
    accessModes: list('string'),
    'selector?': selector,
    'resources!': struct({ limits: map('quantity'), requests: map('quantity') }),
    volumeName: 'string',
    'storageClassName?': 'string',
    'volumeMode?': 'string',
    'dataSource?': struct({ 'apiGroup?!': 'string', 'kind!': 'string', 'name!': 'string' }),
    'dataSourceRef?': struct({
      'apiGroup?!': 'string',
      'kind!': 'string',
      'name!': 'string',
      'namespace?': 'string',
    }),
    'volumeAttributesClassName?': 'string',
  }),
});

export const volume: Struct = struct({
  'name!': 'string',
  'hostPath?': struct({ 'path!': 'string', 'type?': 'string' }),
  'emptyDir?': struct({ medium: 'string', 'sizeLimit?': 'quantity' }),
  'gcePersistentDisk?': struct({ 'pdName!': 'string', fsType: 'string', partition: 'int32', readOnly: 'boolean' }),
  'awsElasticBlockStore?': struct({
    'volumeID!': 'string',
    fsType: 'string',
    partition: 'int32',
    readOnly: 'boolean',
  }),
  'gitRepo?': struct({ 'repository!': 'string', revision: 'string', directory: 'string' }),
  'secret?': struct({ secretName: 'string', items, 'defaultMode?': 'int32', 'optional?': 'boolean' }),
  'nfs?': struct({ 'server!': 'string', 'path!': 'string', readOnly: 'boolean' }),
  'iscsi?': struct({
    'targetPortal!': 'string',
    'iqn!': 'string',
    'lun!': 'int32',
    iscsiInterface: 'string',
    fsType: 'string',
    readOnly: 'boolean',
    portals: list('string'),
    chapAuthDiscovery: 'boolean',
    chapAuthSession: 'boolean',
    'secretRef?': secretRef,
    'initiatorName?': 'string',
  }),
  'glusterfs?': struct({ 'endpoints!': 'string', 'path!': 'string', readOnly: 'boolean' }),
  'persistentVolumeClaim?': struct({ 'claimName!': 'string', readOnly: 'boolean' }),
  'rbd?': struct({
    'monitors!': list('string'),
    'image!': 'string',
    fsType: 'string',
    pool: 'string',
    user: 'string',
    keyring: 'string',
    'secretRef?': secretRef,
    readOnly: 'boolean',
  }),
  'flexVolume?': struct({
    'driver!': 'string',
    fsType: 'string',
    'secretRef?': secretRef,
    readOnly: 'boolean',
    options: map('string'),
  }),
  'cinder?': struct({ 'volumeID!': 'string', fsType: 'string', readOnly: 'boolean', 'secretRef?': secretRef }),
  'cephfs?': struct({
    'monitors!': list('string'),
    path: 'string',
    user: 'string',
    secretFile: 'string',
    'secretRef?': secretRef,
    readOnly: 'boolean',
  }),
  'flocker?': struct({ datasetName: 'string', datasetUUID: 'string' }),
  'downwardAPI?': struct({ items: downwardItems, 'defaultMode?': 'int32' }),
  'fc?': struct({
    targetWWNs: list('string'),
    'lun?': 'int32',
    fsType: 'string',
    readOnly: 'boolean',
    wwids: list('string'),
  }),
  'azureFile?': struct({ 'secretName!': 'string', 'shareName!': 'string', readOnly: 'boolean' }),
  'configMap?': struct({ name: 'string', items, 'defaultMode?': 'int32', 'optional?': 'boolean' }),
  'vsphereVolume?': struct({
    'volumePath!': 'string',
    fsType: 'string',
    storagePolicyName: 'string',
    storagePolicyID: 'string',
  }),
  'quobyte?': struct({
    'registry!': 'string',
    'volume!': 'string',
    readOnly: 'boolean',
    user: 'string',
    group: 'string',
    tenant: 'string',
  }),
  'azureDisk?': struct({
    'diskName!': 'string',
    'diskURI!': 'string',
    'cachingMode?': 'string',
    'fsType?': 'string',
    'readOnly?': 'boolean',
    'kind?': 'string',
  }),
  'photonPersistentDisk?': struct({ 'pdID!': 'string', fsType: 'string' }),
  'projected?': struct({ 'sources!': list(projection), 'defaultMode?': 'int32' }),
  'portworxVolume?': struct({ 'volumeID!': 'string', fsType: 'string', readOnly: 'boolean' }),
  'scaleIO?': struct({
    'gateway!': 'string',
    'system!': 'string',
    'secretRef?!': secretRef,
    sslEnabled: 'boolean',
    protectionDomain: 'string',
    storagePool: 'string',
    storageMode: 'string',
    volumeName: 'string',
    fsType: 'string',
    readOnly: 'boolean',
  }),
  'storageos?': struct({
    volumeName: 'string',
    volumeNamespace: 'string',
    fsType: 'string',
    readOnly: 'boolean',
    'secretRef?': secretRef,
  }),
  'csi?': struct({
    'driver!': 'string',
    'readOnly?': 'boolean',
    'fsType?': 'string',
    volumeAttributes: map('string'),
    'nodePublishSecretRef?': secretRef,
  }),
  'ephemeral?': struct({ 'volumeClaimTemplate?': claim }),
  'image?': struct({ reference: 'string', pullPolicy: 'string' }),
});
