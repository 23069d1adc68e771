// `baton doctor` beside a real controller on a real API server: all is well, then one planted fault after the other.
import { Writable } from 'node:stream';
import { runDoctor } from '../../../cli/doctor.ts';
import type { Finding } from '../../../cli/doctor/checks.ts';
import type { KubernetesObject } from '../../../cluster/cluster.ts';
import * as resources from '../../../cluster/resource.ts';
import { issueAuthority, issueServing } from '../../../controller/webhook/certificates/issue.ts';
import { until } from '../../helpers/processes.ts';
import { serialClusterTest } from '../cluster-test.ts';
import { home, sharedSystem, type System, type WirePod } from './system.ts';

const start = sharedSystem();

interface Ran {
  status: number;
  text: string;
}

async function run(system: System, ...args: string[]): Promise<Ran> {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  const kubeconfig = system.controlPlane.kubeconfigs['admin'] ?? '';
  const status = await runDoctor([...args, '--kubeconfig', kubeconfig], { stdout: stream, stderr: stream });
  return { status, text };
}

/** What it finds that is not as it should be, as `level check: message`. */
async function faults(system: System): Promise<string[]> {
  const { text } = await run(system, '-o', 'json');
  const { findings } = JSON.parse(text) as { findings: Finding[] };
  return findings
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, message, remedy = '' }) => `${level} ${check}: ${message} -> ${remedy}`);
}

/** A pod of Baton's own; the test kubelet makes it ready. */
async function install(
  system: System,
  component: string,
  name: string,
  node: string,
  version = '0.1.0',
): Promise<void> {
  await system.cluster.create<WirePod>(resources.pods, {
    metadata: {
      ...{ namespace: home, name },
      labels: { 'app.kubernetes.io/name': 'baton', 'app.kubernetes.io/component': component },
    },
    spec: { nodeName: node, containers: [{ name: component, image: `registry:5000/baton-${component}:${version}` }] },
  });
  await until(`${name} is ready`, async () => {
    const pod = await system.cluster.get<WirePod>(resources.pods, { namespace: home, name });
    return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
  });
}

serialClusterTest('a cluster that is well, and each planted fault, with its remedy', async (t) => {
  const system = await start(t);
  const { cluster } = system;
  const pod = (name: string): { namespace: string; name: string } => ({ namespace: home, name });
  await install(system, 'controller', 'controller-a', 'node-1');
  await install(system, 'controller', 'controller-b', 'node-2');
  await install(system, 'agent', 'agent-1', 'node-1');
  await install(system, 'agent', 'agent-2', 'node-2');
  t.deepEqual(await faults(system), []);
  const well = await run(system);
  t.is(well.status, 0);
  t.is(well.text.match(/^ok +\S+ +\S/gm)?.length, 9, well.text);

  const planted = async (expected: RegExp, status = 1): Promise<void> => {
    const found = await faults(system);
    t.is(found.length, 1, found.join('\n'));
    t.regex(found[0] ?? '', expected);
    t.is((await run(system)).status, status);
  };

  // A node without its agent, then with one of another version.
  await cluster.delete(resources.pods, pod('agent-2'), { gracePeriodSeconds: 0 });
  await planted(
    /^error agents: no agent is ready on node-2: .* -> kubectl describe daemonset --namespace baton-system/,
  );
  await install(system, 'agent', 'agent-3', 'node-2', '0.0.9');
  await planted(/^warning versions: there are several versions: 0\.0\.9, 0\.1\.0 -> wait/, 0);
  await cluster.delete(resources.pods, pod('agent-3'), { gracePeriodSeconds: 0 });
  await install(system, 'agent', 'agent-2', 'node-2');

  // A second controller of SidecarSets: its pods, and its webhooks.
  await cluster.create<WirePod>(resources.pods, {
    metadata: { namespace: 'default', name: 'kruise', labels: { 'control-plane': 'controller-manager' } },
    spec: { containers: [{ name: 'manager', image: 'openkruise/kruise-manager:v1.8.0' }] },
  });
  await planted(/^error second-controller: OpenKruise’s controller runs: pod default\/kruise -> two controllers/);
  await cluster.delete(resources.pods, { namespace: 'default', name: 'kruise' }, { gracePeriodSeconds: 0 });
  const rule = {
    ...{ apiGroups: ['apps.kruise.io'], apiVersions: ['*'], resources: ['sidecarsets'], operations: ['DELETE'] },
  };
  const webhook = {
    ...{
      name: 'v.kb.io',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      rules: [rule],
      failurePolicy: 'Ignore',
    },
    clientConfig: { service: { namespace: 'kruise-system', name: 'kruise-webhook-service' } },
  };
  const theirs: KubernetesObject & { webhooks: object[] } = { metadata: { name: 'kruise' }, webhooks: [webhook] };
  await cluster.create(resources.validatingWebhookConfigurations, theirs);
  await planted(/^error second-controller: the webhooks of kruise also decide about SidecarSets/);
  await cluster.delete(resources.validatingWebhookConfigurations, { name: 'kruise' });

  // The agents' policy, first without force, then gone.
  const binding = { name: 'baton-agent' };
  await cluster.patch(resources.validatingAdmissionPolicyBindings, binding, { spec: { validationActions: ['Audit'] } });
  await planted(/^error policy: the policy is not in force: .* -> install Baton again/);
  await cluster.patch(resources.validatingAdmissionPolicyBindings, binding, { spec: { validationActions: ['Deny'] } });
  const policy = await cluster.get<KubernetesObject>(resources.validatingAdmissionPolicies, binding);
  await cluster.delete(resources.validatingAdmissionPolicies, binding);
  await planted(/^error policy: there is no ValidatingAdmissionPolicy baton-agent: agents may change any pod/);
  const { name = '', labels = {} } = policy.metadata;
  await cluster.create(resources.validatingAdmissionPolicies, { ...policy, metadata: { name, labels } });

  // From here on nobody mends what is planted.
  for (const replica of system.replicas) await replica.kill('SIGKILL');
  await planted(/^error webhook-reachable: a SidecarSet cannot be created: .*failed calling webhook .* -> see that/);
  const old = Date.now() - 200 * 86_400_000;
  const { certificate } = await issueServing(await issueAuthority(old), ['baton-webhook'], old);
  const data = { 'tls.crt': Buffer.from(certificate).toString('base64') };
  await cluster.patch(resources.secrets, pod('baton-webhook'), { data });
  const unreachable = /^error webhook-reachable/;
  const others = async (): Promise<string[]> => (await faults(system)).filter((fault) => !unreachable.test(fault));
  const [expired = '', ...more] = await others();
  t.deepEqual(more, []);
  t.regex(expired, /^error certificates: the webhooks serve a certificate that ended at \d{4}-.* -> look at the log/);
  await cluster.delete(resources.secrets, pod('baton-webhook'));
  await cluster.delete(resources.mutatingWebhookConfigurations, { name: 'baton' });
  t.regex((await others()).join('\n'), /^error webhook-configurations: there is no MutatingWebhookConfiguration baton/);
  await cluster.delete(resources.customResourceDefinitions, { name: 'sidecarsets.apps.kruise.io' });
  await until('it is gone', async () =>
    (await faults(system)).some((fault) => fault.startsWith('error crd: there is no CustomResourceDefinition')),
  );
});
