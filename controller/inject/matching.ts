import type { Namespace, Pod } from '../../api/kubernetes.ts';
import { isEmptySelector, matches, selectorErrors } from '../../api/selector.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { WarnOf } from './warnings.ts';

const NAMESPACE_NAME = 'kubernetes.io/metadata.name';

/**
 * The SidecarSets that a pod is to get, but for canaries (`sidecarset.md` 2.2): first those that name the pod's namespace,
 * then the others, each in the order given. A set whose selector has an unknown operator matches nothing (Q21).
 */
export function matchingSets(
  sets: readonly SidecarSet[],
  pod: Pod,
  namespaces: readonly Namespace[],
  warnOf: WarnOf,
): SidecarSet[] {
  const name = pod.metadata?.namespace || 'default';
  const namespace = namespaces.find(({ metadata }) => metadata?.name === name);
  const matching = sets.filter((set) => {
    if (set.spec.injectionStrategy?.paused || !matchesNamespace(set, namespace)) return false;
    try {
      return matchesLabels(set, pod);
    } catch (error) {
      warnOf(set)(`spec.selector: ${(error as Error).message}; the set is not injected`);
      return false;
    }
  });
  return [...matching.filter(namesNamespace), ...matching.filter((set) => !namesNamespace(set))];
}

/** An unreadable namespace and a malformed selector match nothing. */
function matchesNamespace({ spec: { namespaceSelector } }: SidecarSet, namespace: Namespace | undefined): boolean {
  if (!namespaceSelector) return true;
  if (!namespace || selectorErrors(namespaceSelector, '').length > 0) return false;
  return matches(namespaceSelector, namespace.metadata?.labels);
}

const matchesLabels = ({ spec: { selector } }: SidecarSet, pod: Pod): boolean =>
  selector !== undefined && !isEmptySelector(selector) && matches(selector, pod.metadata?.labels);

/** Whether a set is for namespaces that it names. */
const namesNamespace = ({ spec: { namespaceSelector } }: SidecarSet): boolean =>
  namespaceSelector?.matchLabels?.[NAMESPACE_NAME] !== undefined ||
  (namespaceSelector?.matchExpressions ?? []).some(({ key, operator }) => key === NAMESPACE_NAME && operator === 'In');
