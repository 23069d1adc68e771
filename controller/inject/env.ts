import type { Container, EnvVar, Pod } from '../../api/kubernetes.ts';
import type { TransferEnv } from '../../api/sidecar-set.ts';
import type { Warn } from './warnings.ts';

/** `$(NAME)` as the kubelet expands it in a `subPathExpr`; `$$(NAME)` counts too (oracle surprise 20). */
const VARIABLE = /\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)/g;
const FIELD_PATH = /^metadata\.(labels|annotations)\['(.*)'\]$/;

/** What is added to a container's environment, where the container does not have it already. */
export function addEnv(container: Container, added: readonly EnvVar[]): Container {
  const names = new Set((container.env ?? []).map(({ name }) => name));
  const missing = added.filter(({ name }) => !names.has(name) && names.add(name));
  return missing.length === 0 ? container : { ...container, env: [...(container.env ?? []), ...missing] };
}

/** The variables that `transferEnv` takes from the pod's containers, as they are before injection (`sidecarset.md` 2.5). */
export function transferredEnv(transfers: readonly TransferEnv[], pod: Pod, warn: Warn): EnvVar[] {
  return transfers.flatMap((transfer) => {
    const names = [...new Set([transfer.envName, ...(transfer.envNames ?? [])])].filter((name) => !!name).sort();
    const source = sourceOf(transfer, pod);
    const container = pod.spec?.containers.find(({ name }) => name === source);
    if (!container) {
      if (names.length > 0) warn(`transferEnv ${names.join(', ')}: the pod has no container "${source ?? ''}"`);
      return [];
    }
    return names.flatMap((name) => {
      const variable = container.env?.find((variable) => variable.name === name);
      if (!variable) warn(`transferEnv ${name}: container ${container.name} has no such variable in its env`);
      return variable ?? [];
    });
  });
}

/** The container that a transfer names, itself or through a label or annotation of the pod. */
function sourceOf({ sourceContainerName, sourceContainerNameFrom }: TransferEnv, pod: Pod): string | undefined {
  const path = sourceContainerNameFrom?.fieldRef?.fieldPath;
  if (path === undefined) return sourceContainerName;
  const [, map, key = ''] = FIELD_PATH.exec(path) ?? [];
  if (map === 'labels') return pod.metadata?.labels?.[key];
  return map === undefined ? undefined : pod.metadata?.annotations?.[key];
}

/** The variables of a container that one of its mounts' `subPathExpr` needs. */
export function subPathEnv(expression: string, container: Container, warn: Warn): EnvVar[] {
  return [...expression.matchAll(VARIABLE)].flatMap(([, name]) => {
    const variable = container.env?.find((variable) => variable.name === name);
    if (!variable) warn(`subPathExpr ${expression}: container ${container.name} has no ${name ?? ''} in its env`);
    return variable ?? [];
  });
}
