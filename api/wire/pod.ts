import { isObject } from '../json.ts';
import { sidecarContainer } from './container.ts';
import { metadata } from './metadata.ts';
import { volume } from './volume.ts';
import { goForm, list, struct, type Problem, type Struct } from './wire.ts';

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
  return [...problems, ...nullItems(object, '')];
}

/** Members of lists that are `null`: for Go these are empty ones, which nobody means. */
function nullItems(value: unknown, path: string): Problem[] {
  if (Array.isArray(value)) {
    return value.flatMap((item: unknown, index): Problem[] => {
      const at = `${path}[${index}]`;
      return item === null ? [{ kind: 'type', path: at, message: 'must not be null' }] : nullItems(item, at);
    });
  }
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, field]) => nullItems(field, path === '' ? key : `${path}.${key}`));
}
