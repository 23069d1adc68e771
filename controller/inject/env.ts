import { own } from '../../api/json.ts';
import type { Container, EnvVar, Pod } from '../../api/kubernetes.ts';
import { env } from '../../api/pod-contract.ts';
import type { TransferEnv } from '../../api/sidecar-set.ts';
import type { Warn } from './warnings.ts';

/** `$(NAME)` as the kubelet expands it in a `subPathExpr`; `$$(NAME)` counts too (oracle surprise 20). */
const VARIABLE = /\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)/g;
/** Every injected container says so in its environment. */
export const injectedVariable: EnvVar = { name: env.injected, value: 'true' };
const FIELD_PATH = /^metadata\.(labels|annotations)\['(.*)'\]$/;

/**
 * A container with the mark of injected ones at the end of its own environment, even where that has such a variable (the last
 * counts), and then the variables that it does not have yet.
 */
export function addEnv(container: Container, added: readonly EnvVar[]): Container {
  const own = [...(container.env ?? []), injectedVariable];
  const names = new Set(own.map(({ name }) => name));
  return { ...container, env: [...own, ...added.filter(({ name }) => !names.has(name) && names.add(name))] };
}

/**
 * The variables that `transferEnv` takes from the pod's containers, as they are before injection (`sidecarset.md` 2.5). Of
 * several with one name the last is taken, which is the one that the container sees.
 */
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
      const variable = container.env?.findLast((variable) => variable.name === name);
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
  if (map === 'labels') return own(pod.metadata?.labels, key);
  return map === undefined ? undefined : own(pod.metadata?.annotations, key);
}

/** The variables of a container that one of its mounts' `subPathExpr` needs. */
export function subPathEnv(expression: string, container: Container, warn: Warn): EnvVar[] {
  return [...expression.matchAll(VARIABLE)].flatMap(([, name]) => {
    const variable = container.env?.find((variable) => variable.name === name);
    if (!variable) warn(`subPathExpr ${expression}: container ${container.name} has no ${name ?? ''} in its env`);
    return variable ?? [];
  });
}
