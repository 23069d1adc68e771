import test from 'ava';
import type {
  Container,
  ControllerRevision,
  EnvVar,
  LabelSelector,
  Pod,
  VolumeMount,
} from '../../../api/kubernetes.ts';
import type { SidecarSetSpec } from '../../../api/sidecar-set.ts';
import { isForInjection } from '../../../controller/inject/request.ts';
import { cold, containerOf, hot, injectInto, messagesOf, podOf, setOf } from './helpers.ts';

const revisionOf = (name: string, image: string): ControllerRevision => ({
  metadata: { name, labels: { 'kruise.io/sidecarset-name': 's', 'apps.kruise.io/sidecarset-custom-version': 'v1' } },
  revision: 1,
  data: { spec: { $patch: 'replace', containers: [{ name: 'log', image }] } },
});

const pinned = (revision: NonNullable<SidecarSetSpec['injectionStrategy']>['revision'], more = {}) =>
  setOf('s', { containers: [cold], injectionStrategy: { revision: revision ?? {} }, ...more });

test('Q17: a sidecar replaces a container of its name where that stands, with a warning', (t) => {
  const pod = podOf({ containers: [{ name: 'log', image: 'mine' }, { name: 'app' }] });
  const injected = injectInto(pod, [setOf('s', { containers: [cold] })]);
  t.deepEqual(
    injected.pod.spec?.containers.map(({ name, image }) => [name, image]),
    [
      ['log', 'log:1'],
      ['app', undefined],
    ],
  );
  t.deepEqual(messagesOf(injected), ["container log: it replaces the pod's own container of that name"]);
});

test('Q20: what transferEnv and subPathExpr do not find is warned of', (t) => {
  const sidecar = {
    ...cold,
    shareVolumePolicy: { type: 'enabled' as const },
    transferEnv: [
      { sourceContainerName: 'ghost', envName: 'A' },
      { sourceContainerName: 'app', envNames: ['B', 'A'] },
      { sourceContainerNameFrom: { fieldRef: { fieldPath: 'metadata.name' } }, envName: 'C' },
    ],
  };
  const volumeMounts = [{ name: 'v', mountPath: '/v', subPathExpr: '$(D)/$(A)' }];
  const app = { name: 'app', env: [{ name: 'A', value: '1' }], volumeMounts };
  const injected = injectInto(podOf({ containers: [app] }), [setOf('s', { containers: [sidecar] })]);
  t.deepEqual(messagesOf(injected), [
    'container log: subPathExpr $(D)/$(A): container app has no D in its env',
    'container log: transferEnv A: the pod has no container "ghost"',
    'container log: transferEnv B: container app has no such variable in its env',
    'container log: transferEnv C: the pod has no container ""',
  ]);
  t.deepEqual(
    containerOf(injected.pod, 'log')?.env?.map(({ name }) => name),
    ['IS_INJECTED', 'A'],
  );
});

test('Q21: without the revision that it names, a set is injected as it is now, with a warning', (t) => {
  for (const revision of [{ revisionName: 'gone' }, { customVersion: 'v9' }, { customVersion: '' }]) {
    const injected = injectInto(podOf(), [pinned(revision)], { revisions: [revisionOf('s-1', 'log:0')] });
    t.is(containerOf(injected.pod, 'log')?.image, 'log:1');
    t.regex(messagesOf(injected).join(), /newest spec is injected/);
  }
});

test('Q21: a revision whose data is none counts as missing', (t) => {
  const revision = { ...revisionOf('s-1', ''), data: { spec: 'oops' } };
  const injected = injectInto(podOf(), [pinned({ revisionName: 's-1' })], { revisions: [revision] });
  t.is(containerOf(injected.pod, 'log')?.image, 'log:1');
  t.regex(messagesOf(injected).join(), /s-1.*newest spec is injected/);
});

test('Q21: a partition or selector that cannot be read lets nothing new spread', (t) => {
  const badOperator = { matchExpressions: [{ key: 'a', operator: 'Bad' }] } as LabelSelector;
  for (const updateStrategy of [{ partition: '5' }, { partition: 'abc' }, { selector: badOperator }]) {
    const set = pinned({ revisionName: 's-1', policy: 'Partial' }, { updateStrategy });
    const injected = injectInto(podOf(), [set], { revisions: [revisionOf('s-1', 'log:0')] });
    t.is(containerOf(injected.pod, 'log')?.image, 'log:0');
    t.regex(messagesOf(injected).join(), /^updateStrategy\..*pinned revision is injected$/);
  }
});

test('Q21: a set whose selector has an unknown operator matches nothing; the others are injected', (t) => {
  const selector = { matchExpressions: [{ key: 'a', operator: 'Bad' }] } as LabelSelector;
  const sets = [setOf('bad', { selector, containers: [hot] }), setOf('good', { containers: [cold] })];
  const injected = injectInto(podOf(), sets);
  t.deepEqual(injected.sidecarSets, ['good']);
  t.deepEqual(
    injected.warnings.map(({ sidecarSet }) => sidecarSet),
    ['bad'],
  );
});

test('Q21 and surprise 4: annotations of the pod that are not what they should be are written anew', (t) => {
  const clean = injectInto(podOf(), [setOf('s', { containers: [hot] })]).pod.metadata?.annotations;
  for (const text of ['nope', '[]', '{"a":"x","b":{}}', '{"a":{"hash":5}}', 'null']) {
    const annotations = {
      'kruise.io/sidecarset-hash': text,
      'kruise.io/sidecarset-hash-without-image': text,
      // Of this one Go keeps the good entries.
      'kruise.io/sidecarset-working-hotupgrade-container': text.startsWith('{') ? '{' : text,
    };
    const injected = injectInto(podOf({}, { annotations }), [setOf('s', { containers: [hot] })]);
    t.deepEqual({ ...injected.pod.metadata?.annotations }, { ...clean }, text);
    if (text !== 'null')
      t.regex(messagesOf(injected).join('\n'), /sidecarset-hash is replaced: .*\n.*-without-image is/);
  }
});

test('Q21: an annotation that cannot be merged stays as it is, with a warning', (t) => {
  const patchPodMetadata = [{ patchPolicy: 'MergePatchJson' as const, annotations: { a: '{"x":1}', b: 'no' } }];
  const pod = podOf({}, { annotations: { a: 'text', b: '{"y":2}' } });
  const injected = injectInto(pod, [setOf('s', { containers: [cold], patchPodMetadata })]);
  t.like(injected.pod.metadata?.annotations, { a: 'text', b: '{"y":2}' });
  t.deepEqual(messagesOf(injected), [
    "patchPodMetadata: annotation a stays as it is: the pod's value is not JSON that can be merged",
    "patchPodMetadata: annotation b stays as it is: the SidecarSet's is not JSON that can be merged",
  ]);
});

test('surprise 4: a transferEnv whose sourceContainerNameFrom is empty uses sourceContainerName', (t) => {
  const app = { name: 'app', env: [{ name: 'A', value: '1' }] };
  const transferEnv = [{ sourceContainerName: 'app', sourceContainerNameFrom: {}, envName: 'A' }];
  const { pod } = injectInto(podOf({ containers: [app] }), [setOf('s', { containers: [{ ...cold, transferEnv }] })]);
  t.deepEqual(containerOf(pod, 'log')?.env?.[1], { name: 'A', value: '1' });
});

test('surprise 4: a canary of itself pushes itself aside', (t) => {
  const set = setOf('s', { containers: [cold] });
  const annotations = { 'apps.kruise.io/sidecarset-canary': 'true', 'apps.kruise.io/sidecarset-base': 's' };
  const pod = podOf();
  t.is(injectInto(pod, [{ ...set, metadata: { ...set.metadata, annotations } }]).pod, pod);
});

test('while the newest revision is failing, new pods get the last that a pod has finished with', (t) => {
  const revisions = [revisionOf('s-1', 'log:0')];
  const injected = injectInto(podOf(), [setOf('s', { containers: [cold] })], {
    revisions,
    halted: new Map([['s', 's-1']]),
  });
  t.is(containerOf(injected.pod, 'log')?.image, 'log:0');
  t.regex(injected.pod.metadata?.annotations?.['kruise.io/sidecarset-hash'] ?? '', /"controllerRevision":"s-1"/);
});

test('a resourcesPolicy without a target stops the pod, and says why', (t) => {
  const resourcesPolicy = { targetContainersMode: 'sum' as const, targetContainersNameRegex: '^x', resourcesExpr: {} };
  const inject = () => injectInto(podOf(), [setOf('s', { containers: [{ ...cold, resourcesPolicy }] })]);
  t.throws(inject, {
    code: 'ERR_BATON_RESOURCES',
    message: 'container log: resourcesPolicy: no containers match the regex pattern "^x"',
  });
});

test('an amount of the pod that is none stops a pod whose resources are computed from it', (t) => {
  const resourcesPolicy = {
    targetContainersMode: 'sum' as const,
    targetContainersNameRegex: 'app',
    resourcesExpr: { limits: { cpu: 'cpu' } },
  };
  const pod = podOf({ containers: [{ name: 'app', resources: { limits: { cpu: 'much' } } }] });
  t.throws(() => injectInto(pod, [setOf('s', { containers: [{ ...cold, resourcesPolicy }] })]), {
    code: 'ERR_BATON_RESOURCES',
    message: /^container log: resourcesPolicy: a target's limits\.cpu: .*much/,
  });
});

test('only a pod that is being created is injected into', (t) => {
  t.true(isForInjection({ operation: 'CREATE' }));
  for (const operation of ['UPDATE', 'DELETE', 'CONNECT']) t.false(isForInjection({ operation }));
  t.false(isForInjection({ operation: 'CREATE', subResource: 'eviction' }));
});

test('a pod that has ended or is being deleted is left alone', (t) => {
  const sets = [setOf('s', { containers: [cold] })];
  for (const phase of ['Succeeded', 'Failed']) {
    const pod = { ...podOf(), status: { phase } };
    t.is(injectInto(pod, sets).pod, pod);
  }
  const deleted = podOf({}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
  t.is(injectInto(deleted, sets).pod, deleted);
});

test("a sidecar's own IS_INJECTED stays, and the true one comes behind it", (t) => {
  const env = [{ name: 'IS_INJECTED', value: 'false' }];
  const injected = injectInto(podOf(), [setOf('s', { containers: [{ ...cold, env }] })]);
  t.deepEqual(containerOf(injected.pod, 'log')?.env, [...env, { name: 'IS_INJECTED', value: 'true' }]);
});

test('whether a container was injected is decided by the first of two variables', (t) => {
  const volumeMounts = [{ name: 'v', mountPath: '/v' }];
  const env = (...values: string[]): EnvVar[] => values.map((value) => ({ name: 'IS_INJECTED', value }));
  const mountsBeside = (app: Container): VolumeMount[] | undefined =>
    containerOf(
      injectInto(podOf({ containers: [app] }), [
        setOf('s', { containers: [{ ...cold, shareVolumePolicy: { type: 'enabled' } }] }),
      ]).pod,
      'log',
    )?.volumeMounts;
  t.deepEqual(mountsBeside({ name: 'app', volumeMounts, env: env('false', 'true') }), volumeMounts);
  t.is(mountsBeside({ name: 'app', volumeMounts, env: env('true', 'false') }), undefined);
});

test('of two variables with one name, transferEnv takes the last: it is the one that the container sees', (t) => {
  const env = [
    { name: 'A', value: 'first' },
    { name: 'A', value: 'last' },
  ];
  const sidecar = { ...cold, transferEnv: [{ sourceContainerName: 'app', envName: 'A' }] };
  const pod = podOf({ containers: [{ name: 'app', env }] });
  const injected = injectInto(pod, [setOf('s', { containers: [sidecar] })]);
  t.deepEqual(containerOf(injected.pod, 'log')?.env?.slice(1), [{ name: 'A', value: 'last' }]);
});

test('of two revisions with one number and custom version, the younger is injected', (t) => {
  const stored = (name: string, image: string, creationTimestamp: string): ControllerRevision => {
    const revision = revisionOf(name, image);
    return { ...revision, metadata: { ...revision.metadata, creationTimestamp } };
  };
  const revisions = [
    stored('s-b', 'log:old', '2026-01-01T00:00:00Z'),
    stored('s-a', 'log:young', '2026-01-02T00:00:00Z'),
  ];
  for (const order of [revisions, revisions.toReversed()]) {
    const injected = injectInto(podOf(), [pinned({ customVersion: 'v1' })], { revisions: order });
    t.is(containerOf(injected.pod, 'log')?.image, 'log:young');
  }
});

test('annotations may be named like the methods of objects', (t) => {
  const annotations = { constructor: 'x', ['__proto__']: 'y' };
  for (const patchPolicy of ['Retain', 'Overwrite', 'MergePatchJson'] as const) {
    const set = setOf('s', { containers: [cold], patchPodMetadata: [{ annotations, patchPolicy }] });
    const written = injectInto(podOf(), [set]).pod.metadata?.annotations ?? {};
    t.deepEqual(
      ['constructor', '__proto__'].map((key) => Object.entries(written).find(([name]) => name === key)?.[1]),
      ['x', 'y'],
      patchPolicy,
    );
  }
});

test("a pod's own containers and volumes stay as they are, also those of one name; secrets are said once", (t) => {
  const image = (name: string, image: string): Container => ({ name, image });
  const pod = podOf({
    containers: [image('app', 'a'), image('log', 'b'), image('app', 'c'), image('log', 'd')],
    volumes: [
      { name: 'v', emptyDir: {} },
      { name: 'v', hostPath: { path: '/v' } },
    ],
    imagePullSecrets: [{ name: 'x' }, { name: 'x' }],
  });
  const sidecar = { ...cold, volumeMounts: [{ name: 'v', mountPath: '/v' }] };
  const set = setOf('s', { containers: [sidecar], volumes: [{ name: 'v' }], imagePullSecrets: [{ name: 'x' }] });
  const injected = injectInto(pod, [set]);
  t.deepEqual(
    injected.pod.spec?.containers.map(({ image }) => image),
    ['a', 'b', 'c', 'log:1'],
  );
  t.deepEqual(injected.pod.spec?.volumes, pod.spec?.volumes);
  t.deepEqual(injected.pod.spec?.imagePullSecrets, [{ name: 'x' }]);
  t.deepEqual(messagesOf(injected), ["container log: it replaces the pod's own container of that name"]);
});

test('of several containers with one name, transferEnv takes what the last says; names are sorted by their bytes', (t) => {
  const env = (...variables: [string, string][]): EnvVar[] => variables.map(([name, value]) => ({ name, value }));
  const containers = [
    { name: 'app', env: env(['X', '1'], ['Z', '1']) },
    { name: 'app', env: env(['Y', '2'], ['X', '3'], ['\u{1f600}', '4'], ['\uffff', '5']) },
  ];
  const envNames = ['\u{1f600}', 'Z', 'Y', '\uffff', 'X', 'Y'];
  const sidecar = { ...cold, transferEnv: [{ sourceContainerName: 'app', envNames }] };
  const injected = injectInto(podOf({ containers }), [setOf('s', { containers: [sidecar] })]);
  t.deepEqual(
    containerOf(injected.pod, 'log')?.env?.slice(1),
    env(['X', '3'], ['Y', '2'], ['Z', '1'], ['\uffff', '5'], ['\u{1f600}', '4']),
  );
});

test('transferEnv takes no source from a key that none can have', (t) => {
  const app = { name: 'app', env: [{ name: 'A', value: '1' }] };
  const keys = { 'a b': 'app', '': 'app', 'UP/er': 'app', er: 'app' };
  const found = (fieldPath: string): boolean => {
    const transferEnv = [
      { sourceContainerName: 'app', sourceContainerNameFrom: { fieldRef: { fieldPath } }, envName: 'A' },
    ];
    const pod = podOf({ containers: [app] }, { labels: keys, annotations: keys });
    const injected = injectInto(pod, [setOf('s', { containers: [{ ...cold, transferEnv }] })]);
    return containerOf(injected.pod, 'log')?.env?.some(({ name }) => name === 'A') ?? false;
  };
  for (const path of ["labels['er']", "annotations['er']", "annotations['UP/er']"])
    t.true(found(`metadata.${path}`), path);
  for (const path of ["labels['a b']", "annotations['a b']", "labels['UP/er']", "labels['']", 'name']) {
    t.false(found(`metadata.${path}`), path);
  }
  t.false(found(''));
});

test('a name that two lists of a set declare is one sidecar in the annotation', (t) => {
  const set = setOf('s', { containers: [cold], initContainers: [{ ...cold, restartPolicy: 'Always' }] });
  const text = injectInto(podOf(), [set]).pod.metadata?.annotations?.['kruise.io/sidecarset-hash'] ?? '';
  t.regex(text, /"sidecarList":\["log"\]/);
});

test('labels and annotations that are null are none', (t) => {
  const nothing = null as unknown as Record<string, string>;
  const pod: Pod = { metadata: { name: 'p', labels: nothing, annotations: nothing }, spec: { containers: [] } };
  const namespaces = [{ metadata: { name: 'default', labels: nothing } }];
  const absent: LabelSelector = { matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] };
  const set = setOf('s', { containers: [cold], selector: absent, namespaceSelector: absent });
  t.deepEqual(injectInto(pod, [set], { namespaces }).sidecarSets, ['s']);
});

test('a pod without containers gets those of the sets', (t) => {
  const set = setOf('s', { containers: [cold] });
  for (const spec of [undefined, {}, { containers: null }] as Pod['spec'][]) {
    const { metadata } = podOf();
    const injected = injectInto({ metadata, ...(spec && { spec }) }, [set]);
    t.deepEqual(
      injected.pod.spec?.containers.map(({ name }) => name),
      ['log'],
    );
  }
});
