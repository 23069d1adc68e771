import { ApiError } from '../../api/error.ts';
import { evaluateExpression } from '../../api/expression.ts';
import { goPattern } from '../../api/go-pattern.ts';
import type { Container, Pod } from '../../api/kubernetes.ts';
import {
  addQuantities,
  compareQuantities,
  fromWhole,
  quantityOf,
  quantityText,
  type Quantity,
} from '../../api/quantity.ts';
import type { ResourcesPolicy } from '../../api/sidecar-set.ts';

type Kind = 'limits' | 'requests';
const RESOURCES = ['cpu', 'memory'] as const;

/**
 * The resources that a `resourcesPolicy` gives a sidecar in this pod (`sidecarset.md` 2.8).
 *
 * @param declared names of sidecars, which are no targets
 * @throws ApiError `ERR_BATON_RESOURCES` when no container is a target, an amount is none, or an expression has no value
 */
export function resourcesFor(
  sidecar: string,
  policy: ResourcesPolicy,
  pod: Pod,
  declared: ReadonlySet<string>,
): NonNullable<Container['resources']> {
  const targets = targetsOf(sidecar, policy, pod, declared);
  const aggregate = AGGREGATES[policy.targetContainersMode] as ((amounts: Quantity[]) => Quantity) | undefined;
  // OpenKruise computes nothing for a mode that it does not know (oracle surprise 12).
  if (!aggregate) return {};
  // The CRD requires nothing inside of containers, so even this may be absent.
  const { resourcesExpr = {} } = policy as Partial<ResourcesPolicy>;
  const amountsOf = (kind: Kind): Record<string, string> =>
    Object.fromEntries(
      RESOURCES.flatMap((resource): [string, string][] => {
        const expression = resourcesExpr[kind]?.[resource];
        const total = expression ? totalOf(sidecar, targets, kind, resource, aggregate) : undefined;
        return expression && total ? [[resource, evaluate(sidecar, expression, total, kind, resource)]] : [];
      }),
    );
  const [limits, requests] = [amountsOf('limits'), amountsOf('requests')];
  return {
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(Object.keys(requests).length > 0 && { requests }),
  };
}

const AGGREGATES = {
  // Begun at nothing, as in OpenKruise, so that a single amount loses its own spelling too.
  sum: (amounts: Quantity[]) => amounts.reduce((a, b) => addQuantities(a, b), fromWhole(0n, 'DecimalSI')),
  max: (amounts: Quantity[]) => amounts.reduce((a, b) => (compareQuantities(b, a) > 0 ? b : a)),
};

/** The native sidecars and containers that the policy's expression names, in this order. */
function targetsOf(
  sidecar: string,
  { targetContainersNameRegex = '' }: ResourcesPolicy,
  { spec }: Pod,
  declared: ReadonlySet<string>,
): Container[] {
  const isTarget = patternOf(sidecar, targetContainersNameRegex);
  const native = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const targets = [...native, ...(spec?.containers ?? [])].filter(({ name }) => isTarget(name) && !declared.has(name));
  if (targets.length > 0) return targets;
  throw failed(sidecar, `no containers match the regex pattern "${targetContainersNameRegex}"`);
}

function patternOf(sidecar: string, expression: string): (name: string) => boolean {
  try {
    return goPattern(expression);
  } catch (error) {
    throw failed(sidecar, `invalid regex pattern "${expression}": ${(error as Error).message}`);
  }
}

/** What the targets add up to; undefined where one of them has no limit, so that there is none together. */
function totalOf(
  sidecar: string,
  targets: readonly Container[],
  kind: Kind,
  resource: string,
  aggregate: (amounts: Quantity[]) => Quantity,
): Quantity | undefined {
  const amounts = targets.map(({ resources }) => resources?.[kind]?.[resource]);
  if (kind === 'limits' && amounts.includes(undefined)) return undefined;
  try {
    return aggregate(amounts.map(quantityOf));
  } catch (error) {
    throw failed(sidecar, `a target's ${kind}.${resource}: ${(error as Error).message}`);
  }
}

function evaluate(sidecar: string, expression: string, total: Quantity, kind: Kind, resource: string): string {
  try {
    return quantityText(evaluateExpression(expression, total));
  } catch (error) {
    const name = resource === 'cpu' ? 'CPU' : resource;
    throw failed(sidecar, `failed to evaluate ${name} ${kind} expression: ${(error as Error).message}`);
  }
}

const failed = (sidecar: string, why: string): ApiError =>
  new ApiError('ERR_BATON_RESOURCES', `container ${sidecar}: resourcesPolicy: ${why}`, { facts: { sidecar } });
