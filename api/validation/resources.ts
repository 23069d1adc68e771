import { isObject } from '../json.ts';
import { compareQuantities, milliValue, parseQuantity, quantityOf, quantityText, type Quantity } from '../quantity.ts';
import { duplicate, forbidden, invalid, invalidObject, notFound, required, type FieldError } from './field-error.ts';
import { get, getKey, isSet, list, text, type Field } from './field.ts';
import { qualifiedName } from './names.ts';

const CONTAINER = ['cpu', 'memory', 'ephemeral-storage'];
/** Resources that are counted, and those that quotas know: their names are standard, though no container can ask for them. */
const COUNTED = [
  'pods',
  'resourcequotas',
  'services',
  'replicationcontrollers',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
  'services.nodeports',
  'services.loadbalancers',
];
const QUOTA = [...CONTAINER.flatMap((name) => [`requests.${name}`, `limits.${name}`]), 'storage', 'requests.storage'];
const ZERO = parseQuantity('0');

/** What is wrong with a container's `resources`. */
export function resourceErrors(resources: Field): FieldError[] {
  const [limits, requests] = [get(resources, 'limits'), get(resources, 'requests')];
  const named = [...amountsOf(limits), ...amountsOf(requests)].map(({ name }) => name);
  const lacksOthers = named.some(isHugePages) && !named.includes('cpu') && !named.includes('memory');
  return [
    ...amountsOf(limits).flatMap(amountErrors),
    ...amountsOf(requests).flatMap((request) => [
      ...amountErrors(request),
      ...overcommitErrors(request, getKey(limits, request.name), limits.at, requests.at),
    ]),
    ...(lacksOthers ? [forbidden(resources.at, 'HugePages require cpu or memory')] : []),
    ...claimErrors(get(resources, 'claims')),
  ];
}

interface Amount {
  name: string;
  at: string;
  quantity: Quantity;
}

const amountsOf = (amounts: Field): Amount[] =>
  isObject(amounts.value)
    ? Object.keys(amounts.value).map((name) => {
        const { at, value } = getKey(amounts, name);
        return { name, at, quantity: readQuantity(value) };
      })
    : [];

/** A quantity, 0 if it is malformed: the schema reports that. */
export function readQuantity(value: unknown): Quantity {
  try {
    return quantityOf(value);
  } catch {
    return ZERO;
  }
}

/** Whether an amount is below 0. */
export const isNegative = (quantity: Quantity): boolean => compareQuantities(quantity, ZERO) < 0;
const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
const isExtended = (name: string): boolean =>
  !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0;

function amountErrors({ name, at, quantity }: Amount): FieldError[] {
  const isCounted = COUNTED.includes(name) || isExtended(name);
  return [
    ...resourceNameErrors(name, at),
    ...(isNegative(quantity) ? [invalid(at, quantityText(quantity), 'must be greater than or equal to 0')] : []),
    ...(isCounted && milliValue(quantity) % 1000n !== 0n
      ? [invalidObject(at, quantityText(quantity), 'must be an integer')]
      : []),
  ];
}

function resourceNameErrors(name: string, at: string): FieldError[] {
  const problems = qualifiedName(name);
  const wrong = (detail: string): FieldError => ({ ...invalidObject(at, name, detail), shown: name });
  if (name.includes('/')) {
    const isNamed = isNative(name) || isExtended(name);
    return [...problems, ...(isNamed ? [] : ["doesn't follow extended resource name standard"])].map(wrong);
  }
  const isForContainers = CONTAINER.includes(name) || isHugePages(name);
  const isStandard =
    isForContainers || QUOTA.includes(name) || COUNTED.includes(name) || name.startsWith('requests.hugepages-');
  return [
    ...(problems.length > 0 || isStandard ? problems : ['must be a standard resource type or fully qualified']),
    ...(isForContainers ? [] : ['must be a standard resource for containers']),
  ].map(wrong);
}

function overcommitErrors(request: Amount, limit: Field, limitsAt: string, requestsAt: string): FieldError[] {
  const { name, quantity } = request;
  const mayExceed = isNative(name) && !isHugePages(name);
  if (!isSet(limit)) {
    return mayExceed ? [] : [required(limitsAt, 'Limit must be set for non overcommitable resources')];
  }
  const most = readQuantity(limit.value);
  const order = compareQuantities(quantity, most);
  const rule = !mayExceed && order !== 0 ? 'equal to' : order > 0 ? 'less than or equal to' : undefined;
  if (rule === undefined) return [];
  return [invalid(requestsAt, quantityText(quantity), `must be ${rule} ${name} limit of ${quantityText(most)}`)];
}

/** A SidecarSet cannot give a pod resource claims, so there are none to name. */
function claimErrors(claims: Field): FieldError[] {
  const seen = new Set<string>();
  return list(claims).flatMap((claim) => {
    const name = text(get(claim, 'name'));
    if (name === '') return [required(claim.at)];
    const isTwice = seen.has(name);
    seen.add(name);
    return [
      ...(isTwice ? [duplicate(claim.at, name)] : []),
      notFound(claim.at, name, 'must be one of the names in pod.spec.resourceClaims which is empty'),
    ];
  });
}
