import type { Container, Pod } from '../../api/kubernetes.ts';

/** What Baton adds to a pod beyond OpenKruise (design section 3), removed where it has exactly the value that Baton gives it. */
export function withoutBatonsAdditions(pod: Pod, received: Pod): Pod {
  const { 'baton.dev/injected': injected, ...labels } = pod.metadata?.labels ?? {};
  if (injected !== 'true') return pod;
  const hadVolume = received.spec?.volumes?.some(({ name }) => name === 'baton');
  const { containers = [], initContainers, volumes } = pod.spec ?? {};
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: {
      ...pod.spec,
      containers: containers.map(withoutFolder),
      ...(initContainers && { initContainers: initContainers.map(withoutFolder) }),
      ...(volumes && { volumes: volumes.filter((volume) => hadVolume || JSON.stringify(volume) !== VOLUME) }),
    },
  };
}

const VOLUME = JSON.stringify({ name: 'baton', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } });

function withoutFolder(container: Container): Container {
  const [, sidecar] = /^(.*)-[12]$/.exec(container.name) ?? [];
  const variable = JSON.stringify({ name: 'BATON_DIR', value: '/run/baton' });
  const mount = JSON.stringify({ name: 'baton', mountPath: '/run/baton', subPath: sidecar });
  const { env, volumeMounts } = container;
  return {
    ...container,
    ...(env && { env: env.filter((one) => JSON.stringify(one) !== variable) }),
    ...(volumeMounts && { volumeMounts: volumeMounts.filter((one) => JSON.stringify(one) !== mount) }),
  };
}
