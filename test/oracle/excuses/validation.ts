import { calculate, evaluateExpression, namesMemory, unreadableNumbers } from '../../../api/expression.ts';
import { intOrPercentErrors } from '../../../api/int-or-percent.ts';
import type { LabelSelector } from '../../../api/kubernetes.ts';
import { copies } from '../../../api/pod-contract.ts';
import { parseQuantity } from '../../../api/quantity.ts';
import { selectorErrors } from '../../../api/selector.ts';
import type { SidecarContainer, SidecarSet } from '../../../api/sidecar-set.ts';
import { readWhitelist } from '../../../api/validation/whitelist.ts';
import { q16 as disjointByPresence } from './overlap.ts';

/** What a recorded case was given; the sets are plain, but their `spec` may be anything that a user can write. */
export interface Input {
  object: SidecarSet;
  others?: SidecarSet[];
  whitelist?: string;
}

/** What decides whether two errors are the same; Go dumps of structs are no `badValue`. */
export interface Finding {
  type: string;
  field: string;
  detail: string;
  badValue?: unknown;
}

/**
 * Where Baton finds otherwise on purpose: for inputs like these, errors `of` this kind may be missing or be given in addition.
 */
export interface Excuse {
  name: string;
  applies: (input: Input) => boolean;
  of: (error: Finding, input: Input) => boolean;
}

const containersOf = ({ spec }: SidecarSet): SidecarContainer[] => [
  ...(spec.initContainers ?? []),
  ...(spec.containers ?? []),
];

const hotOf = ({ spec }: SidecarSet): SidecarContainer[] =>
  [
    ...(spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
    ...(spec.containers ?? []),
  ].filter(({ upgradeStrategy }) => upgradeStrategy?.upgradeType === 'HotUpgrade');

/** Whether an error says that two sets would both put something into one pod. */
export const isConflict = ({ field, detail }: Finding): boolean =>
  /^spec\.(containers|volumes|patchPodMetadata)$/.test(field) &&
  / (?:already exist in|is in conflict with sidecarset) \S+$/.test(detail);

const conflictsWith = (names: readonly (string | undefined)[], error: Finding): boolean =>
  isConflict(error) && names.includes(error.detail.split(' ').at(-1));

const baseOf = ({ metadata: { annotations = {} } }: SidecarSet): string | undefined =>
  annotations['apps.kruise.io/sidecarset-canary'] === 'true'
    ? annotations['apps.kruise.io/sidecarset-base']
    : undefined;

const canariesOf = ({ object, others = [] }: Input): SidecarSet[] =>
  others.filter((other) => baseOf(other) === object.metadata.name);

/** Q15: the set is the base of a canary; OpenKruise finds the two in conflict when the base is updated. */
const q15: Excuse = {
  name: 'Q15',
  applies: (input) => canariesOf(input).length > 0,
  of: (error, input) =>
    conflictsWith(
      canariesOf(input).map(({ metadata }) => metadata.name),
      error,
    ),
};

const unnoticedBy = ({ object, others = [] }: Input): SidecarSet[] =>
  others.filter((other) =>
    (['selector', 'namespaceSelector'] as const).some((key) => {
      const [a, b]: (LabelSelector | undefined)[] = [object.spec[key], other.spec[key]];
      return a && b && disjointByPresence(a, b);
    }),
  );

/** Q16: a selector wants a key present that the other does not mention; OpenKruise calls them disjoint. */
const q16: Excuse = {
  name: 'Q16',
  applies: (input) => unnoticedBy(input).length > 0,
  of: (error, input) =>
    conflictsWith(
      unnoticedBy(input).map(({ metadata }) => metadata.name),
      error,
    ),
};

export interface Expression {
  text: string;
  resource: 'cpu' | 'memory';
}

const expressionsOf = ({ object }: Input): Expression[] =>
  containersOf(object).flatMap(({ resourcesPolicy }) =>
    [resourcesPolicy?.resourcesExpr.limits, resourcesPolicy?.resourcesExpr.requests].flatMap((kind) =>
      (['cpu', 'memory'] as const)
        .map((resource) => ({ text: kind?.[resource] ?? '', resource }))
        .filter(({ text }) => text !== ''),
    ),
  );

const isOfExpression = (texts: readonly string[], { field, badValue }: Finding): boolean =>
  field.includes('.resourcesExpr.') && texts.includes(String(badValue));

const matching = (input: Input, differs: (expression: Expression) => boolean): string[] =>
  expressionsOf(input)
    .filter(differs)
    .map(({ text }) => text);

/** Q18: an expression has a number with an unknown unit, which OpenKruise takes for 0. */
export const hasUnreadable = ({ text }: Expression): boolean => unreadableNumbers(text).length > 0;

const q18: Excuse = {
  name: 'Q18',
  applies: (input) => matching(input, hasUnreadable).length > 0,
  of: (error, input) => isOfExpression(matching(input, hasUnreadable), error),
};

const reasonOf = (compute: () => unknown): string => {
  try {
    compute();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

/** Q19: an expression fares otherwise with an amount, as at injection, than with the plain number 1, which OpenKruise tries. */
export function needsAmount({ text, resource }: Expression): boolean {
  if (resource === 'cpu' && namesMemory(text)) return false;
  const withNumber = reasonOf(() => calculate(text, { [resource]: 1 }));
  return ['0', '1m', '1', '1Ti'].some(
    (amount) => reasonOf(() => evaluateExpression(text, parseQuantity(amount))) !== withNumber,
  );
}

const q19: Excuse = {
  name: 'Q19',
  applies: (input) => matching(input, needsAmount).length > 0,
  of: (error, input) => isOfExpression(matching(input, needsAmount), error),
};

/** Q28: OpenKruise does not upgrade native sidecars, and so refuses a set that wants to. */
const q28: Excuse = {
  name: 'Q28',
  applies: ({ object }) =>
    object.spec.updateStrategy?.type === 'RollingUpdate' &&
    (object.spec.initContainers ?? []).some(({ restartPolicy }) => restartPolicy === 'Always'),
  of: ({ detail }) => detail === 'The initContainer in-place upgrade is not currently supported.',
};

/** Q29: the name of a hot sidecar's copy is over 63 characters, and the pod refused. */
const q29: Excuse = {
  name: 'Q29',
  applies: ({ object }) => hotOf(object).some(({ name }) => name.length > 61),
  of: ({ field, detail }) => field.endsWith('.name') && detail.startsWith('must be no more than 61 characters'),
};

/** 1.1: a hot sidecar has no empty image; the pod is then refused. */
const emptyImage: Excuse = {
  name: 'hotUpgradeEmptyImage',
  applies: ({ object }) => hotOf(object).some(({ upgradeStrategy }) => !upgradeStrategy?.hotUpgradeEmptyImage),
  of: ({ field }) => field.endsWith('.upgradeStrategy.hotUpgradeEmptyImage'),
};

/** Surprise 19: a hot sidecar `c` beside `c-1`, in this set or another: the pod gets two containers of one name. */
const hotNames: Excuse = {
  name: 'surprise 19, hot names',
  applies: ({ object, others = [] }) => {
    const sets = [object, ...others];
    const taken = sets.flatMap(hotOf).flatMap(({ name }) => copies(name));
    return sets.flatMap(containersOf).some(({ name }) => taken.includes(name));
  },
  of: (error) => (isConflict(error) || error.type === 'FieldValueDuplicate') && /-[12]$/.test(String(error.badValue)),
};

/** Surprise 19: a member of an enumeration is misspelt; OpenKruise takes it for another one, or for none. */
const misspelt: Excuse = {
  name: 'surprise 19, misspelt members',
  applies: ({ object: { spec } }) => {
    const init: SidecarContainer[] = spec.initContainers ?? [];
    const all = [...init, ...(spec.containers ?? [])];
    const isForeign = (members: string[], values: (string | undefined)[]): boolean =>
      values.some((value) => !['', ...members].includes(value ?? ''));
    const sharing = ['enabled', 'disabled'];
    return (
      isForeign(['NotUpdate', 'RollingUpdate'], [spec.updateStrategy?.type]) ||
      isForeign(
        ['Retain', 'Overwrite', 'MergePatchJson'],
        (spec.patchPodMetadata ?? []).map(({ patchPolicy }) => patchPolicy),
      ) ||
      isForeign(
        ['BeforeAppContainer', 'AfterAppContainer'],
        init.map(({ podInjectPolicy }) => podInjectPolicy),
      ) ||
      isForeign(
        sharing,
        init.map(({ shareVolumePolicy }) => shareVolumePolicy?.type),
      ) ||
      isForeign(
        sharing,
        all.map(({ shareVolumeDevicePolicy }) => shareVolumeDevicePolicy?.type),
      ) ||
      isForeign(
        ['ColdUpgrade', 'HotUpgrade'],
        all.map(({ upgradeStrategy }) => upgradeStrategy?.upgradeType),
      )
    );
  },
  of: ({ type, field }) =>
    type === 'FieldValueNotSupported' &&
    /^spec\.(updateStrategy\.type|patchPodMetadata\[\d+\]\.patchPolicy|(c|initC)ontainers\[\d+\]\.(podInjectPolicy|shareVolume(Device)?Policy\.type|upgradeStrategy\.upgradeType))$/.test(
      field,
    ),
};

/** Surprise 7: the fields of an update strategy that is no RollingUpdate are not looked at, though injection reads them. */
const unusedStrategy: Excuse = {
  name: 'surprise 7, no RollingUpdate',
  applies: ({ object }) => {
    const { type, selector, partition = 0, maxUnavailable = 0 } = object.spec.updateStrategy ?? {};
    const isMalformed =
      [partition, maxUnavailable].some((value) => intOrPercentErrors(value, '').length > 0) ||
      (selector !== undefined &&
        (selectorErrors(selector, '').length > 0 || (!selector.matchLabels && !selector.matchExpressions)));
    return type !== 'RollingUpdate' && isMalformed;
  },
  of: ({ field }) => /^spec\.updateStrategy\.(selector|partition|maxUnavailable)/.test(field),
};

/** The whitelist cannot be read: Go's JSON decoder says why in its words, Baton in its own. */
const whitelist: Excuse = {
  name: 'unreadable whitelist',
  applies: ({ whitelist: text }) => text !== undefined && !isWhitelist(text),
  of: ({ type, field }) => type === 'FieldValueRequired' && field === 'spec.patchPodMetadata',
};

function isWhitelist(text: string): boolean {
  try {
    readWhitelist(text);
    return true;
  } catch {
    return false;
  }
}

export const excuses: readonly Excuse[] = [
  q15,
  q16,
  q18,
  q19,
  q28,
  q29,
  emptyImage,
  hotNames,
  misspelt,
  unusedStrategy,
  whitelist,
];
