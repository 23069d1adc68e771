import { compareBytes, own } from '../../api/json.ts';
import type { Container, EnvVar, Pod } from '../../api/kubernetes.ts';
import { env } from '../../api/pod-contract.ts';
import type { TransferEnv } from '../../api/sidecar-set.ts';
import { convertSourcePath, subscriptProblems } from '../../api/validation/field-path.ts';
import type { Warn } from './warnings.ts';

/** `$(NAME)` as the kubelet expands it in a `subPathExpr`; `$$(NAME)` counts too (oracle surprise 20). */
const VARIABLE = /\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)/g;
/** Every injected container says so in its environment. */
export const injectedVariable: EnvVar = { name: env.injected, value: 'true' };

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
 * several with one name the last is taken, which is the one that the container sees, also of several containers.
 */
export function transferredEnv(transfers: readonly TransferEnv[], pod: Pod, warn: Warn): EnvVar[] {
  return transfers.flatMap((transfer) => {
    const names = [...new Set([transfer.envName, ...(transfer.envNames ?? [])])]
      .flatMap((name) => name || [])
      .sort(compareBytes);
    const source = sourceOf(transfer, pod);
    const containers = (pod.spec?.containers ?? []).filter(({ name }) => name === source);
    if (containers.length === 0) {
      if (names.length > 0) warn(`transferEnv ${names.join(', ')}: the pod has no container "${source ?? ''}"`);
      return [];
    }
    return names.flatMap((name) => {
      const variable = containers.flatMap(({ env }) => env ?? []).findLast((variable) => variable.name === name);
      if (!variable) warn(`transferEnv ${name}: container ${source ?? ''} has no such variable in its env`);
      return variable ?? [];
    });
  });
}

/** The container that a transfer names, itself or through a label or annotation of the pod. */
function sourceOf({ sourceContainerName, sourceContainerNameFrom }: TransferEnv, pod: Pod): string | undefined {
  const reference = sourceContainerNameFrom?.fieldRef;
  if (!reference) return sourceContainerName;
  const converted = convertSourcePath('v1', reference.fieldPath);
  if ('problem' in converted || subscriptProblems(converted).length > 0) return undefined;
  const { labels, annotations } = pod.metadata ?? {};
  return own(converted.path === 'metadata.labels' ? labels : annotations, converted.subscript);
}

/** Finds variables in a container's own environment; of several with one name the first. */
export function envFinder({ env }: Container): (name: string) => EnvVar | undefined {
  let variables: Map<string, EnvVar> | undefined;
  // The last one put in under a name stays.
  return (name) => (variables ??= new Map(env?.toReversed().map((each) => [each.name, each]))).get(name);
}

/** The variables of a container that one of its mounts' `subPathExpr` needs. */
export function subPathEnv(expression: string, find: ReturnType<typeof envFinder>, missing: Warn): EnvVar[] {
  return [...expression.matchAll(VARIABLE)].flatMap(([, name = '']) => {
    const variable = find(name);
    if (!variable) missing(name);
    return variable ?? [];
  });
}
