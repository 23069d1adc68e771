// What people see: of a bad SidecarSet (every row of OpenKruise's table of rules, but for those that Baton does otherwise), of the
// CRD and of a rollout through the real kubectl, and in the metrics.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { baseKey, canaryKey } from '../../../api/canary.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { whitelistConfigMap } from '../../../controller/admission.ts';
import type { KubernetesObject } from '../../../cluster/cluster.ts';
import { configMaps, customResourceDefinitions, sidecarSets } from '../../../cluster/resource.ts';
import { temporaryDirectory, until } from '../../helpers/processes.ts';
import { serialClusterTest } from '../cluster-test.ts';
import { ask } from '../control-plane/api.ts';
import { kubectl, kubectlTest } from './kubectl.ts';
import { startReplica } from './replica.ts';
import { kubeconfigOf } from './start-system.ts';
import { conditionOf, home, sceneOf, sharedSystem, side, type System, type WireSet } from './system.ts';

const start = sharedSystem();

/** What is changed of a good set: its metadata, and fields of its spec. */
interface Change {
  metadata?: Record<string, unknown>;
  spec?: Record<string, unknown>;
}
type Row = [row: string, change: Change, message: string];

const spec = (fields: Record<string, unknown>): Change => ({ spec: fields });
const container = (fields: Record<string, unknown>): Change => spec({ containers: [{ ...good, ...fields }] });
const init = (fields: Record<string, unknown>): Change => spec({ initContainers: [{ ...good, name: 'i', ...fields }] });
const strategy = (fields: Record<string, unknown>): Change => spec({ updateStrategy: fields });
const field = (fieldRef: Record<string, unknown>): Change =>
  container({ transferEnv: [{ sourceContainerNameFrom: { fieldRef }, envName: 'X' }] });
const policy = (fields: Record<string, unknown>, others = {}): Change =>
  container({
    resourcesPolicy: { targetContainersMode: 'sum', resourcesExpr: { limits: { cpu: 'cpu' } }, ...fields },
    ...others,
  });
const annotate = (annotations: Record<string, string>, patchPolicy = 'Overwrite'): Change =>
  spec({ patchPodMetadata: [{ annotations, patchPolicy }] });
const canary = (base: string, type = 'NotUpdate'): Change => ({
  metadata: { annotations: { [canaryKey]: 'true', [baseKey]: base } },
  ...strategy({ type }),
});
const good = { name: 'side', image: 'side:1' };
const badSelector = { matchLabels: { a: 'bad value!' } };

const rows: Row[] = [
  ['m1', { metadata: { name: 'a.b' } }, "sidecarset name must consist of alphanumeric characters or '-'"],
  ['m2', { metadata: { name: 'x'.repeat(64) } }, 'must be no more than 63'],
  ['m3', { metadata: { labels: { 'bad key': 'x' } } }, 'metadata.labels: Invalid value: "bad key"'],
  ['c1', canary('bad-c1'), 'base sidecarSet cannot be itself'],
  ['c3', canary('nobody'), 'fetch base sidecarSet[nobody] failed'],
  ['c4', canary('canary'), 'base sidecarSet cannot be canary'],
  ['c5', canary('stored', 'RollingUpdate'), 'RollingUpdate is not supported for canary sidecarSet'],
  ['s2', spec({ selector: null }), 'spec.selector: Required value: no selector defined for SidecarSet'],
  ['s3', spec({ selector: badSelector }), 'spec.selector.matchLabels: Invalid value: "bad value!"'],
  ['s3-namespace', spec({ namespaceSelector: badSelector }), 'spec.namespaceSelector.matchLabels: Invalid value'],
  ['s3-update', strategy({ selector: badSelector }), 'spec.updateStrategy.selector.matchLabels: Invalid value'],
  ['s4', spec({ selector: {} }), 'empty selector is not valid for sidecarset.'],
  ['s4-namespace', spec({ namespaceSelector: {} }), 'empty selector is not valid for sidecarset.'],
  ['s4-update', strategy({ selector: {} }), 'empty selector is not valid for sidecarset.'],
  [
    's5',
    spec({ injectionStrategy: { revision: {} } }),
    'revision: Invalid value: "null": revisionName and customVersion cannot be empty simultaneously',
  ],
  [
    's6',
    spec({ injectionStrategy: { revision: { revisionName: 'nothing' } } }),
    'Cannot find specific ControllerRevision, err: ',
  ],
  [
    's7',
    spec({ injectionStrategy: { revision: { customVersion: 'x', policy: 'Some' } } }),
    'spec.injectionStrategy.revision.policy: Unsupported value: "Some": supported values: "Always", "Partial"',
  ],
  ['s8', spec({ containers: [] }), 'no initContainer or container defined for SidecarSet'],
  ['s9', spec({ volumes: [{ name: 'v', emptyDir: { sizeLimit: 'much' } }] }), 'spec.volumes[0]'],
  [
    'u1',
    strategy({ partition: '10%', selector: { matchLabels: { a: 'b' } } }),
    'Partition and Selector cannot be used together',
  ],
  ['u2', strategy({ partition: 'x' }), 'spec.updateStrategy.partition: Invalid value'],
  ['u2-negative', strategy({ partition: -1 }), 'partition: Invalid value: -1: must be greater than or equal to 0'],
  ['u2-fraction', strategy({ partition: '0.01%' }), 'spec.updateStrategy.partition: Invalid value'],
  ['u3', strategy({ maxUnavailable: 'x' }), 'spec.updateStrategy.maxUnavailable: Invalid value'],
  [
    'u4',
    strategy({
      priorityStrategy: {
        orderPriority: [{ orderedKey: 'a' }],
        weightPriority: [{ weight: 1, matchSelector: { matchLabels: { a: 'b' } } }],
      },
    }),
    'only one of weightPriority and orderPriority can be used',
  ],
  [
    'u4-weight',
    strategy({ priorityStrategy: { weightPriority: [{ weight: 101, matchSelector: { matchLabels: { a: 'b' } } }] } }),
    'weight must be valid number in the range 1-100',
  ],
  [
    'u4-empty',
    strategy({ priorityStrategy: { weightPriority: [{ weight: 1, matchSelector: {} }] } }),
    'selector can not be empty',
  ],
  [
    'u4-selector',
    strategy({ priorityStrategy: { weightPriority: [{ weight: 1, matchSelector: badSelector }] } }),
    'invalid selector ',
  ],
  ['u4-key', strategy({ priorityStrategy: { orderPriority: [{ orderedKey: '' }] } }), 'order key can not be empty'],
  ['u5', strategy({ scatterStrategy: [{ key: '', value: 'v' }] }), 'key should not be empty'],
  [
    'u5-twice',
    strategy({
      scatterStrategy: [
        { key: 'k', value: 'v' },
        { key: 'k', value: 'v' },
      ],
    }),
    'duplicated key=k value=v',
  ],
  ['k1', container({ podInjectPolicy: 'Somewhere' }), 'unsupported pod inject policy'],
  ['k2', container({ shareVolumePolicy: { type: 'some' } }), 'unsupported share volume policy'],
  ['k4', field({ fieldPath: '' }), 'fieldRef.fieldPath: Required value'],
  ['k5', field({ fieldPath: 'metadata.name' }), 'error converting fieldPath: '],
  ['k5-version', field({ apiVersion: 'v2', fieldPath: "metadata.labels['a']" }), 'error converting fieldPath: '],
  ['k6', field({ fieldPath: "metadata.labels['a b']" }), 'fieldRef: Invalid value: "a b"'],
  [
    'k7',
    init({ resourcesPolicy: { targetContainersMode: 'sum', resourcesExpr: { limits: { cpu: 'cpu' } } } }),
    'resourcesPolicy is only supported for containers with RestartPolicy Always',
  ],
  [
    'k8',
    policy({}, { resources: { limits: { cpu: '1' } } }),
    'resourcesPolicy and resources cannot be configured together',
  ],
  ['k9-pattern', policy({ targetContainersNameRegex: '(' }), 'invalid regex pattern: '],
  ['k10', policy({ resourcesExpr: {} }), 'at least one of limits or requests must be configured'],
  [
    'k11',
    policy({ resourcesExpr: { limits: { cpu: 'memory' } } }),
    'resourcesExpr.limits.cpu: Invalid value: "memory"',
  ],
  ['k12', spec({ containers: [{ name: 'side' }] }), 'spec.containers[0].image: Required value'],
  ['k12-name', spec({ containers: [{ image: 'side:1' }] }), 'spec.containers[0].name: Required value'],
  ['k12-twice', spec({ containers: [good, good] }), 'spec.containers[1].name: Duplicate value: "side"'],
  [
    'k12-mount',
    container({ volumeMounts: [{ name: 'none', mountPath: '/x' }] }),
    'spec.containers[0].volumeMounts[0].name: Not found: "none"',
  ],
  [
    'k12-path',
    spec({
      containers: [
        {
          ...good,
          volumeMounts: [
            { name: 'v', mountPath: '/x' },
            { name: 'v', mountPath: '/x' },
          ],
        },
      ],
      volumes: [{ name: 'v', emptyDir: {} }],
    }),
    'volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
  ],
  ['k13', policy({ targetContainersMode: 'some' }), 'targetContainersMode: Unsupported value: "some"'],
  [
    'x1',
    { spec: { ...stored(), initContainers: [{ name: 'first', image: 'i:1' }] } },
    'container first already exist in stored',
  ],
  [
    'x2',
    { spec: { ...stored(), containers: [{ name: 'taken', image: 'i:1' }] } },
    'container taken already exist in stored',
  ],
  [
    'x3',
    { spec: { ...stored(), volumes: [{ name: 'taken', hostPath: { path: '/' } }] } },
    'volume taken is in conflict with sidecarset stored',
  ],
];

/** Refused while there is no whitelist. */
const unlisted: Row[] = [['p1', annotate({ allowed: '1' }), 'SidecarSet patch metadata whitelist not found']];
/** Refused while there is one, which lets sets with the label `may` write the annotation `allowed`. */
const listed: Row[] = [
  ['p2', annotate({ allowed: '1' }), 'sidecarSet patch metadata annotation is not allowed'],
  ...(
    [
      ['p3', annotate({ other: '1' }), 'sidecarSet patch metadata annotation(other) is not allowed'],
      ['p4', annotate({}), 'no annotations defined for SidecarSet'],
      ['p5', annotate({ 'allowed key': '1' }), 'patchPodMetadata.annotations: Invalid value: "allowed key"'],
      [
        'p7',
        spec({ patchPodMetadata: [{ annotations: { allowed: '1' } }, { annotations: { allowed: '2' } }] }),
        'patch annotation[allowed] already exist',
      ],
      [
        'x4',
        { spec: { ...stored(), ...annotate({ allowed: '1' }).spec } },
        'annotation allowed is in conflict with sidecarset stored',
      ],
    ] satisfies Row[]
  ).map(([row, change, message]): Row => [row, { ...change, metadata: { labels: { may: 'yes' } } }, message]),
];

/** Changes of the set that is stored. */
const updates: Row[] = [
  [
    'd1',
    { spec: { containers: [{ name: 'taken', image: 'i:1', upgradeStrategy: hot() }] } },
    'container taken upgradeType is immutable',
  ],
  ['d2', { spec: { containers: [{ name: 'another', image: 'i:1' }] } }, 'container another is not found'],
];

function hot(): object {
  return { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'empty:1' };
}

/** Which pods the stored set is for. */
function stored(): { selector: object } {
  return { selector: { matchLabels: { app: 'stored' } } };
}

const versions = ['v1beta1', 'v1alpha1'] as const;

/** `kubectl apply` of a folder with one file a row: what it says of each file. */
async function apply(system: System, folder: string): Promise<Map<string, string>> {
  const text = await kubectl(system, 'apply', '-f', folder);
  const said = new Map<string, string>();
  for (const part of text.split(/^(?=Error|error|The |sidecarset)/m)) {
    said.set(/([\w-]+)\.json"/.exec(part)?.[1] ?? part, part);
  }
  return said;
}

const setOf = (version: string, name: string, { metadata = {}, spec: fields = {} }: Change): object => ({
  apiVersion: `apps.kruise.io/${version}`,
  kind: 'SidecarSet',
  metadata: { name, ...metadata },
  spec: { selector: { matchLabels: { app: name } }, containers: [good], ...fields },
});

/** Applies all rows in both versions; each must be refused with its message. */
async function refuse(t: ExecutionContext, system: System, all: readonly Row[], name?: string): Promise<void> {
  const folder = join(temporaryDirectory(t), 'rows');
  mkdirSync(folder);
  const expected = new Map<string, string>();
  for (const version of versions) {
    for (const [row, change, message] of all) {
      const file = `${row}-${version}`;
      writeFileSync(join(folder, `${file}.json`), JSON.stringify(setOf(version, name ?? `bad-${row}`, change)));
      expected.set(file, message);
    }
  }
  const said = await apply(system, folder);
  const wrong: string[] = [];
  for (const [file, message] of expected) {
    const text = said.get(file) ?? '';
    if (!text.startsWith('Error from server (Invalid)') || !text.includes(message)) wrong.push(`${file}: ${text}`);
    said.delete(file);
  }
  t.deepEqual(wrong, []);
  t.deepEqual(
    [...said.values()].filter((text) => text.trim() !== '' && !text.startsWith('Warning: ')),
    [],
  );
}

const versionsOf = async ({ cluster }: System): Promise<string[]> =>
  (await cluster.list<WireSet>(sidecarSets)).items.map(
    ({ metadata: { name = '', uid = '' }, spec: fields }) => `${name} ${uid} ${JSON.stringify(fields)}`,
  );

kubectlTest('every row of the table is refused through kubectl in both versions, and nothing is written', async (t) => {
  const system = await start(t);
  const { cluster } = system;
  await refuse(t, system, unlisted);
  t.deepEqual(await versionsOf(system), []);

  const rules = [{ selector: { matchLabels: { may: 'yes' } }, allowedAnnotationKeyExprs: ['^allowed'] }];
  const data = { SidecarSet_PatchPodMetadata_WhiteList: JSON.stringify({ rules }) };
  const list: KubernetesObject & { data: object } = { metadata: { namespace: home, name: whitelistConfigMap }, data };
  await cluster.create(configMaps, list);
  const base: WireSet = {
    metadata: { name: 'stored', labels: { may: 'yes' } },
    spec: {
      ...(stored() as Pick<SidecarSet['spec'], 'selector'>),
      initContainers: [{ name: 'first', image: 'i:1' }],
      containers: [{ name: 'taken', image: 'i:1' }],
      volumes: [{ name: 'taken', emptyDir: {} }],
      patchPodMetadata: [{ annotations: { allowed: '0' }, patchPolicy: 'Overwrite' }],
    },
  };
  await until('the list is in force', () => cluster.create(sidecarSets, base).catch(() => undefined));
  await cluster.create<WireSet>(sidecarSets, {
    metadata: { name: 'canary', annotations: { [canaryKey]: 'true', [baseKey]: 'stored' } },
    spec: {
      ...(stored() as Pick<SidecarSet['spec'], 'selector'>),
      containers: [{ name: 'taken', image: 'i:2' }],
      updateStrategy: { type: 'NotUpdate' },
    },
  });
  const before = await versionsOf(system);
  // Webhooks see a set a moment after it is stored.
  await until('it is seen', async () => (await cluster.get<WireSet>(sidecarSets, { name: 'canary' })).status);
  await refuse(t, system, [...rows, ...listed]);
  await refuse(t, system, updates, 'stored');
  await refuse(
    t,
    system,
    [['c2', canary('another'), 'annotations[apps.kruise.io/sidecarset-base] is immutable']],
    'canary',
  );
  t.deepEqual(await versionsOf(system), before);

  // K9, an empty expression, cannot come that far: unset text is left out, and the CRD's default takes its place.
  const empty = setOf('v1beta1', 'k9', policy({ targetContainersNameRegex: '' }));
  const path = '/apis/apps.kruise.io/v1beta1/sidecarsets?dryRun=All';
  t.regex(await ask(system.admin, 'POST', path, empty), /"targetContainersNameRegex":"\.\*"/);
});

/** As the CRD has it. */
interface Schema {
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
}

/** The fields that say nothing of themselves. */
const undescribed = (schema: Schema, path: string): string[] => {
  const { description, properties = {}, items } = schema;
  const inside = Object.entries({ ...properties, ...items?.properties });
  return [
    ...(description === undefined ? [path] : []),
    ...inside.flatMap(([name, field]) => undescribed(field, `${path}.${name}`)),
  ];
};

kubectlTest('the CRD is structural, serves both versions, and explains each of its fields', async (t) => {
  const system = await start(t);
  const { cluster } = system;
  interface Crd extends KubernetesObject {
    spec: { versions: { name: string; served: boolean; schema: { openAPIV3Schema: Schema } }[] };
    status: { conditions: { type: string; status: string }[] };
  }
  const crd = await cluster.get<Crd>(customResourceDefinitions, { name: 'sidecarsets.apps.kruise.io' });
  const conditions = Object.fromEntries(crd.status.conditions.map(({ type, status }) => [type, status]));
  t.deepEqual(conditions, { NamesAccepted: 'True', Established: 'True' });
  for (const { name, served, schema } of crd.spec.versions) {
    t.true(served, name);
    t.deepEqual(undescribed(schema.openAPIV3Schema, ''), ['.metadata'], name);
  }
  const hot = await kubectl(system, 'explain', 'sidecarset.spec.containers.upgradeStrategy');
  t.regex(hot, /GROUP: +apps\.kruise\.io\nKIND: +SidecarSet\nVERSION: +v1beta1/);
  t.regex(hot, /DESCRIPTION:\n +How a new image reaches running pods\./);
  t.regex(hot, /soakSeconds\t<integer>\n +Baton: how long the old copy stays able/);
  const old = await kubectl(system, 'explain', 'sidecarset.spec.namespace', '--api-version=apps.kruise.io/v1alpha1');
  t.regex(old, /The one namespace whose pods get the sidecars/);
});

kubectlTest('kubectl get and describe show how a rollout fares, and why it stands', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { system, name } = scene;
  await scene.createSet({ updateStrategy: { maxUnavailable: '100%' } });
  await scene.makePods(3);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 3);
  await scene.publish({ ...side('side:2'), updateStrategy: { partition: 2 } });
  await scene.untilSet('one is updated', (status) => conditionOf(status, 'Progressing')?.reason === 'Partition');
  const [head = '', row = ''] = (await kubectl(system, 'get', 'sidecarset', name)).split('\n');
  t.deepEqual(head.split(/ +/), ['NAME', 'MATCHED', 'UPDATED', 'READY', 'AGE']);
  t.deepEqual(row.split(/ +/).slice(0, 4), [name, '3', '1', '3']);
  const before = await kubectl(system, 'describe', 'sidecarset', name);
  t.regex(before, /Message: +1 of 3 pods are updated, 1 of them ready; 2 stay old: updateStrategy\.partition/);
  t.regex(before, /Reason: +Partition\n +Status: +False\n +Type: +Progressing/);
  t.regex(before, /Type: +Halted/);
  t.regex(before, /Message: +no pod needs attention[^]*Type: +Degraded/);
  await scene.publish({ updateStrategy: { partition: 0 } });
  await scene.untilSet('all are updated', ({ updatedReadyPods }) => updatedReadyPods === 3);
  const after = await until('the event is there', async () => {
    const text = await kubectl(system, 'describe', 'sidecarset', name);
    return text.includes('RolloutComplete') ? text : undefined;
  });
  t.regex(after, /Normal +RolloutComplete +\S+ +baton-controller +3 of 3 pods are updated, 3 of them ready/);
});

serialClusterTest('a replica that is asked to shows its watches, its queue and where its time goes', async (t) => {
  const system = await start(t);
  const kubeconfig = await kubeconfigOf(t, system.admin);
  const replica = await startReplica(t, kubeconfig, { flags: ['--debug'] });
  const page = async <T>(path: `/debug/${string}`): Promise<T> =>
    JSON.parse((await replica.page(path))?.text ?? '') as T;
  const state = await page<{ isSynced: boolean; queue: object; watches: Record<string, { objects: number }> }>(
    '/debug/state',
  );
  t.like(state, { isSynced: true, leads: false, queue: { waiting: 0 } });
  const watches = ['configmaps', 'controllerrevisions', 'namespaces', 'nodes', 'pods', 'sidecarsets'];
  t.deepEqual(Object.keys(state.watches).sort(), watches);
  t.is(state.watches['nodes']?.objects, 2);
  t.true((await page<{ nodes: unknown[] }>('/debug/profile?seconds=1')).nodes.length > 1);
  const [other] = system.replicas;
  t.is((await other?.page('/debug/state'))?.status, 404);
});

serialClusterTest('the metrics tell what happened', async (t) => {
  const scene = await sceneOf(t, await start(t));
  const { system, name } = scene;
  const [replica] = system.replicas;
  const read = async (metric: string): Promise<number> => {
    const { text = '' } = (await replica?.page('/metrics')) ?? {};
    const line = text.split('\n').find((one) => one.startsWith(`${metric} `));
    return Number(line?.slice(metric.length) ?? 0);
  };
  const pods = (state: string): string => `baton_rollout_pods{sidecarset="${name}",state="${state}"}`;
  const writes = 'baton_api_request_duration_seconds_count{method="PATCH",resource="pods"}';
  const reviews = 'baton_webhook_responses_total{path="/mutate-pods",status="200",allowed="true"}';
  const reviewed = await read(reviews);
  await scene.createSet({ updateStrategy: { maxUnavailable: '100%' } });
  await scene.makePods(5);
  await scene.untilSet('all are ready', ({ readyPods }) => readyPods === 5);
  // Once each: the API server's own plugins find nothing to add to what was injected, and so do not ask again.
  t.is((await read(reviews)) - reviewed, 5);
  for (const { spec } of await scene.pods()) {
    for (const { volumeMounts } of spec?.containers ?? []) {
      t.deepEqual(
        volumeMounts?.map(({ mountPath }) => mountPath),
        ['/var/run/secrets/kubernetes.io/serviceaccount'],
      );
    }
  }
  const written = await read(writes);
  await scene.publish({ ...side('side:2'), updateStrategy: { partition: 2 } });
  await until('three are updated', async () => (await read(pods('updated'))) === 3);
  t.is(await read(pods('waiting')), 2);
  t.is((await read(writes)) - written, 3);
  t.is(await read(`baton_rollout_halted{sidecarset="${name}"}`), 0);
  t.is(await read('baton_leader'), 1);
  t.true((await read('baton_reconcile_duration_seconds_count')) > 1);
  await system.cluster.delete(sidecarSets, { name });
  await until('its metrics go with it', async () => !(await replica?.page('/metrics'))?.text.includes(`"${name}"`));
});

serialClusterTest('nothing of it was worth a warning', async (t) => {
  const { replicas } = await start(t);
  for (const { logged } of replicas) t.deepEqual(logged(40), []);
});
