// Baton installed, upgraded in the middle of a rollout and removed with Helm, from images of a registry, under load in the pods.
import {
  customResourceDefinitions,
  mutatingWebhookConfigurations,
  pods as podResource,
} from '../../../cluster/resource.ts';
import { until } from '../../helpers/processes.ts';
import { hasHelm } from '../helm-test.ts';
import { containerIdOf } from '../node/container.ts';
import { ownCluster, serialNodeTest } from '../node/node-test.ts';
import { startRegistry } from '../node/registry.ts';
import { isReady, type WirePod } from '../node/scene.ts';
import test from 'ava';
import { ask } from '../control-plane/api.ts';
import { untilTrusted } from '../controller/start-system.ts';
import { askForPods, batonPods, chartOf, doctorOf, helmFor, pushBaton, recordBundles, valuesFor } from './helm.ts';
import { echoImage, names, sharedImages } from './images.ts';
import {
  appContainer,
  appIsUntouched,
  callsOf,
  hotSide,
  noCallFailed,
  recordOf,
  startScene,
  type SidecarContainer,
} from './scene.ts';
import { untilInjecting } from './system.ts';
import { assertUnnoticed, startTrial } from './trial.ts';

const PODS = 8;
const [OLD, NEW] = ['0.1.0', '0.1.1'];

const helmNodeTest = hasHelm ? serialNodeTest : test.serial.skip;

helmNodeTest('helm install, helm upgrade in the middle of a rollout, helm uninstall: no request fails', async (t) => {
  const facts = await ownCluster(t);
  t.timeout(600_000);
  const [node] = facts.nodes;
  if (!node) return t.fail();
  const registry = await startRegistry(t);
  const helm = await helmFor(t, facts, registry);
  const push = (name: string, image: object) => registry.push({ layers: [], entrypoint: [], ...image, name });
  const app = await push('app:1', sharedImages.find(({ name }) => name === names.app) ?? {});
  const [v1, v2, empty] = [
    await push('echo:1', echoImage('v1')),
    await push('echo:2', echoImage('v2')),
    await push('echo:empty', echoImage('v1')),
  ];
  await pushBaton(registry, OLD);
  await pushBaton(registry, NEW);

  const values = ['--values', valuesFor(t, node)];
  const installed = await helm('install', { chart: chartOf(t, OLD), more: values });
  t.regex(installed, /STATUS: deployed[\s\S]*Baton 0\.1\.0 is installed in baton-system/);
  const scene = await startScene(t, facts);
  await untilTrusted(scene.admin);
  await untilInjecting(scene.admin);
  t.regex(await doctorOf(facts), /^ok .* each node has an agent that is ready$/m);
  const before = await batonPods(scene);
  t.is(before.length, 3);

  const side = (image: string): SidecarContainer =>
    hotSide(image, { upgradeStrategy: { hotUpgradeEmptyImage: empty, soakSeconds: 3 } });
  await scene.createSet({ containers: [side(v1)], updateStrategy: { type: 'RollingUpdate', maxUnavailable: 1 } });
  const podNames = Array.from({ length: PODS }, (_, index) => `pod-${index}`);
  const pods = await Promise.all(
    podNames.map((name) => scene.startPod(name, { containers: [{ ...appContainer(), image: app }] })),
  );
  const [first, last] = [await startTrial(t, scene, 'pod-0'), await startTrial(t, scene, `pod-${PODS - 1}`)];

  await scene.publish({ containers: [side(v2)] });
  await scene.untilSet('the rollout is under way', ({ updatedPods }) => updatedPods >= 1);
  const bundles = await recordBundles(t, scene);
  const states = bundles.states.length;
  const upgradedAt = Date.now();
  const asking = askForPods(t, scene, { app: scene.name });
  const more = ['--set', 'excludedNamespaces={kube-system,kube-public,other}'];
  await helm('upgrade', { chart: chartOf(t, NEW), more });
  t.log(`helm upgrade: ${Math.round((Date.now() - upgradedAt) / 100) / 10} s`);
  const { asked, missed } = await asking.end();
  t.is(missed, 0, `of ${asked} pods`);
  t.true(asked > 10);
  const after = await batonPods(scene);
  t.is(after.length, 3);
  const uids = before.map(({ metadata }) => metadata.uid);
  for (const { metadata, spec, status } of after) {
    t.false(uids.includes(metadata.uid), 'another pod');
    t.true(spec?.containers[0]?.image?.endsWith(`:${NEW}`));
    t.true(isReady({ status }));
  }
  t.true(new Set(bundles.states.slice(states)).size === 3, 'Helm has changed all three');
  t.is(bundles.seen.size, 1, 'and what they trust at no moment');
  t.false(bundles.seen.has('none'));

  await scene.untilSet('all are updated', ({ updatedReadyPods }) => updatedReadyPods === PODS, 180_000);
  const upgraded = await Promise.all(podNames.map((name) => scene.untilUpgraded(name, v2, { empty })));
  const agentStart = Math.max(...after.map(({ status }) => Date.parse(status?.startTime ?? '')));
  const begun = upgraded.map((pod) => recordOf(pod, scene.name)?.startedAt ?? 0);
  t.true(
    begun.some((at) => at < upgradedAt) && begun.some((at) => at > agentStart),
    'it was in the middle of the rollout',
  );
  for (const [index, pod] of upgraded.entries()) {
    await noCallFailed(t, scene, pod);
    appIsUntouched(t, pods[index] ?? pod, pod);
  }

  await helm('uninstall', {});
  t.deepEqual((await batonPods(scene)).length, 0);
  t.deepEqual((await scene.cluster.list(mutatingWebhookConfigurations)).items, []);
  await scene.cluster.get(customResourceDefinitions, { name: 'sidecarsets.apps.kruise.io' });
  t.is((await scene.getSet()).spec.containers?.[0]?.image, v2);
  const idsOf = (pod: WirePod): string[] => ['app', 'side-1', 'side-2'].map((name) => containerIdOf(pod, name));
  for (const pod of upgraded) {
    const name = pod.metadata.name ?? '';
    const now = await scene.cluster.get<WirePod>(podResource, { namespace: scene.namespace, name });
    t.deepEqual(idsOf(now), idsOf(pod));
    t.true(isReady(now));
    const { answered = 0 } = (await callsOf(scene, now))['9091'] ?? {};
    await until('it goes on serving', async () => ((await callsOf(scene, now))['9091']?.answered ?? 0) > answered + 10);
    await noCallFailed(t, scene, now);
  }

  // What was kept is taken over by the next release.
  await helm('install', { chart: chartOf(t, NEW), more: values });
  await untilTrusted(scene.admin);
  const generation = (await scene.publish({ containers: [side(v1)] })).metadata.generation;
  await scene.untilUpgraded('pod-0', v1, { empty });
  t.is((await scene.getSet()).status?.observedGeneration, generation);
  await ask(scene.admin, 'GET', `/apis/apps.kruise.io/v1alpha1/sidecarsets/${scene.name}`);
  for (const trial of [first, last]) {
    const seen = await trial.end();
    assertUnnoticed(t, seen);
    t.deepEqual(seen.gaps, []);
  }
});
