// What kustomize installed, the chart takes over as its README says, and keeps the definition when it goes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { KubernetesObject } from '../../cluster/cluster.ts';
import { customResourceDefinitions, mutatingWebhookConfigurations } from '../../cluster/resource.ts';
import { ownControlPlane } from '../cluster/cluster-test.ts';
import { kubectl, kubectlTest } from '../cluster/controller/kubectl.ts';
import { hasHelm, helmProgram } from '../cluster/helm-test.ts';
import { connect } from '../cluster/kubernetes/connect.ts';
import { chart, runHelm } from './chart.ts';
import { deploy } from './objects.ts';

type Configuration = KubernetesObject & { webhooks: { clientConfig: { caBundle?: string } }[] };
const caBundle = Buffer.from("the controller's").toString('base64');
const definition = { name: 'sidecarsets.apps.kruise.io' };

const takeoverTest = hasHelm ? kubectlTest : test.serial.skip;

takeoverTest('the chart takes over what kustomize installed', async (t) => {
  const controlPlane = await ownControlPlane(t);
  t.timeout(120_000);
  const helm = await helmProgram(t);
  const cluster = connect(controlPlane);
  await kubectl({ controlPlane }, 'apply', '--kustomize', deploy);
  const { metadata } = await cluster.get(customResourceDefinitions, definition);
  const path = '/webhooks/0/clientConfig/caBundle';
  await cluster.patch(mutatingWebhookConfigurations, { name: 'baton' }, [{ op: 'add', path, value: caBundle }]);
  const place = ['--kubeconfig', controlPlane.kubeconfigs['admin'] ?? '', '--namespace', 'baton-system'];
  const install = (...more: string[]) => runHelm(helm, 'install', 'baton', chart, ...place, ...more);
  const upgrade = (...more: string[]) => runHelm(helm, 'upgrade', 'baton', chart, ...place, ...more);

  const refused = await install();
  t.not(refused.code, 0);
  t.regex(refused.output, /exists and cannot be imported/);

  const isHelm3 = (await runHelm(helm, 'version', '--short')).output.startsWith('v3');
  const force = isHelm3 ? [] : ['--force-conflicts'];
  const readme = readFileSync(join(chart, 'README.md'), 'utf8');
  for (const flag of ['--take-ownership', '--force-conflicts']) t.true(readme.includes(flag));
  const taken = await install('--take-ownership', ...force);
  t.is(taken.code, 0, taken.output);
  const upgraded = await upgrade(...force, '--set', 'excludedNamespaces={mine}');
  t.is(upgraded.code, 0, upgraded.output);
  const configuration = await cluster.get<Configuration>(mutatingWebhookConfigurations, { name: 'baton' });
  t.is(configuration.metadata.labels?.['app.kubernetes.io/managed-by'], 'Helm');
  t.true(JSON.stringify(configuration).includes('"mine"'));
  t.is(configuration.webhooks[0]?.clientConfig.caBundle, caBundle);

  const removed = await runHelm(helm, 'uninstall', 'baton', ...place);
  t.is(removed.code, 0, removed.output);
  t.deepEqual((await cluster.list(mutatingWebhookConfigurations)).items, []);
  t.is((await cluster.get(customResourceDefinitions, definition)).metadata.uid, metadata.uid);
});
