import { isObject } from '../json.ts';
import { sidecarContainer } from './container.ts';
import { metadata } from './metadata.ts';
import { volume } from './volume.ts';
import { goForm, list, struct, type Problem, type Struct, type Wire } from './wire.ts';

/** Where a pod's container ends and OpenKruise's own fields begin. */
const SIDECAR_FIELDS = [
  'podInjectPolicy',
  'upgradeStrategy',
  'shareVolumePolicy',
  'shareVolumeDevicePolicy',
  'transferEnv',
  'resourcesPolicy',
];
const container: Struct = { fields: sidecarContainer.fields.filter(({ name }) => !SIDECAR_FIELDS.includes(name)) };

const containerStatuses = list(
  struct({
    'name!': 'string',
    state: 'any',
    'ready!': 'boolean',
    'restartCount!': 'int32',
    'image!': 'string',
    'imageID!': 'string',
    containerID: 'string',
  }),
);

/** core/v1 PodStatus, as far as a rollout looks into it. */
const status = struct({
  phase: 'string',
  conditions: list(
    struct({
      'type!': 'string',
      'status!': 'string',
      'lastTransitionTime?': 'string',
      reason: 'string',
      message: 'string',
    }),
  ),
  containerStatuses,
  initContainerStatuses: containerStatuses,
});

/** core/v1 Pod of Kubernetes 0.32, as far as injection and rollout look into it. */
const pod = struct({
  'apiVersion!': 'string',
  'kind!': 'string',
  'metadata!': metadata,
  'spec!': struct({
    volumes: list(volume),
    initContainers: list(container),
    'containers!': list(container),
    ephemeralContainers: 'any',
    restartPolicy: 'string',
    'terminationGracePeriodSeconds?': 'int64',
    'activeDeadlineSeconds?': 'int64',
    dnsPolicy: 'string',
    nodeSelector: 'any',
    serviceAccountName: 'string',
    serviceAccount: 'string',
    'automountServiceAccountToken?': 'boolean',
    nodeName: 'string',
    hostNetwork: 'boolean',
    hostPID: 'boolean',
    hostIPC: 'boolean',
    'shareProcessNamespace?': 'boolean',
    securityContext: 'any',
    imagePullSecrets: list(struct({ name: 'string' })),
    hostname: 'string',
    subdomain: 'string',
    affinity: 'any',
    schedulerName: 'string',
    tolerations: 'any',
    hostAliases: 'any',
    priorityClassName: 'string',
    'priority?': 'int32',
    dnsConfig: 'any',
    readinessGates: 'any',
    'runtimeClassName?': 'string',
    'enableServiceLinks?': 'boolean',
    'preemptionPolicy?': 'string',
    overhead: 'any',
    topologySpreadConstraints: 'any',
    'setHostnameAsFQDN?': 'boolean',
    os: 'any',
    'hostUsers?': 'boolean',
    schedulingGates: 'any',
    resourceClaims: 'any',
    resources: 'any',
  }),
  status,
});

/** What in a pod has the wrong type or is not known, as far as injection and rollout look into it. */
export function podProblems(object: object): Problem[] {
  const problems: Problem[] = [];
  const report = (problem: Problem): void => {
    // Of the status not all fields are listed.
    if (problem.kind === 'type' || !problem.path.startsWith('status.')) problems.push(problem);
  };
  goForm(pod, object, { report });
  return [...problems, ...nullsIn(pod, object, '')];
}

/** The `null`s in lists of objects: Go takes them for empty objects, nothing else does. */
function nullsIn(wire: Wire, value: unknown, path: string): Problem[] {
  if (typeof wire === 'string') return [];
  if ('fields' in wire) {
    if (!isObject(value)) return [];
    return wire.fields.flatMap((field) => nullsIn(field.wire, value[field.name], `${path}${path && '.'}${field.name}`));
  }
  if (!('list' in wire) || !Array.isArray(value) || typeof wire.list === 'string') return [];
  return value.flatMap((item: unknown, index): Problem[] =>
    item === null
      ? [{ kind: 'type', path: `${path}[${index}]`, message: 'must be an object, not null' }]
      : nullsIn(wire.list, item, `${path}[${index}]`),
  );
}
