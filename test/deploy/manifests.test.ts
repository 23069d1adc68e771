import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { whitelistConfigMap } from '../../controller/admission.ts';
import {
  grantKey,
  hashKey,
  hashWithoutImageKey,
  inPlaceStateKey,
  injectedListKey,
  upgradeKey,
  versionAltKey,
  versionKey,
  workingKey,
} from '../../api/pod-contract.ts';
import { managerLease } from '../../controller/second-controller/evidence.ts';
import { installedClients } from '../../controller/webhook/certificates/publish.ts';
import { deploy, objectOf, objectsOf, type Manifest } from './objects.ts';

const objects = objectsOf();
const home = 'baton-system';
const controller = { 'app.kubernetes.io/name': 'baton', 'app.kubernetes.io/component': 'controller' };
interface Webhook extends Record<string, unknown> {
  name: string;
  clientConfig: { service: { namespace: string; name: string; path: string; port: number } };
  rules: { operations: string[]; apiGroups: string[]; apiVersions: string[]; resources: string[] }[];
}
const mutating = objectOf('MutatingWebhookConfiguration', installedClients.mutating)['webhooks'] as Webhook[];
const validating = objectOf('ValidatingWebhookConfiguration', installedClients.validating)['webhooks'] as Webhook[];
const definition = objectOf('CustomResourceDefinition', installedClients.definition);

test('every file is YAML without a warning', (t) => {
  const files = readdirSync(deploy, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.yaml') && !file.startsWith('chart/templates/'),
  );
  t.true(files.length > 10);
  for (const file of files) {
    for (const { errors, warnings } of parseAllDocuments(readFileSync(join(deploy, file), 'utf8'))) {
      t.deepEqual([...errors, ...warnings], [], file);
    }
  }
});

test('kubectl makes the same objects of it', (t) => {
  let text: string;
  try {
    text = execFileSync('kubectl', ['kustomize', deploy], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    console.log('# skipped: what kubectl makes of deploy/, because there is no kubectl');
    t.pass();
    return;
  }
  const made = parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  const byName = (list: Manifest[]): Record<string, Manifest> =>
    Object.fromEntries(list.map((object) => [`${object.kind} ${object.metadata.name}`, object]));
  t.deepEqual(byName(made), byName(objects));
  const withCertManager = execFileSync('kubectl', ['kustomize', join(deploy, 'cert-manager')], { encoding: 'utf8' });
  t.is(withCertManager.match(/cert-manager.io\/inject-ca-from: baton-system\/baton-webhook/g)?.length, 3);
  t.regex(withCertManager, /--webhook-certificates=\/certificates/);
});

test('after a renewal by cert-manager, API servers still trust what replicas serve that have not read it yet', (t) => {
  const text = readFileSync(join(deploy, 'cert-manager/certificate.yaml'), 'utf8');
  const made = parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  const served = objectOf('Certificate', 'baton-webhook', made)['spec'] as { issuerRef: { name: string } };
  const issuer = objectOf('Issuer', served.issuerRef.name, made)['spec'] as { ca?: { secretName: string } };
  const secretName = issuer.ca?.secretName;
  const authority = made.find(
    ({ kind, spec }) => kind === 'Certificate' && (spec as { secretName: string }).secretName === secretName,
  );
  t.like(authority?.['spec'], { isCA: true, duration: '87600h' });
});

test('all of it is labelled, and what has a namespace is in its own', (t) => {
  for (const { kind, metadata } of objects) {
    if (kind === 'CustomResourceDefinition') continue;
    t.is(metadata.labels?.['app.kubernetes.io/name'], 'baton', `${kind} ${metadata.name}`);
    t.true(metadata.namespace === undefined || metadata.namespace === home);
  }
  t.is(objectOf('Namespace', home).metadata.labels?.['control-plane'], 'openkruise');
});

test('webhooks and the conversion lead to the service, the service to the pods, at a port that they have', (t) => {
  const service = objectOf('Service', 'baton-webhook');
  const configs = [
    ...[...mutating, ...validating].map(({ clientConfig }) => clientConfig),
    (definition['spec'] as { conversion: { webhook: Webhook } }).conversion.webhook.clientConfig,
  ];
  t.deepEqual(
    configs.map(({ service: { path } }) => path),
    ['/mutate-pods', '/mutate-sidecarsets', '/validate-sidecarsets', '/convert'],
  );
  const [port] = (service['spec'] as { ports: { port: number; targetPort: string }[] }).ports;
  for (const { service: called } of configs) {
    t.like(called, { namespace: home, name: service.metadata.name, port: port?.port });
  }
  const deployment = objectOf('Deployment', 'baton-controller')['spec'] as {
    replicas: number;
    selector: { matchLabels: object };
    template: { metadata: { labels: object }; spec: { serviceAccountName: string; containers: object[] } };
  };
  t.true(deployment.replicas >= 2);
  t.deepEqual(deployment.template.metadata.labels, controller);
  t.deepEqual(deployment.selector.matchLabels, controller);
  t.deepEqual((service['spec'] as { selector: object }).selector, controller);
  t.like(objectOf('PodDisruptionBudget', 'baton-controller')['spec'], { selector: { matchLabels: controller } });
  t.is(objectOf('ServiceAccount', 'baton-controller').metadata.name, deployment.template.spec.serviceAccountName);
  const [container] = deployment.template.spec.containers;
  t.like(container, {
    ports: [
      { name: 'webhook', containerPort: 9443 },
      { name: 'metrics', containerPort: 8080 },
      { name: 'health', containerPort: 8081 },
    ],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    readinessProbe: { httpGet: { path: '/readyz', port: 'health' } },
    livenessProbe: { httpGet: { path: '/healthz', port: 'health' } },
  });
  t.is(port?.targetPort, 'webhook');
});

test('replicas of one version are spread, one at a time may go, and Prometheus finds each', (t) => {
  const { spec } = objectOf('Deployment', 'baton-controller') as unknown as {
    spec: { template: { spec: { topologySpreadConstraints: Record<string, unknown>[] } } };
  };
  const spread = spec.template.spec.topologySpreadConstraints;
  t.deepEqual(
    spread.map(({ topologyKey }) => topologyKey),
    ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'],
  );
  for (const one of spread) {
    t.like(one, { whenUnsatisfiable: 'ScheduleAnyway', labelSelector: { matchLabels: controller } });
    t.deepEqual(one['matchLabelKeys'], ['pod-template-hash']);
  }
  t.like(objectOf('PodDisruptionBudget', 'baton-controller')['spec'], { maxUnavailable: 1 });
  for (const part of ['controller', 'agent']) {
    const labels = { ...controller, 'app.kubernetes.io/component': part };
    const service = objectOf('Service', `baton-${part}-metrics`);
    t.deepEqual(service['spec'], {
      clusterIP: 'None',
      selector: labels,
      ports: [{ name: 'metrics', port: 8080, targetPort: 'metrics' }],
    });
    t.like(service.metadata.labels, labels);
  }
});

test('the pod webhook fails open, those of SidecarSets fail closed, and none has a side effect', (t) => {
  for (const webhook of [...mutating, ...validating]) {
    t.like(webhook, { sideEffects: 'None', matchPolicy: 'Equivalent', admissionReviewVersions: ['v1'] });
    t.true((webhook['timeoutSeconds'] as number) <= 10);
    const isPods = webhook.rules[0]?.resources[0] === 'pods';
    t.is(webhook['failurePolicy'], isPods ? 'Ignore' : 'Fail', webhook.name);
    if (isPods) {
      t.deepEqual(webhook.rules[0]?.operations, ['CREATE']);
      t.deepEqual((webhook['namespaceSelector'] as { matchExpressions: object[] }).matchExpressions, [
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'kube-public', home] },
        { key: 'control-plane', operator: 'DoesNotExist' },
      ]);
    } else t.deepEqual(webhook.rules[0]?.apiVersions, ['v1beta1', 'v1alpha1']);
  }
});

type Rights = Record<string, { verbs: string[]; names?: string[] }[]>;

/** resource -> verbs, of the roles that the account is bound to; those in the own namespace with `home/` before them. */
function rightsOf(account: string): Rights {
  const rights: Rights = {};
  for (const binding of objects.filter(({ kind }) => kind === 'ClusterRoleBinding' || kind === 'RoleBinding')) {
    const { subjects, roleRef } = binding as unknown as {
      subjects: { kind: string; namespace: string; name: string }[];
      roleRef: { kind: string; name: string };
    };
    if (!subjects.some((each) => each.kind === 'ServiceAccount' && each.namespace === home && each.name === account))
      continue;
    const { rules } = objectOf(roleRef.kind, roleRef.name) as unknown as {
      rules: { apiGroups: string[]; resources: string[]; verbs: string[]; resourceNames?: string[] }[];
    };
    for (const { resources, verbs, resourceNames } of rules) {
      for (const resource of resources) {
        const key = binding.kind === 'RoleBinding' ? `home/${resource}` : resource;
        (rights[key] ??= []).push({ verbs, ...(resourceNames && { names: resourceNames }) });
      }
    }
  }
  return rights;
}

const READ = ['get', 'list', 'watch'];

test('the controller may do what its code does, and no more', (t) => {
  t.deepEqual(rightsOf('baton-controller'), {
    pods: [{ verbs: [...READ, 'patch'] }],
    'pods/status': [{ verbs: ['patch'] }],
    namespaces: [{ verbs: READ }],
    nodes: [{ verbs: READ }],
    sidecarsets: [{ verbs: READ }],
    'sidecarsets/status': [{ verbs: ['patch'] }],
    'sidecarsets/finalizers': [{ verbs: ['update'] }],
    events: [{ verbs: ['create'] }],
    mutatingwebhookconfigurations: [{ verbs: ['get', 'patch'], names: [installedClients.mutating] }],
    validatingwebhookconfigurations: [{ verbs: ['get', 'patch'], names: [installedClients.validating] }],
    customresourcedefinitions: [{ verbs: ['get', 'patch'], names: [installedClients.definition] }],
    controllerrevisions: [{ verbs: [...READ, 'create', 'patch', 'delete'] }],
    configmaps: [{ verbs: READ, names: [whitelistConfigMap] }],
    leases: [{ verbs: READ, names: [managerLease] }],
    'home/leases': [{ verbs: ['create'] }, { verbs: ['get', 'list', 'watch', 'patch'], names: ['baton-controller'] }],
    'home/secrets': [{ verbs: ['create'] }, { verbs: ['get', 'patch'], names: ['baton-webhook'] }],
  });
});

test('an agent may read and patch pods, see how its node fares, and tell of it', (t) => {
  t.deepEqual(rightsOf('baton-agent'), {
    pods: [{ verbs: [...READ, 'patch'] }],
    nodes: [{ verbs: ['get'] }],
    events: [{ verbs: ['create'] }],
  });
});

test('an agent runs on every node, sees of it what it needs, and may do there no more', (t) => {
  const labels = { 'app.kubernetes.io/name': 'baton', 'app.kubernetes.io/component': 'agent' };
  const { spec } = objectOf('DaemonSet', 'baton-agent') as unknown as {
    spec: {
      selector: { matchLabels: object };
      template: {
        metadata: { labels: object };
        spec: {
          serviceAccountName: string;
          priorityClassName: string;
          tolerations: object[];
          containers: { args: string[]; volumeMounts: { name: string; mountPath: string }[] }[];
          volumes: { name: string; hostPath: { path: string } }[];
        };
      };
    };
  };
  const { metadata, spec: pod } = spec.template;
  t.deepEqual(spec.selector.matchLabels, labels);
  t.deepEqual(metadata.labels, labels);
  t.is(pod.serviceAccountName, objectOf('ServiceAccount', 'baton-agent').metadata.name);
  t.is(pod.priorityClassName, 'system-node-critical');
  t.deepEqual(pod.tolerations, [{ operator: 'Exists' }], 'no taint keeps it away');
  for (const reach of ['hostNetwork', 'hostPID', 'hostIPC']) t.false(reach in pod);
  const [container] = pod.containers;
  t.like(container, {
    args: ['agent'],
    env: [{ name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } }],
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    readinessProbe: { httpGet: { path: '/readyz', port: 'health' } },
    livenessProbe: { httpGet: { path: '/healthz', port: 'health' } },
  });
  // Where the defaults of `baton agent` look, and the same on the node.
  t.deepEqual(container?.volumeMounts, [
    { name: 'pods', mountPath: '/var/lib/kubelet/pods', mountPropagation: 'HostToContainer' },
    { name: 'pod-resources', mountPath: '/var/lib/kubelet/pod-resources', readOnly: true },
    { name: 'containerd', mountPath: '/run/containerd', readOnly: true },
  ] as object[]);
  for (const { name, mountPath } of container?.volumeMounts ?? []) {
    t.is(pod.volumes.find((volume) => volume.name === name)?.hostPath.path, mountPath);
  }
  t.is(pod.volumes.length, 3);
});

test("the agent's policy is bound, is for its account, and knows the contract's names", (t) => {
  const policy = objectOf('ValidatingAdmissionPolicy', 'baton-agent');
  t.like(objectOf('ValidatingAdmissionPolicyBinding', 'baton-agent')['spec'], {
    policyName: policy.metadata.name,
    validationActions: ['Deny'],
  });
  const text = JSON.stringify(policy['spec']);
  t.true(text.includes(`system:serviceaccount:${home}:${objectOf('ServiceAccount', 'baton-agent').metadata.name}'`));
  t.true(text.includes('authentication.kubernetes.io/node-name'));
  const keys = [grantKey, upgradeKey, hashKey, hashWithoutImageKey, injectedListKey, inPlaceStateKey, workingKey];
  for (const key of keys) t.true(text.includes(`'${key}'`), key);
  for (const key of [versionKey(''), versionAltKey('')]) t.true(text.includes(`'${key}'`), key);
});
