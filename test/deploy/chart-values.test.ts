// Every value of the chart has the effect that it says, and every flag it sets is one of the program.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { help as agentHelp } from '../../cli/agent.ts';
import { help as controllerHelp } from '../../cli/controller.ts';
import { valuesIn } from '../../deploy/generate.ts';
import { helmProgram, helmTest } from '../cluster/helm-test.ts';
import { chart, render } from './chart.ts';
import { objectOf, type Manifest } from './objects.ts';

interface Container {
  image: string;
  imagePullPolicy: string;
  args: string[];
  resources: object;
  volumeMounts?: { name: string; mountPath: string }[];
}
interface PodSpec extends Record<string, unknown> {
  containers: [Container];
  volumes?: { name: string; hostPath?: { path: string } }[];
}
type Objects = readonly Manifest[];
type Part = 'controller' | 'agent';

const parts: readonly Part[] = ['controller', 'agent'];
const podOf = (objects: Objects, part: Part): PodSpec => {
  const kind = part === 'controller' ? 'Deployment' : 'DaemonSet';
  return (objectOf(kind, `baton-${part}`, [...objects])['spec'] as { template: { spec: PodSpec } }).template.spec;
};
const containerOf = (objects: Objects, part: Part): Container => podOf(objects, part).containers[0];
const both = (look: (objects: Objects, part: Part) => unknown) => (objects: Objects) =>
  parts.map((part) => look(objects, part));
const imageOf = (part: Part) => (objects: Objects) => containerOf(objects, part).image;
const fieldOf = (part: Part, field: string) => (objects: Objects) => podOf(objects, part)[field];
const argsOf = (part: Part, flag: string) => (objects: Objects) =>
  containerOf(objects, part)
    .args.filter((arg) => arg === flag || arg.startsWith(`${flag}=`))
    .map((arg) => arg.slice(flag.length + 1));
const monitorsOf = (objects: Objects): Manifest[] => objects.filter(({ kind }) => kind.endsWith('Monitor'));
const mountsOf = (objects: Objects) => {
  const { volumes, containers } = podOf(objects, 'agent');
  const paths = (volumes ?? []).map(({ name, hostPath }) => `${name} ${hostPath?.path ?? ''}`);
  const mounts = (containers[0].volumeMounts ?? []).map(({ name, mountPath }) => `${name} ${mountPath}`);
  return [paths, mounts];
};

interface Effect {
  value: unknown;
  /** Other values that this one needs. */
  with?: object;
  /** What is looked at. */
  look: (objects: Objects) => unknown;
  /** What is to be seen there, which is not what is seen without the value. */
  seen: unknown;
}

const digest = `sha256:${'a'.repeat(64)}`;
const placement = (part: Part): Record<string, Effect> => {
  const values: Record<string, unknown> = {
    priorityClassName: 'other',
    nodeSelector: { pool: 'system' },
    tolerations: [{ key: 'system', operator: 'Exists' }],
    affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  };
  const fields = Object.entries(values).map(([field, value]): [string, Effect] => [
    `${part}.${field}`,
    { value, look: fieldOf(part, field), seen: value },
  ]);
  const resources = { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '1Gi' } };
  const look = (objects: Objects): object => containerOf(objects, part).resources;
  return { ...Object.fromEntries(fields), [`${part}.resources`]: { value: resources, look, seen: resources } };
};

const effects: Record<string, Effect> = {
  'image.registry': {
    value: 'registry.example/team/',
    look: both((objects, part) => imageOf(part)(objects)),
    seen: ['registry.example/team/baton-controller:0.1.0', 'registry.example/team/baton-agent:0.1.0'],
  },
  'image.tag': {
    value: '2.0',
    look: both((objects, part) => imageOf(part)(objects)),
    seen: ['baton-controller:2.0', 'baton-agent:2.0'],
  },
  'image.pullPolicy': {
    value: 'Always',
    look: both((objects, part) => containerOf(objects, part).imagePullPolicy),
    seen: ['Always', 'Always'],
  },
  imagePullSecrets: {
    value: [{ name: 'mine' }],
    look: both((objects, part) => podOf(objects, part)['imagePullSecrets']),
    seen: [[{ name: 'mine' }], [{ name: 'mine' }]],
  },
  excludedNamespaces: {
    value: ['kube-system', 'mine'],
    look: (objects) => {
      const { webhooks } = objectOf('MutatingWebhookConfiguration', 'baton', [...objects]) as unknown as {
        webhooks: { namespaceSelector?: { matchExpressions: { values?: string[] }[] } }[];
      };
      return [
        webhooks[0]?.namespaceSelector?.matchExpressions[0]?.values,
        argsOf('controller', '--exclude-namespace')(objects),
      ];
    },
    // The controller adds its own.
    seen: [
      ['kube-system', 'mine', 'baton-system'],
      ['kube-system', 'mine'],
    ],
  },
  logLevel: {
    value: 'warn',
    look: both((objects, part) => argsOf(part, '--log-level')(objects)),
    seen: [['warn'], ['warn']],
  },
  debug: { value: true, look: both((objects, part) => argsOf(part, '--debug')(objects)), seen: [[''], ['']] },
  'controller.image.repository': {
    value: 'team/one',
    look: imageOf('controller'),
    seen: 'team/one:0.1.0',
  },
  'controller.image.digest': { value: digest, look: imageOf('controller'), seen: `baton-controller:0.1.0@${digest}` },
  'controller.historyNamespace': {
    value: 'elsewhere',
    look: argsOf('controller', '--history-namespace'),
    seen: ['elsewhere'],
  },
  'controller.replicas': {
    value: 3,
    look: (objects) =>
      (objectOf('Deployment', 'baton-controller', [...objects])['spec'] as { replicas: number }).replicas,
    seen: 3,
  },
  'controller.qps': { value: 3000000, look: argsOf('controller', '--qps'), seen: ['3000000'] },
  'controller.parallel': { value: 8, look: argsOf('controller', '--parallel'), seen: ['8'] },
  ...placement('controller'),
  'agent.image.repository': { value: 'team/other', look: imageOf('agent'), seen: 'team/other:0.1.0' },
  'agent.image.digest': { value: digest, look: imageOf('agent'), seen: `baton-agent:0.1.0@${digest}` },
  'agent.kubeletRoot': {
    value: '/data/kubelet/',
    look: (objects) => [argsOf('agent', '--kubelet-root')(objects), mountsOf(objects)],
    seen: [
      ['/data/kubelet'],
      Array(2).fill([
        'pods /data/kubelet/pods',
        'pod-resources /data/kubelet/pod-resources',
        'containerd /run/containerd',
      ]),
    ],
  },
  'agent.criSocket': {
    value: 'unix:///run/k3s/containerd/containerd.sock',
    look: (objects) => [argsOf('agent', '--cri-socket')(objects), mountsOf(objects)],
    seen: [
      ['unix:///run/k3s/containerd/containerd.sock'],
      Array(2).fill([
        'pods /var/lib/kubelet/pods',
        'pod-resources /var/lib/kubelet/pod-resources',
        'containerd /run/k3s/containerd',
      ]),
    ],
  },
  'agent.maxConcurrentUpgrades': { value: 7, look: argsOf('agent', '--max-concurrent-upgrades'), seen: ['7'] },
  ...placement('agent'),
  'certManager.enabled': {
    value: true,
    look: (objects) => [
      argsOf('controller', '--webhook-certificates')(objects),
      objects.filter(({ metadata }) => metadata.annotations?.['cert-manager.io/inject-ca-from']).length,
      objects.filter(({ apiVersion }) => apiVersion.startsWith('cert-manager.io/')).map(({ kind }) => kind),
    ],
    seen: [['/certificates'], 3, ['Certificate', 'Issuer']],
  },
  'metrics.monitor': {
    value: 'PodMonitor',
    look: (objects) => monitorsOf(objects).map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    seen: ['PodMonitor baton'],
  },
  'metrics.interval': {
    value: '1m',
    with: { 'metrics.monitor': 'ServiceMonitor' },
    look: (objects) =>
      monitorsOf(objects).map(({ spec }) => (spec as { endpoints: [{ interval: string }] }).endpoints[0].interval),
    seen: ['1m'],
  },
  'metrics.labels': {
    value: { release: 'prometheus' },
    with: { 'metrics.monitor': 'PodMonitor' },
    look: (objects) => monitorsOf(objects).map(({ metadata }) => metadata.labels?.['release']),
    seen: ['prometheus'],
  },
};

const values = valuesIn(readFileSync(join(chart, 'values.yaml'), 'utf8'));

test('every value is tried below', (t) => {
  t.deepEqual(values.map(({ path }) => path).toSorted(), Object.keys(effects).toSorted());
});

helmTest('every value has its effect', async (t) => {
  const helm = await helmProgram(t);
  const plain = await render(helm);
  for (const [path, { value, with: others, look, seen }] of Object.entries(effects)) {
    t.notDeepEqual(look(others ? await render(helm, others) : plain), seen, `${path}: not without it`);
    t.deepEqual(look(await render(helm, { ...others, [path]: value })), seen, path);
  }
});

helmTest('without folders of the node, the agent mounts none', async (t) => {
  const helm = await helmProgram(t);
  const noKubelet = await render(helm, { 'agent.kubeletRoot': '' });
  t.deepEqual(mountsOf(noKubelet), Array(2).fill(['containerd /run/containerd']));
  t.deepEqual(argsOf('agent', '--kubelet-root')(noKubelet), ['']);
  const none = await render(helm, { 'agent.kubeletRoot': '', 'agent.criSocket': '' });
  t.false('volumes' in podOf(none, 'agent'));
  t.false('volumeMounts' in containerOf(none, 'agent'));
  t.deepEqual(argsOf('agent', '--cri-socket')(none), ['']);
});

helmTest('a monitor selects both parts, by labels and a port that they have', async (t) => {
  const helm = await helmProgram(t);
  interface Monitor {
    selector: { matchLabels: Record<string, string> };
    endpoints?: { port: string }[];
    podMetricsEndpoints?: { port: string }[];
  }
  const ofServices = await render(helm, { 'metrics.monitor': 'ServiceMonitor' });
  const byService = objectOf('ServiceMonitor', 'baton', ofServices)['spec'] as Monitor;
  const byPod = objectOf('PodMonitor', 'baton', await render(helm, { 'metrics.monitor': 'PodMonitor' }))[
    'spec'
  ] as Monitor;
  t.deepEqual(byPod.podMetricsEndpoints, byService.endpoints);
  const port = byService.endpoints?.[0]?.port ?? '';
  for (const part of parts) {
    const service = objectOf('Service', `baton-${part}-metrics`, ofServices);
    t.like(service.metadata.labels, byService.selector.matchLabels);
    t.like((service['spec'] as { ports: object[] }).ports, [{ name: port, targetPort: port }]);
    const kind = part === 'controller' ? 'Deployment' : 'DaemonSet';
    const { template } = objectOf(kind, `baton-${part}`, ofServices)['spec'] as { template: Manifest };
    t.like(template.metadata.labels, byPod.selector.matchLabels);
    const { ports } = containerOf(ofServices, part) as unknown as { ports: { name: string }[] };
    t.true(ports.some(({ name }) => name === port));
  }
});

helmTest("every flag is the program's own, and every default is the program's default", async (t) => {
  const helm = await helmProgram(t);
  const helps = { controller: controllerHelp, agent: agentHelp };
  const plain = await render(helm);
  const full = await render(helm, { debug: true, 'certManager.enabled': true });
  for (const part of parts) {
    const rows = helps[part].matchAll(/^ {2}(--[\w-]+)((?:.|\n {4})*)/gm);
    const flags = new Map([...rows].map(([, flag = '', text = '']) => [flag, text]));
    for (const arg of containerOf(full, part).args.slice(1)) t.true(flags.has(arg.replace(/=.*/, '')), arg);
    for (const arg of containerOf(plain, part).args.slice(1)) {
      const [, flag = '', value = ''] = /^(--[\w-]+)=(.*)$/.exec(arg) ?? [];
      t.regex(/\(default [^)]*/.exec(flags.get(flag) ?? '')?.[0] ?? '', new RegExp(`[ ,]${value}(,|$)`), arg);
    }
  }
});
