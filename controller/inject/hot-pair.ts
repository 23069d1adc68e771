import type { Container, EnvVar } from '../../api/kubernetes.ts';
import { copies, env, versionAltKey, versionKey } from '../../api/pod-contract.ts';
import type { SidecarContainer } from '../../api/sidecar-set.ts';
import type { Warn } from './warnings.ts';

const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;
const NETWORK = ['httpGet', 'tcpSocket', 'grpc'] as const;

/** Whether a sidecar is injected as two copies: an init container only if it stays (`restartPolicy: Always`). */
export const isHot = ({ upgradeStrategy, restartPolicy }: SidecarContainer, isInit: boolean): boolean =>
  upgradeStrategy?.upgradeType === 'HotUpgrade' && (!isInit || restartPolicy === 'Always');

/**
 * The two copies of a hot sidecar (`sidecarset.md` 3.1): the first runs the image, the second the empty one, and each reads
 * its versions from the pod's annotations when it starts.
 */
export function hotPair(container: Container, emptyImage: string | undefined): [Container, Container] {
  const [working, idle] = copies(container.name);
  const first = { ...container, name: working, env: [...(container.env ?? []), ...versions(working)] };
  const second = { ...container, name: idle, env: [...(container.env ?? []), ...versions(idle)] };
  // Validation asks for an empty image; a set stored without one must fail where Kubernetes sees it, not run the image twice.
  if (emptyImage === undefined) delete second.image;
  else second.image = emptyImage;
  return [first, second];
}

const versions = (copy: string): EnvVar[] => [
  annotationVariable(env.version, versionKey(copy)),
  annotationVariable(env.versionAlt, versionAltKey(copy)),
];

const annotationVariable = (name: string, key: string): EnvVar => ({
  name,
  valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${key}']` } },
});

/** Says what in a sidecar goes wrong once there are two of it in one network (design section 3). */
export function warnOfHotTraps(container: Container, warn: Warn): void {
  for (const name of PROBES.filter((name) => NETWORK.some((kind) => container[name]?.[kind]))) {
    warn(
      `${name} asks the network, which both copies share, so either copy's answer passes for the other's; ask the process itself, with exec`,
    );
  }
  if (container.lifecycle?.preStop) {
    warn('preStop runs in both copies and delays each upgrade; let the process drain when it gets SIGTERM');
  }
}
