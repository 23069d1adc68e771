import type { ContainerStatus, Pod } from '../../api/kubernetes.ts';
import { printGrants, type Grant } from '../../api/grant.ts';
import { printRecords } from '../../api/upgrade-record.ts';
import { createUpgrader, lookAtAll } from '../../agent/upgrader.ts';
import { copies, grantKey, upgradeKey, versionAltKey, versionKey, workingKey } from '../../api/pod-contract.ts';
import type { Cluster, JsonPatch, KubernetesObject, Patch } from '../../cluster/cluster.ts';
import { pods } from '../../cluster/resource.ts';
import { ownControlPlane, serialClusterTest } from '../cluster/cluster-test.ts';
import { ask, type Access } from '../cluster/control-plane/api.ts';
import { accessOf, makeNamespace } from '../cluster/control-plane/namespace.ts';
import { connect } from '../cluster/kubernetes/connect.ts';
import { until } from '../helpers/processes.ts';
import { clientOf, create, home, tokenOnNode } from './installation.ts';
import { objectsOf } from './objects.ts';

type WirePod = Pod & KubernetesObject;

const OLD = 'registry.test/log:1';
const NEW = 'registry.test/log:2';
const EMPTY = 'registry.test/log:empty';
const [A, B] = copies('log');

const grant: Grant = {
  v: 1,
  revision: 'r-2',
  hash: 'r-2',
  version: '7',
  sidecarList: ['cold', 'log'],
  sidecars: { log: { image: NEW, emptyImage: EMPTY }, cold: { image: 'registry.test/cold:2' } },
  podAnnotations: { 'team/note': 'x' },
  grantedAt: '2026-01-01T00:00:00Z',
};

const injected = [{ name: 'IS_INJECTED', value: 'true' }];
const hot = [...injected, { name: 'SIDECARSET_VERSION', value: '1' }];
const podOn = (namespace: string, name: string, nodeName: string): WirePod => ({
  metadata: {
    namespace,
    name,
    labels: { 'baton.dev/injected': 'true' },
    annotations: { [grantKey]: printGrants(new Map([['s', grant]])), own: 'kept' },
  },
  spec: {
    nodeName,
    containers: [
      { name: 'app', image: 'registry.test/app:1' },
      { name: A, image: OLD, env: hot },
      { name: B, image: EMPTY, env: hot },
      { name: 'cold', image: 'registry.test/cold:1', env: injected },
    ],
  },
});

/** A client with a token that the API server made for an agent's pod on that node. */
const agentOn = async (admin: Access, node: string, account?: string): Promise<Cluster> =>
  clientOf(admin, await tokenOnNode(admin, node, account));

const image = (index: number, value: string): JsonPatch => [
  { op: 'replace', path: `/spec/containers/${index}/image`, value },
];
const annotate = (annotations: Record<string, string | null>): Patch => ({ metadata: { annotations } });
/** As the agent prints one: the images that were there before, and all that ends the upgrade without the grant. */
const recordOf = (images: Record<string, string>, emptyImage = EMPTY): string =>
  printRecords(
    new Map([
      [
        's',
        {
          revision: 'r-2',
          hash: 'r-2',
          phase: 'Upgrading',
          startedAt: 0,
          phaseAt: 0,
          deadline: 0,
          sidecars: {
            log: {
              emptyImage,
              migrationTimeoutSeconds: 300,
              drainTimeoutSeconds: 600,
              soakSeconds: 0,
              rollback: 'Automatic',
            },
          },
          previous: { hash: null, working: { log: A }, versions: { [A]: '1', [B]: '0' }, images, containerIDs: {} },
          emptied: [],
          highestVersion: '7',
        },
      ],
    ]),
  );

/** The real agent's steps with one pod, until it resets or rolls back; the kubelet's part is played, and the node's images. */
async function played(its: {
  cluster: Cluster;
  agent: Cluster;
  namespace: string;
  name: string;
  isBroken: boolean;
}): Promise<string[]> {
  const { cluster, agent, namespace, name, isBroken } = its;
  const key = { namespace, name };
  let clock = Date.now();
  const images = { present: new Map<string, string[]>(), pulls: new Map<string, never>() };
  const phases: string[] = [];
  const upgrader = createUpgrader({
    cluster: agent,
    node: {
      look: () => Promise.resolve({ stateFiles: new Map(), images }),
      attend: () => undefined,
      pull: (image) => void images.present.set(image, []),
      stopContainer: () => undefined,
    },
    maxConcurrent: 1,
    now: () => clock,
    onLook: (_, step) => {
      if (step.do === 'patch') phases.push(step.phase);
    },
  });
  await cluster.patch(
    pods,
    key,
    annotate({
      [workingKey]: JSON.stringify({ log: A }),
      [versionKey(A)]: '1',
      [versionAltKey(A)]: '0',
      [versionKey(B)]: '0',
      [versionAltKey(B)]: '1',
    }),
  );
  const run = async (restarts: number): Promise<void> => {
    const { spec } = await cluster.get<WirePod>(pods, key);
    const containerStatuses = spec?.containers.map((container) => ({
      name: container.name,
      image: container.image ?? '',
      imageID: '',
      containerID: `x://${container.name}/${container.image ?? ''}/${container.name === B ? restarts : 0}`,
      ready: true,
      restartCount: container.name === B ? restarts : 0,
      state: { running: { startedAt: new Date(clock).toISOString() } },
    }));
    await cluster.patch(pods, key, { status: { phase: 'Running', containerStatuses } }, { subresource: 'status' });
  };
  await run(0);
  for (let turn = 0; turn < 50 && !phases.some((phase) => phase === 'Resetting' || phase === 'RollingBack'); turn++) {
    await lookAtAll(upgrader, [await cluster.get<WirePod>(pods, key)]);
    clock += 30_000;
    // A new copy that is not seen to run until its deadline has failed.
    if (phases.includes('Upgrading') && !isBroken) await run(1);
  }
  return phases;
}

serialClusterTest("an agent's token changes what is granted on its own node's pods, and nothing else", async (t) => {
  t.timeout(180_000);
  const controlPlane = await ownControlPlane(t);
  const admin = accessOf(controlPlane);
  const cluster = connect(controlPlane);
  // No webhooks here: they would take the grants away that this test makes.
  const kinds = ['CustomResourceDefinition', 'MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'];
  await create(
    admin,
    objectsOf().filter(({ kind }) => !kinds.includes(kind)),
  );
  const namespace = await makeNamespace(t, controlPlane);
  for (const name of ['node-a', 'node-b']) await ask(admin, 'POST', '/api/v1/nodes', { metadata: { name } });
  const agent = await agentOn(admin, 'node-a');
  let count = 0;
  const makePod = async (node = 'node-a'): Promise<string> => {
    const { metadata } = await cluster.create<WirePod>(pods, podOn(namespace, `p-${++count}`, node));
    return metadata.name ?? '';
  };
  const patchAs = (who: Cluster, name: string, patch: Patch): Promise<WirePod> =>
    who.patch<WirePod>(pods, { namespace, name }, patch);

  const own = await makePod();
  const foreign = await makePod('node-b');
  const probed = await makePod('node-b');
  await until('the policy is in force', async () =>
    patchAs(agent, probed, annotate({ x: 'y' })).then(
      () => false,
      (error: unknown) => /baton-agent/.test(String(error)),
    ),
  );

  const refused = async (patch: Patch, message: RegExp, name = own): Promise<void> => {
    const before = await cluster.get(pods, { namespace, name });
    await t.throwsAsync(patchAs(agent, name, patch), { code: 'ERR_BATON_FORBIDDEN', message }, JSON.stringify(patch));
    t.deepEqual(await cluster.get(pods, { namespace, name }), before);
  };

  // Another node's pod, whatever is changed; a pod that no node has yet.
  await refused(image(1, NEW), /pods of node node-a/, foreign);
  await refused(annotate({ [upgradeKey]: '{}' }), /pods of node node-a/, foreign);

  // Other fields.
  const others: [patch: Patch, message: RegExp][] = [
    [{ metadata: { labels: { x: 'y' } } }, /labels, finalizers and owners/],
    [{ metadata: { labels: null } }, /labels, finalizers and owners/],
    [{ metadata: { finalizers: ['a.b/c'] } }, /labels, finalizers and owners/],
    [
      { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'node-a', uid: 'u' }] } },
      /labels, finalizers and owners/,
    ],
    [{ spec: { activeDeadlineSeconds: 5 } }, /only images/],
    [{ spec: { tolerations: [{ key: 'x', operator: 'Exists' }] } }, /only images/],
    [annotate({ [grantKey]: '{}' }), /grant is the controller's/],
    [annotate({ [grantKey]: null }), /grant is the controller's/],
    [annotate({ own: null }), /annotation that is neither/],
    [annotate({ own: 'changed' }), /annotation that is neither/],
    [annotate({ 'kruise.io/else': 'x' }), /annotation that is neither/],
  ];
  for (const [patch, message] of others) await refused(patch, message);

  // Images.
  const images: [index: number, image: string][] = [
    [0, NEW],
    [0, 'registry.test/app:2'],
    [1, 'registry.test/evil:1'],
    [1, 'registry.test/cold:2'],
    [3, 'registry.test/cold:3'],
    [3, EMPTY],
    [3, NEW],
    [2, OLD],
    [2, 'log'],
  ];
  for (const [index, value] of images) await refused(image(index, value), /neither granted nor to be restored/);

  // A record that lies would be what the next patch is allowed by.
  for (const record of [
    recordOf({ [B]: 'registry.test/evil:1' }),
    recordOf({ [B]: EMPTY, cold: 'registry.test/evil:1' }),
    recordOf({ app: 'registry.test/evil:1' }),
    recordOf({}, 'registry.test/evil:1'),
    // No JSON: one pair's last quote is the next one's first.
    recordOf({ [B]: EMPTY }).replace(`"${EMPTY}"}`, `"${EMPTY}"cold":"registry.test/evil:1"}`),
    recordOf({ app: 'registry.test/app:1' }).replace('app:1"', 'app:1",x"cold":"registry.test/evil:1"'),
    recordOf({}).replace(`"emptyImage":"${EMPTY}"`, `"emptyImage":"${EMPTY}"emptyImage":"registry.test/evil:1"`),
  ]) {
    await refused(annotate({ [upgradeKey]: record }), /record names images as they were/);
  }

  // An upgrade, and its reset.
  const upgraded = async (name: string): Promise<void> => {
    const operations: JsonPatch = [
      { op: 'replace', path: '/spec/containers/2/image', value: NEW },
      { op: 'replace', path: '/spec/containers/3/image', value: 'registry.test/cold:2' },
      ...Object.entries({
        [upgradeKey]: recordOf({ [A]: OLD, [B]: EMPTY, cold: 'registry.test/cold:1' }),
        [workingKey]: JSON.stringify({ log: B }),
        [versionKey(B)]: '7',
        [versionAltKey(A)]: '7',
        'kruise.io/sidecarset-hash': '{}',
        'team/note': 'x',
      }).map(([key, value]) => ({
        op: 'add' as const,
        path: `/metadata/annotations/${key.replaceAll('/', '~1')}`,
        value,
      })),
    ];
    const pod = await patchAs(agent, name, operations);
    t.is(pod.spec?.containers[2]?.image, NEW);
  };
  await upgraded(own);
  t.is((await patchAs(agent, own, image(1, EMPTY))).spec?.containers[1]?.image, EMPTY);

  // A roll-back, to what the record says was there, also when the grant is gone; to nothing else.
  const rolledBack = await makePod();
  await upgraded(rolledBack);
  await cluster.patch(pods, { namespace, name: rolledBack }, annotate({ [grantKey]: null }));
  await refused(image(2, OLD), /neither granted nor to be restored/, rolledBack);
  await refused(image(3, 'registry.test/cold:0'), /neither granted/, rolledBack);
  const back = await patchAs(agent, rolledBack, [...image(2, EMPTY), ...image(3, 'registry.test/cold:1')]);
  t.deepEqual(
    back.spec?.containers.map((container) => container.image),
    ['registry.test/app:1', OLD, EMPTY, 'registry.test/cold:1'],
  );

  // What the agent's own code writes passes: an upgrade until its reset, and one that is rolled back.
  for (const [isBroken, phases] of [
    [false, ['Pulling', 'Upgrading', 'Resetting']],
    [true, ['Pulling', 'Upgrading', 'RollingBack']],
  ] as const) {
    const name = await makePod();
    t.deepEqual(await played({ cluster, agent, namespace, name, isBroken }), phases);
    const pod = await cluster.get<WirePod>(pods, { namespace, name });
    t.deepEqual(
      pod.spec?.containers.map(({ image }) => image),
      isBroken
        ? ['registry.test/app:1', OLD, EMPTY, 'registry.test/cold:1']
        : ['registry.test/app:1', EMPTY, NEW, 'registry.test/cold:2'],
    );
  }

  // Nothing but patches of the pod itself, by its role and by the policy.
  const containerStatuses: ContainerStatus[] = [];
  await t.throwsAsync(
    agent.patch(pods, { namespace, name: own }, { status: { containerStatuses } }, { subresource: 'status' }),
    { code: 'ERR_BATON_FORBIDDEN' },
  );
  await t.throwsAsync(agent.delete(pods, { namespace, name: own }), { code: 'ERR_BATON_FORBIDDEN' });
  await ask(admin, 'POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'too-much' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', namespace: home, name: 'baton-agent' }],
  });
  await until('the role is in force', () =>
    agent.delete(pods, { namespace, name: own }).then(
      () => t.fail('deleted'),
      (error: unknown) => /changes pods, and does nothing else/.test(String(error)),
    ),
  );
  await t.throwsAsync(
    agent.patch(pods, { namespace, name: own }, { status: { message: 'x' } }, { subresource: 'status' }),
    { message: /changes pods, and does nothing else/ },
  );
  await t.throwsAsync(agent.create(pods, podOn(namespace, 'new', 'node-a')), {
    message: /changes pods, and does nothing else/,
  });

  // A token that is bound to no node is for no pod; other accounts are not confined.
  const { status } = JSON.parse(
    await ask(admin, 'POST', `/api/v1/namespaces/${home}/serviceaccounts/baton-agent/token`, { spec: {} }),
  ) as { status: { token: string } };
  await t.throwsAsync(patchAs(clientOf(admin, status.token), own, annotate({ [upgradeKey]: '{}' })), {
    message: /pods of node|its own node/,
  });
  const controller = await agentOn(admin, 'node-b', 'baton-controller');
  await patchAs(controller, foreign, annotate({ [grantKey]: null }));
});
