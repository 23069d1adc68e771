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

/** core/v1 Pod of Kubernetes 0.32, as far as injection looks into it. */
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
  status: 'any',
});

/** What in a pod has the wrong type or is not known, as far as injection looks into it. */
export function podProblems(object: object): Problem[] {
  const problems: Problem[] = [];
  goForm(pod, object, { report: (problem) => problems.push(problem) });
  return problems;
}
