// What docs/monitoring.md says, on a real Prometheus that scrapes both parts while a hot, a cold and two failing rollouts run.
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { parse } from 'yaml';
import { sidecarSets } from '../../../cluster/resource.ts';
import { dashboard, rules, rulesFile } from '../../deploy/monitoring/rules.ts';
import { isTried } from '../../deploy/monitoring/prometheus.ts';
import { temporaryDirectory, until } from '../../helpers/processes.ts';
import { ask, type Access } from '../control-plane/api.ts';
import { accessOf } from '../control-plane/namespace.ts';
import { addImages, busyboxLayer } from '../node/image.ts';
import { nodeTest } from '../node/node-test.ts';
import { isReady, type WirePod } from '../node/scene.ts';
import type { ClusterFacts } from '../node/start.ts';
import { echoImage, names } from './images.ts';
import { startPrometheus, type Prometheus, type Sample } from './prometheus.ts';
import {
  appContainer,
  hotSide,
  startPodLoad,
  startScene,
  type Scene,
  type SidecarContainer,
  type WireSet,
} from './scene.ts';
import { installedCluster } from './system.ts';
import { givesUp } from './trial.ts';

const TIMEOUT_MS = 240_000;
/** Until a query answers that is to answer. */
const ANSWER_MS = 30_000;

/** Queries that may be empty, and why; all others must answer. By their legend, which is unique. */
const mayBeEmpty: Readonly<Record<string, string>> = {
  '{{method}} {{resource}} {{status}}': 'the API server may have granted everything',
};

const monitoringTest = isTried ? nodeTest : test.skip;

monitoringTest('every panel answers, and the alerts tell what happened', async (t) => {
  const facts = await installedCluster(t);
  const scene = await startScene(t, facts);
  t.timeout(TIMEOUT_MS);
  const prometheus = await startPrometheus(t, await configFor(t, facts));
  const began = performance.now();
  await Promise.all([rollOut(t, scene, prometheus), refuse(scene, prometheus)]);
  await unreachable(t, scene, prometheus);
  t.log(`rolled out after ${Math.round(performance.now() - began)} ms`);

  for (const { title, targets = [] } of dashboard.panels) {
    for (const { expr, legendFormat } of targets) {
      const expression = expr
        .replaceAll('$__rate_interval', '2m')
        .replaceAll('$__range', '5m')
        .replaceAll('$sidecarset', `${scene.name}.*`)
        .replaceAll(/\$(?:namespace|node)/g, '.*');
      const isOptional = legendFormat in mayBeEmpty;
      const answers = isOptional
        ? await prometheus.query(expression)
        : await until(`${title}: ${expression}`, () => answered(prometheus, expression), ANSWER_MS);
      t.log(`${title}: ${answers.map((one) => printed(legendFormat, one)).join(', ')}`);
      if (isOptional && answers.length === 0) t.log(`  empty: ${mayBeEmpty[legendFormat] ?? ''}`);
    }
  }

  await until('the alerts are seen', async () => {
    const states = new Map((await prometheus.rules()).map(({ name, state }) => [name, state]));
    return (
      states.get('BatonUpgradeRolledBack') === 'firing' &&
      states.get('BatonRolloutHalted') !== 'inactive' &&
      states.get('BatonWebhookUnreachable') !== 'inactive'
    );
  });
  for (const { name, health, lastError, state, alerts } of await prometheus.rules()) {
    t.is(health, 'ok', `${name}: ${lastError ?? ''}`);
    if (state !== 'inactive') t.log(name, state, alerts.map(({ annotations }) => annotations['summary']).join('; '));
    for (const { annotations } of alerts)
      t.notRegex(Object.values(annotations).join(), /no value|error expanding/, name);
    if (['BatonControllerDown', 'BatonTwoLeaders', 'BatonAgentDown', 'BatonCertificateEnding'].includes(name)) {
      t.is(state, 'inactive', name);
    }
  }
});

/** The page's own configuration, for a Prometheus that is in a hurry; and the API server's metrics. */
async function configFor(t: ExecutionContext, facts: ClusterFacts): Promise<object> {
  const page = readFileSync(new URL('../../../docs/monitoring.md', import.meta.url), 'utf8');
  const { scrape_configs: jobs } = parse(/```yaml\n(scrape_configs:[\s\S]*?)```/.exec(page)?.[1] ?? '') as {
    scrape_configs: { kubernetes_sd_configs: { namespaces: { names: string[] } }[] }[];
  };
  const admin = accessOf(facts);
  const { url, ca, token } = admin;
  const targets = await discover(admin);
  const { protocol, host } = new URL(url);
  const caFile = join(temporaryDirectory(t), 'ca.pem');
  writeFileSync(caFile, ca);
  return {
    global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
    rule_files: [rulesFile],
    scrape_configs: [
      ...jobs.map(({ kubernetes_sd_configs, ...job }) => ({
        ...job,
        static_configs: kubernetes_sd_configs.flatMap(({ namespaces }) =>
          targets.filter(({ labels }) => namespaces.names.includes(labels.__meta_kubernetes_namespace)),
        ),
      })),
      {
        job_name: 'apiserver',
        scheme: protocol.replace(':', ''),
        scrape_interval: '2s',
        scrape_timeout: '2s',
        authorization: { credentials: token },
        tls_config: { ca_file: caFile },
        static_configs: [{ targets: [host] }],
        metric_relabel_configs: [
          { source_labels: ['__name__'], regex: 'apiserver_admission_webhook_.*_count', action: 'keep' },
        ],
      },
    ],
  };
}

/** What Prometheus finds with the role `pod`: Debian's is built without Kubernetes. A target for each port of each container. */
async function discover(admin: Access) {
  const { items } = JSON.parse(await ask(admin, 'GET', '/api/v1/pods')) as { items: WirePod[] };
  return items.flatMap(({ metadata: { name = '', namespace = '', labels = {} }, spec, status }) =>
    (spec?.containers ?? []).flatMap(({ ports = [] }) =>
      ports.map((port) => ({
        targets: [`${status?.podIP ?? ''}:${port.containerPort}`],
        labels: {
          ...Object.fromEntries(
            Object.entries(labels).map(([key, value]) => [
              `__meta_kubernetes_pod_label_${key.replaceAll(/\W/g, '_')}`,
              value,
            ]),
          ),
          __meta_kubernetes_namespace: namespace,
          __meta_kubernetes_pod_name: name,
          __meta_kubernetes_pod_node_name: spec?.nodeName ?? '',
          __meta_kubernetes_pod_container_port_name: port.name ?? '',
        },
      })),
    ),
  );
}

/** What a query answers, once it has a figure. */
async function answered(prometheus: Prometheus, expression: string): Promise<Sample[] | undefined> {
  const samples = (await prometheus.query(expression)).filter(({ value }) => !Number.isNaN(value));
  return samples.length > 0 ? samples : undefined;
}

const printed = (legend: string, { metric, value }: Sample): string =>
  `${legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? '')} ${Number(value.toPrecision(3))}`.trim();

/** Four sets with a pod each: hot under load and twice, cold, one that fails and is rolled back, one that is never begun. */
async function rollOut(t: ExecutionContext, scene: Scene, prometheus: Prometheus): Promise<void> {
  const { name, namespace, node } = scene;
  const sleeps = (version: string) => ({
    layers: [busyboxLayer],
    entrypoint: ['/bin/busybox', 'sh', '-c', 'trap exit TERM; while :; do sleep 0.1; done'],
    env: { VERSION: version },
  });
  const images = await addImages(t, node, { cold1: sleeps('1'), cold2: sleeps('2'), bad: echoImage('bad', givesUp) });
  const cold = (image: string): SidecarContainer => ({ name: 'side', image, imagePullPolicy: 'IfNotPresent' });
  const [hotSet, coldSet, badSet, missingSet] = [name, `${name}-cold`, `${name}-bad`, `${name}-missing`];
  const sets = { [hotSet]: hotSide(), [coldSet]: cold(images.cold1), [badSet]: hotSide(), [missingSet]: hotSide() };
  for (const [set, side] of Object.entries(sets)) {
    await scene.createSet({ selector: { matchLabels: { app: set } }, containers: [side] }, set);
    const ports = side.upgradeStrategy ? [9091] : [];
    await scene.createPod(set, { containers: [appContainer(ports)] }, { app: set });
  }
  const [before] = await Promise.all(Object.keys(sets).map((pod) => scene.untilPod('Ready', pod, isReady)));
  if (!before) throw new Error('there are no pods');
  const load = await startPodLoad(t, scene, before);
  const updated = `count(baton_rollout_pods{sidecarset=~"${name}.*", state="updated"} == 1)`;
  await until('all of them are scraped', async () => (await answered(prometheus, updated))?.[0]?.value === 4);

  await Promise.all([
    (async () => {
      for (const image of [names.v2, names.v3]) {
        await scene.publish({ containers: [hotSide(image)] });
        await scene.untilUpgraded(hotSet, image);
      }
    })(),
    scene.publish({ containers: [cold(images.cold2)] }, coldSet),
    scene.publish({ containers: [hotSide(images.bad)] }, badSet),
    scene.publish({ containers: [hotSide('baton.test/NO-NAME')] }, missingSet),
  ]);
  await load.stop();
  await until(
    'both bad ones are counted',
    async () => {
      const failed = `count(baton_rollout_pods{sidecarset=~"${name}-.*", state="failed"} == 1)`;
      return (await answered(prometheus, failed))?.[0]?.value === 2;
    },
    60_000,
  ).catch(async (error: unknown) => {
    const told = await ask(scene.admin, 'GET', `/api/v1/namespaces/${namespace}/events`);
    throw new Error(told, { cause: error });
  });
  const { status } = await scene.getSet(coldSet);
  t.is(status?.updatedReadyPods, 1, 'the cold one');
}

/** Sends what the webhooks refuse, and what is no review, until Prometheus has seen both become more. */
async function refuse(scene: Scene, prometheus: Prometheus): Promise<void> {
  const seen = async (labels: string): Promise<boolean> =>
    (await prometheus.query(`sum(increase(baton_webhook_responses_total{${labels}}[2m])) > 0`)).length > 0;
  await until(
    'refusals and errors are counted',
    async () => {
      await scene.cluster
        .create<WireSet>(sidecarSets, {
          metadata: { name: `${scene.name}-refused` },
          spec: { selector: {}, containers: [{ name: 'a', image: 'a:1' }] },
        })
        .catch(() => undefined);
      for (const { metric } of await prometheus.query('baton_leader')) await knock(metric['instance'] ?? '');
      return (await seen('allowed="false"')) && (await seen('status="404"'));
    },
    ANSWER_MS,
  );
}

/** Asks the webhooks of a replica for a page that there is not. */
const knock = (metrics: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const host = metrics.split(':')[0] ?? '';
    request({ host, port: 9443, path: '/', rejectUnauthorized: false, agent: false }, (answer) => {
      answer.resume().on('end', resolve);
    })
      .on('error', reject)
      .end();
  });

/** Webhooks named as Baton's that nobody answers, for what this test creates alone, until Prometheus has seen both. */
async function unreachable(t: ExecutionContext, scene: Scene, prometheus: Prometheus): Promise<void> {
  const { admin, cluster, name, namespace } = scene;
  const common = {
    clientConfig: { url: 'https://127.0.0.1:1/' },
    sideEffects: 'None',
    timeoutSeconds: 1,
    admissionReviewVersions: ['v1'],
  };
  const ruleFor = (apiGroups: string[], apiVersions: string[], resources: string[]) => ({
    rules: [{ operations: ['CREATE'], apiGroups, apiVersions, resources }],
  });
  const webhooks = {
    mutating: {
      ...common,
      ...ruleFor([''], ['v1'], ['pods']),
      name: 'pods.baton.dev',
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
      failurePolicy: 'Ignore',
    },
    validating: {
      ...common,
      ...ruleFor(['apps.kruise.io'], ['v1beta1'], ['sidecarsets']),
      name: 'validation.sidecarsets.baton.dev',
      objectSelector: { matchLabels: { unreachable: name } },
      failurePolicy: 'Fail',
    },
  };
  for (const [kind, webhook] of Object.entries(webhooks)) {
    const path = `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations`;
    t.teardown(() => ask(admin, 'DELETE', `${path}/${name}`));
    await ask(admin, 'POST', path, { metadata: { name }, webhooks: [webhook] });
  }
  const pod = { metadata: { name: 'dry' }, spec: { containers: [appContainer()] } };
  const { expr = '' } = rules.find(({ alert }) => alert === 'BatonWebhookUnreachable') ?? {};
  await until(
    'the API server counts both',
    async () => {
      await ask(admin, 'POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod);
      const refused = cluster.create<WireSet>(sidecarSets, {
        metadata: { name: `${name}-unreachable`, labels: { unreachable: name } },
        spec: { selector: { matchLabels: { app: name } }, containers: [{ name: 'a', image: 'a:1' }] },
      });
      // Until the API server knows of the webhook, it is created.
      await refused.then(
        () => cluster.delete(sidecarSets, { name: `${name}-unreachable` }),
        () => undefined,
      );
      return (await prometheus.query(expr)).length === 2;
    },
    ANSWER_MS,
  );
}
