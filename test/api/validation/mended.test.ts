import test from 'ava';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { answer } from '../../../api/validation/validate.ts';
import { container, errorsOf, findings, hot, set } from '../../helpers/validation.ts';

const policy = (limits: Record<string, string>) =>
  container({
    resourcesPolicy: { targetContainersMode: 'sum', targetContainersNameRegex: '.*', resourcesExpr: { limits } },
  });

const canaryOf = (base: string, canary: SidecarSet): SidecarSet => ({
  ...canary,
  metadata: {
    ...canary.metadata,
    annotations: { 'apps.kruise.io/sidecarset-canary': 'true', 'apps.kruise.io/sidecarset-base': base },
  },
});

test('Q15: a base can be updated beside its own canary, and not beside another set with its container', (t) => {
  const base = set({}, 'base');
  const canary = canaryOf('base', set({ updateStrategy: { type: 'NotUpdate' } }, 'canary'));
  t.deepEqual(errorsOf(base, { old: base, others: [canary] }), []);
  t.deepEqual(errorsOf(canary, { others: [base] }), []);
  t.deepEqual(errorsOf(base, { old: base, others: [set({}, 'other')] }), [
    'spec.containers: container side already exist in other',
  ]);
});

test('Q16: a container of a set whose selector overlaps by presence is a conflict, and a warning if it was one before', (t) => {
  const present = set({ selector: { matchExpressions: [{ key: 'tier', operator: 'Exists' }] } }, 'present');
  const conflict = 'spec.containers: container side already exist in present';
  t.deepEqual(errorsOf(set(), { others: [present] }), [conflict]);
  const update = findings(set({ revisionHistoryLimit: 3 }), { old: set(), others: [present] });
  t.deepEqual(update.errors, []);
  t.is(update.warnings.length, 1);
  t.regex(update.warnings[0]?.message ?? '', /container side already exist in present/);
});

test('Q18: a number with an unknown unit is refused, and only warned of where it is stored already', (t) => {
  const [field, detail] = [
    'spec[0].resourcesPolicy.resourcesExpr.limits.cpu',
    '"100MB" is no number with a known unit',
  ];
  const mistaken = set({ containers: [policy({ cpu: '100MB' })] });
  t.deepEqual(errorsOf(mistaken), [`${field}: invalid expression: ${detail}`]);
  t.deepEqual(errorsOf(mistaken, { old: mistaken }), []);
  t.regex(
    findings(mistaken, { old: mistaken }).warnings[0]?.message ?? '',
    /100MB.*the stored SidecarSet has this too/,
  );
  t.is(errorsOf(set({ containers: [policy({ cpu: '100MX' })] }), { old: mistaken }).length, 1);
});

test('Q19: an expression is tried with amounts, small to large', (t) => {
  const errors = (limits: Record<string, string>): string[] =>
    errorsOf(set({ containers: [policy(limits)] })).map((error) => error.replace(/^.*invalid expression: /, ''));
  t.deepEqual(errors({ cpu: 'cpu-4' }), []);
  t.deepEqual(errors({ memory: '(memory-64Mi)/2' }), []);
  t.deepEqual(errors({ cpu: '1/cpu' }), ['division by quantity']);
  t.deepEqual(errors({ cpu: 'cpu*cpu' }), ['multiplication of two quantities']);
  t.deepEqual(errors({ memory: 'MEMORY*2' }), ['undefined variable: memory']);
  t.deepEqual(errors({ cpu: '-cpu-1' }), ['calculation result is negative: -1001']);
  const { warnings } = findings(set({ containers: [policy({ cpu: 'cpu-4' })] }));
  t.deepEqual(warnings, [
    {
      field: 'spec.containers[0].resourcesPolicy.resourcesExpr.limits.cpu',
      message: 'some pods cannot be created with this expression: calculation result is negative: -4',
    },
  ]);
});

test('Q25: refused with 422 and the text of all errors, each once', (t) => {
  const twice = answer(findings(set({ selector: {}, containers: [] })));
  t.like(twice, { allowed: false, code: 422 });
  t.is(
    twice.message,
    '[spec.selector: Invalid value: {}: empty selector is not valid for sidecarset., ' +
      'spec: Required value: no initContainer or container defined for SidecarSet]',
  );
  t.deepEqual(answer(findings(set())), { allowed: true, code: 200, message: 'allowed to be admitted', warnings: [] });
});

test('Q26: a field that nobody knows is stored, and warned of', (t) => {
  const { errors, warnings } = findings(set({ containers: [container({ newerField: 1 })] }));
  t.deepEqual(errors, []);
  t.is(warnings[0]?.field, 'spec.containers[0].newerField');
});

test('Q28: native sidecars may be upgraded, hot and cold', (t) => {
  const native = { restartPolicy: 'Always' as const };
  t.deepEqual(errorsOf(set({ containers: [], initContainers: [container(native)] })), []);
  t.deepEqual(errorsOf(set({ containers: [], initContainers: [hot(native)] })), []);
});

test('Q29: the name of a hot container leaves room for its copies', (t) => {
  t.deepEqual(errorsOf(set({ containers: [hot({ name: 'x'.repeat(61) })] })), []);
  t.deepEqual(errorsOf(set({ containers: [container({ name: 'x'.repeat(62) })] })), []);
  t.regex(
    errorsOf(set({ containers: [hot({ name: 'x'.repeat(62) })] })).join(),
    /^spec\.containers\[0\]\.name: .* 61 /,
  );
});

test('a hot container needs an empty image', (t) => {
  const bare = (fields: object) => hot({ upgradeStrategy: { upgradeType: 'HotUpgrade' }, ...fields });
  const at = 'upgradeStrategy.hotUpgradeEmptyImage: a HotUpgrade container needs an image for its idle copy';
  t.deepEqual(errorsOf(set({ containers: [bare({})] })), [`spec.containers[0].${at}`]);
  const native = set({ containers: [], initContainers: [bare({ restartPolicy: 'Always' })] });
  t.deepEqual(errorsOf(native), [`spec.initContainers[0].${at}`]);
  t.deepEqual(errorsOf(set({ initContainers: [bare({ name: 'ends' })] })), []);
  t.deepEqual(errorsOf(native, { old: native }), []);
});

test('what is tolerated in a stored set hides no conflict with another', (t) => {
  const bare = set({ containers: [hot({ upgradeStrategy: { upgradeType: 'HotUpgrade' } })] });
  const conflict = 'spec.containers: container side already exist in other';
  t.deepEqual(errorsOf(bare, { old: bare, others: [set({}, 'other')] }), [conflict]);
});

test('surprise 19: a hot container and one with the name of its copy', (t) => {
  const [pair, single] = [hot({ name: 'c' }), container({ name: 'c-1' })];
  t.deepEqual(errorsOf(set({ containers: [pair, single] })), ['spec.containers[0].name']);
  const conflict = 'spec.containers: container c-1 already exist in other';
  t.deepEqual(errorsOf(set({ containers: [pair] }), { others: [set({ containers: [single] }, 'other')] }), [conflict]);
  t.deepEqual(errorsOf(set({ containers: [single] }), { others: [set({ containers: [pair] }, 'other')] }), [conflict]);
});

test('surprise 19: misspelt members of enumerations are refused, and warned of where they are stored already', (t) => {
  const foreign = {
    upgradeStrategy: { upgradeType: 'hotUpgrade' as 'HotUpgrade' },
    shareVolumeDevicePolicy: { type: 'Enabled' as 'enabled' },
  };
  const inInit = { podInjectPolicy: 'After' as 'AfterAppContainer', shareVolumePolicy: { type: 'on' as 'enabled' } };
  const spec = {
    updateStrategy: { type: 'rollingUpdate' as 'RollingUpdate' },
    containers: [container(foreign)],
    initContainers: [container({ name: 'first', ...foreign, ...inInit })],
  };
  const patchPodMetadata = [{ annotations: { a: 'b' }, patchPolicy: 'overwrite' as 'Overwrite' }];
  const mistaken = set({ ...spec, patchPodMetadata });
  const whitelist = '{"rules":[{"allowedAnnotationKeyExprs":["a"]}]}';
  t.deepEqual(errorsOf(mistaken, { whitelist }), [
    'spec.updateStrategy.type: supported values: "NotUpdate", "RollingUpdate"',
    'spec.initContainers[0].podInjectPolicy: supported values: "BeforeAppContainer", "AfterAppContainer"',
    'spec.initContainers[0].shareVolumePolicy.type: supported values: "enabled", "disabled"',
    'spec.initContainers[0].upgradeStrategy.upgradeType: supported values: "ColdUpgrade", "HotUpgrade"',
    'spec.initContainers[0].shareVolumeDevicePolicy.type: supported values: "enabled", "disabled"',
    'spec.containers[0].upgradeStrategy.upgradeType: supported values: "ColdUpgrade", "HotUpgrade"',
    'spec.containers[0].shareVolumeDevicePolicy.type: supported values: "enabled", "disabled"',
    'spec.patchPodMetadata[0].patchPolicy: supported values: "Retain", "Overwrite", "MergePatchJson"',
  ]);
  const update = findings(mistaken, { old: mistaken, whitelist });
  t.deepEqual(update.errors, []);
  t.is(update.warnings.length, 8);
});

test('surprise 7: what injection reads of an update strategy is checked without RollingUpdate too', (t) => {
  const strategy = { type: 'NotUpdate', partition: 'x', maxUnavailable: '5', selector: {} };
  t.deepEqual(
    errorsOf(set({ updateStrategy: strategy })).map((error) => error.split(':')[0]),
    ['spec.updateStrategy.selector', 'spec.updateStrategy.partition', 'spec.updateStrategy.maxUnavailable'],
  );
});

test("Baton's own fields", (t) => {
  const withStrategy = (strategy: object, failureThreshold: number | string = 1): SidecarSet =>
    set({
      containers: [hot({ upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'e', ...strategy } })],
      updateStrategy: { type: 'RollingUpdate', failureThreshold },
    });
  const at = 'spec.containers[0].upgradeStrategy';
  const negative = { migrationTimeoutSeconds: -1, drainTimeoutSeconds: -2, soakSeconds: -3, rollback: 'Sometimes' };
  t.deepEqual(errorsOf(withStrategy(negative, -1)), [
    `${at}.migrationTimeoutSeconds: must be greater than or equal to 0`,
    `${at}.drainTimeoutSeconds: must be greater than or equal to 0`,
    `${at}.soakSeconds: must be greater than or equal to 0`,
    `${at}.rollback: supported values: "Automatic", "Never"`,
    'spec.updateStrategy.failureThreshold: must be greater than or equal to 0',
  ]);
  t.regex(errorsOf(withStrategy({}, '5')).join(), /^spec\.updateStrategy\.failureThreshold: a valid percent string/);
  t.regex(
    errorsOf(withStrategy({ soakSeconds: 1.5 })).join(),
    /^spec\.containers\[0\]\.upgradeStrategy\.soakSeconds: /,
  );
  const sound = { migrationTimeoutSeconds: 0, drainTimeoutSeconds: 600, soakSeconds: 5, rollback: 'Never' };
  t.deepEqual(errorsOf(withStrategy(sound, '10%')), []);
});

test('a whitelist that cannot be read refuses, and says which', (t) => {
  const patched = set({ patchPodMetadata: [{ annotations: { a: 'b' }, patchPolicy: 'Retain' }] });
  const mistyped = ['{"rules":5}', '{"rules":[{"allowedAnnotationKeyExprs":["a",1]}]}', '{"rules":[{"selector":[]}]}'];
  for (const whitelist of ['{bad', '5', '[]', '', ...mistyped]) {
    t.regex(errorsOf(patched, { whitelist }).join(), /SidecarSet_PatchPodMetadata_WhiteList/, whitelist);
  }
});

test('a whitelist is read as Go reads it: whatever the case of its keys', (t) => {
  const patched = (label: string): unknown => ({
    ...set({ patchPodMetadata: [{ annotations: { a: 'b' }, patchPolicy: 'Retain' }] }),
    metadata: { name: 'set', labels: { t: label } },
  });
  const whitelist = JSON.stringify({
    Rules: [null, { Selector: { MATCHLABELS: { t: '1' } }, AllowedAnnotationKeyExprs: ['^a$'], extra: 1 }],
  });
  t.deepEqual(errorsOf(patched('1'), { whitelist }), []);
  t.deepEqual(errorsOf(patched('2'), { whitelist }), [
    'spec.patchPodMetadata: sidecarSet patch metadata annotation is not allowed',
  ]);
  t.deepEqual(
    errorsOf(patched('1'), { whitelist: '{"rules":[{"selector":{},"allowedAnnotationKeyExprs":["a"]}]}' }),
    [],
  );
});

test('maxUnavailable 0 is accepted with a warning', (t) => {
  const { errors, warnings } = findings(set({ updateStrategy: { type: 'RollingUpdate', maxUnavailable: 0 } }));
  t.deepEqual(errors, []);
  t.deepEqual(warnings, [
    { field: 'spec.updateStrategy.maxUnavailable', message: 'with 0, only pods that are not ready are upgraded' },
  ]);
});
