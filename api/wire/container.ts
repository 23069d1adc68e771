import { list, map, struct, type Struct } from './wire.ts';

/*
 * SidecarContainer of OpenKruise 1.9 with core/v1 Container of Kubernetes 0.32 inside, to the letter: the order and the marks
 * decide the hashes. A field that is added here changes the hash of every SidecarSet that uses it (quirk Q26).
 */

export const fieldRef = struct({ apiVersion: 'string', 'fieldPath!': 'string' });
export const resourceFieldRef = struct({ containerName: 'string', 'resource!': 'string', 'divisor!': 'quantity' });
const keyRef = struct({ name: 'string', 'key!': 'string', 'optional?': 'boolean' });
const sourceRef = struct({ name: 'string', 'optional?': 'boolean' });

const port = struct({
  name: 'string',
  hostPort: 'int32',
  'containerPort!': 'int32',
  protocol: 'string',
  hostIP: 'string',
});

const envFrom = struct({ prefix: 'string', 'configMapRef?': sourceRef, 'secretRef?': sourceRef });

const env = struct({
  'name!': 'string',
  value: 'string',
  'valueFrom?': struct({
    'fieldRef?': fieldRef,
    'resourceFieldRef?': resourceFieldRef,
    'configMapKeyRef?': keyRef,
    'secretKeyRef?': keyRef,
  }),
});

const resources = struct({
  limits: map('amount'),
  requests: map('amount'),
  claims: list(struct({ 'name!': 'string', request: 'string' })),
});

const volumeMount = struct({
  'name!': 'string',
  readOnly: 'boolean',
  'recursiveReadOnly?': 'string',
  'mountPath!': 'string',
  subPath: 'string',
  'mountPropagation?': 'string',
  subPathExpr: 'string',
});

const exec = struct({ command: list('string') });
const httpGet = struct({
  path: 'string',
  'port!': 'intOrString',
  host: 'string',
  scheme: 'string',
  httpHeaders: list(struct({ 'name!': 'string', 'value!': 'string' })),
});
const tcpSocket = struct({ 'port!': 'intOrString', host: 'string' });

const probe = struct({
  'exec?': exec,
  'httpGet?': httpGet,
  'tcpSocket?': tcpSocket,
  'grpc?': struct({ 'port!': 'int32', 'service?!': 'string' }),
  initialDelaySeconds: 'int32',
  timeoutSeconds: 'int32',
  periodSeconds: 'int32',
  successThreshold: 'int32',
  failureThreshold: 'int32',
  'terminationGracePeriodSeconds?': 'int64',
});

const handler = struct({
  'exec?': exec,
  'httpGet?': httpGet,
  'tcpSocket?': tcpSocket,
  'sleep?': struct({ 'seconds!': 'int64' }),
});

const profile = struct({ 'type!': 'string', 'localhostProfile?': 'string' });

const securityContext = struct({
  'capabilities?': struct({ add: list('string'), drop: list('string') }),
  'privileged?': 'boolean',
  'seLinuxOptions?': struct({ user: 'string', role: 'string', type: 'string', level: 'string' }),
  'windowsOptions?': struct({
    'gmsaCredentialSpecName?': 'string',
    'gmsaCredentialSpec?': 'string',
    'runAsUserName?': 'string',
    'hostProcess?': 'boolean',
  }),
  'runAsUser?': 'int64',
  'runAsGroup?': 'int64',
  'runAsNonRoot?': 'boolean',
  'readOnlyRootFilesystem?': 'boolean',
  'allowPrivilegeEscalation?': 'boolean',
  'procMount?': 'string',
  'seccompProfile?': profile,
  'appArmorProfile?': profile,
});

const sharePolicy = struct({ type: 'string' });
const expressions = struct({ cpu: 'string', memory: 'string' });

export const sidecarContainer: Struct = struct({
  'name!': 'string',
  image: 'string',
  command: list('string'),
  args: list('string'),
  workingDir: 'string',
  ports: list(port),
  envFrom: list(envFrom),
  env: list(env),
  'resources!': resources,
  resizePolicy: list(struct({ 'resourceName!': 'string', 'restartPolicy!': 'string' })),
  'restartPolicy?': 'string',
  volumeMounts: list(volumeMount),
  volumeDevices: list(struct({ 'name!': 'string', 'devicePath!': 'string' })),
  'livenessProbe?': probe,
  'readinessProbe?': probe,
  'startupProbe?': probe,
  'lifecycle?': struct({ 'postStart?': handler, 'preStop?': handler }),
  terminationMessagePath: 'string',
  terminationMessagePolicy: 'string',
  imagePullPolicy: 'string',
  'securityContext?': securityContext,
  stdin: 'boolean',
  stdinOnce: 'boolean',
  tty: 'boolean',
  podInjectPolicy: 'string',
  'upgradeStrategy!': struct({
    upgradeType: 'string',
    hotUpgradeEmptyImage: 'string',
    'migrationTimeoutSeconds+': 'int32',
    'drainTimeoutSeconds+': 'int32',
    'soakSeconds+': 'int32',
    'rollback+': 'string',
  }),
  'shareVolumePolicy!': sharePolicy,
  'shareVolumeDevicePolicy?': sharePolicy,
  transferEnv: list(
    struct({
      sourceContainerName: 'string',
      'sourceContainerNameFrom?': struct({ 'fieldRef?': fieldRef }),
      envName: 'string',
      envNames: list('string'),
    }),
  ),
  'resourcesPolicy?': struct({
    'targetContainersMode!': 'string',
    targetContainersNameRegex: 'string',
    'resourcesExpr!': struct({ 'limits?': expressions, 'requests?': expressions }),
  }),
});
