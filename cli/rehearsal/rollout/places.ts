import type { Namespace, Pod } from '../../../api/kubernetes.ts';
import { findAddresses } from './addresses.ts';
import { homeNamespace } from './home.ts';
import type { RolloutScenario } from './scenario.ts';

/** `namespace/name`. */
export const keyOf = (pod: Pod | { namespace: string; name: string }): string => {
  const { namespace = '', name = '' } = 'name' in pod ? pod : (pod.metadata ?? {});
  return `${namespace}/${name}`;
};

/** The address of each pod that the scenario ever creates, by {@link keyOf}. */
export async function addressesOf(scenario: RolloutScenario): Promise<ReadonlyMap<string, string>> {
  const all = [...scenario.pods, ...scenario.steps.flatMap(({ create }) => create.pods)];
  const addresses = await findAddresses(all.length, scenario.port);
  return new Map(all.map((pod, index) => [keyOf(pod), addresses[index] ?? '']));
}

/** The namespaces that are declared, those that pods are in, the controller's, and the one that every cluster has. */
export function namespacesOf({ pods: first, steps, namespaces: declared }: RolloutScenario): Namespace[] {
  const all = [...first, ...steps.flatMap(({ create }) => create.pods)];
  const names = new Set(['default', homeNamespace, ...all.map(({ metadata }) => metadata?.namespace ?? '')]);
  const plain = (name: string): Namespace => ({ metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } });
  const byName = new Map([...names].map((name) => [name, plain(name)]));
  for (const namespace of declared) byName.set(namespace.metadata?.name ?? '', namespace);
  return [...byName.values()];
}
