import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import test from 'ava';
import type { Pod } from '../../../api/kubernetes.ts';
import { help, runDoctor } from '../../../cli/doctor.ts';
import { checkAll } from '../../../cli/doctor/checks.ts';
import type { ClientConfig, Facts, WebhookConfiguration } from '../../../cli/doctor/facts.ts';
import { issueAuthority, issueServing } from '../../../controller/webhook/certificates/issue.ts';

const DAY = 86_400_000;
const now = Date.UTC(2026, 0, 2);
const authority = await issueAuthority(now);
const serving = await issueServing(authority, ['baton-webhook'], now);
const bundle = Buffer.from(authority.certificate).toString('base64');

const podOf = (component: string, node: string, image = `baton-${component}:1`): Pod => ({
  metadata: { name: `${component}-${node}` },
  spec: { nodeName: node, containers: [{ name: component, image }] },
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
});
const service = { namespace: 'baton-system', name: 'baton-webhook' };
const names = {
  mutating: ['pods.baton.dev', 'defaults.sidecarsets.baton.dev'],
  validating: ['validation.sidecarsets.baton.dev'],
};
type Configured = WebhookConfiguration & { metadata: object };
const configuration = (kind: keyof typeof names, change: Partial<ClientConfig> = {}): Configured => ({
  metadata: { name: 'baton' },
  webhooks: names[kind].map((name) => ({ name, clientConfig: { service, caBundle: bundle, ...change } })),
});
const trusting = (text: string): Configured =>
  configuration('validating', { caBundle: Buffer.from(text).toString('base64') });
const ready = [{ type: 'Ready', status: 'True' }];

const leaseOf = (renewed: number): Facts['lease'] => ({
  value: {
    metadata: { namespace: 'kruise-system', name: 'kruise-manager' },
    spec: { holderIdentity: 'manager-1', leaseDurationSeconds: 15, renewTime: new Date(renewed).toISOString() },
  },
});
const convertedBy = (client?: ClientConfig): Facts['crd'] => ({
  value: {
    metadata: {},
    spec: {
      versions: ['v1alpha1', 'v1beta1'].map((version) => ({ name: version, served: true, storage: false })),
      conversion: client ? { webhook: { clientConfig: client } } : { strategy: 'None' },
    },
  },
});

/** A cluster that is well. */
const well: Facts = {
  now,
  namespace: 'baton-system',
  crd: convertedBy({ service, caBundle: bundle }),
  mutating: { value: [configuration('mutating')] },
  validating: { value: [configuration('validating')] },
  trial: { value: { status: 201, message: '', isDefaulted: true } },
  serving: { value: serving.certificate },
  policy: { value: { metadata: {} } },
  binding: { value: { metadata: {}, spec: { policyName: 'baton-agent', validationActions: ['Deny'] } } },
  nodes: {
    value: [
      { metadata: { name: 'n1' }, status: { conditions: ready } },
      { metadata: { name: 'down' }, status: { conditions: [] } },
      { metadata: { name: 'other', labels: { 'kubernetes.io/os': 'windows' } }, status: { conditions: ready } },
    ],
  },
  controllers: { value: [podOf('controller', 'n1'), podOf('controller', 'n2')] },
  agents: { value: [podOf('agent', 'n1')] },
  managers: { value: [] },
  lease: { value: undefined },
};

const faults = (change: Partial<Facts>): string[] =>
  checkAll({ ...well, ...change })
    .filter(({ level }) => level !== 'ok')
    .map(({ level, check, message }) => `${level} ${check}: ${message}`);

test('a cluster that is well has one finding for each check, and each has a row in the page', (t) => {
  t.deepEqual(faults({}), []);
  const page = readFileSync(new URL('../../../docs/doctor.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([\w-]+)`/gm)].map(([, name]) => name);
  const findings = checkAll(well);
  t.deepEqual(
    findings.map(({ check }) => check),
    rows,
  );
  t.true(findings.every(({ message }) => message !== ''));
});

test('what is not looked after is a warning in time, and an error when it is over', (t) => {
  const at = (days: number): string[] => faults({ now: now + days * DAY });
  t.deepEqual(at(82), []);
  t.deepEqual(at(84), ['warning certificates: the webhooks serve a certificate that ends at 2026-04-02T00:00:00.000Z']);
  t.deepEqual(at(91), ['error certificates: the webhooks serve a certificate that ended at 2026-04-02T00:00:00.000Z']);
  const kept = { serving: { value: undefined }, now: now + 800 * DAY };
  t.deepEqual(
    faults(kept).map((fault) => fault.replace(/Configuration trusts.*/, '')),
    [
      'error certificates: the MutatingWebhook',
      'error certificates: the ValidatingWebhook',
      'error certificates: the CRD trusts a certificate that ended at 2028-01-02T00:00:00.000Z',
    ],
  );
});

test('each fault alone is told alone', async (t) => {
  const next = await issueAuthority(now + 100 * DAY);
  const rows: [Partial<Facts>, ...string[]][] = [
    [{ crd: { value: undefined } }, 'error crd: there is no CustomResourceDefinition sidecarsets.apps.kruise.io'],
    [
      {
        crd: {
          value: {
            metadata: {},
            spec: {
              versions: [{ name: 'v1alpha1', served: true, storage: true }],
              conversion: { webhook: { clientConfig: { service, caBundle: bundle } } },
            },
          },
        },
      },
      'error crd: SidecarSets are not served as v1beta1',
    ],
    [
      { validating: { value: [configuration('validating', { caBundle: '' })] } },
      'error webhook-configurations: the webhook validation.sidecarsets.baton.dev asks baton-system/baton-webhook without a caBundle: no API server trusts it',
    ],
    [
      { mutating: { value: [configuration('validating')] } },
      'error webhook-configurations: the MutatingWebhookConfiguration baton has no webhook pods.baton.dev',
      'error webhook-configurations: the MutatingWebhookConfiguration baton has no webhook defaults.sidecarsets.baton.dev',
    ],
    [
      { validating: { value: [configuration('validating', { service: { ...service, namespace: 'other' } })] } },
      'error webhook-configurations: the webhook validation.sidecarsets.baton.dev asks other/baton-webhook',
    ],
    [{ validating: { problem: 'you may not' } }, 'unknown webhook-configurations: you may not'],
    [{ validating: { value: [trusting(`${next.certificate}${authority.certificate}`)] } }],
    [
      { validating: { value: [trusting(next.certificate)] } },
      'error certificates: the ValidatingWebhookConfiguration trusts others than what the webhooks serve',
    ],
    // As cert-manager makes it: its own authority.
    [{ serving: { value: authority.certificate } }],
    [
      { validating: { value: [trusting('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----')] } },
      'error certificates: the ValidatingWebhookConfiguration trusts a certificate that cannot be read',
    ],
    [
      { validating: { value: [trusting('no certificate')] } },
      'error certificates: the ValidatingWebhookConfiguration trusts a certificate that cannot be read',
    ],
    [
      { trial: { value: { status: 201, message: '', isDefaulted: false } } },
      'error webhook-reachable: a SidecarSet is created without the defaults that Baton’s webhook writes',
    ],
    [{ trial: { value: { status: 422, message: 'taken', isDefaulted: false } } }],
    [
      { trial: { value: { status: 404, message: '404 page not found', isDefaulted: false } } },
      'unknown webhook-reachable: there are no SidecarSets to try it with',
    ],
    [{ trial: { value: { status: 403, message: 'no', isDefaulted: false } } }, 'unknown webhook-reachable: no'],
    [
      { controllers: { value: [podOf('controller', 'n1')] } },
      'warning controller: only one pod of the controller is ready: nobody takes over from it',
    ],
    [{ controllers: { value: [] } }, 'error controller: no pod of the controller is ready in baton-system'],
    [
      { binding: { value: { metadata: {}, spec: { policyName: 'other', validationActions: ['Deny'] } } } },
      'error policy: the policy is not in force: its binding baton-agent is missing or does not deny',
    ],
    [
      { agents: { value: [podOf('agent', 'n1', 'host:5000/baton-agent:2@sha256:0')] } },
      'warning versions: there are several versions: 1, 2',
    ],
    [{ policy: { problem: 'you may not' } }, 'unknown policy: you may not'],
    [
      { lease: leaseOf(now - 5_000) },
      'error second-controller: OpenKruise’s controller leads: lease kruise-system/kruise-manager of manager-1',
    ],
    [{ lease: leaseOf(now - 16_000) }],
    [
      { crd: convertedBy({ service: { namespace: 'kruise-system', name: 'kruise-webhook-service' } }) },
      'error crd: SidecarSets are converted by kruise-system/kruise-webhook-service',
    ],
    [{ crd: convertedBy() }, 'error crd: SidecarSets are not converted from one version to the other'],
    [
      { crd: convertedBy({ service }) },
      'error crd: SidecarSets are converted by baton-system/baton-webhook without a caBundle: no API server trusts it',
    ],
  ];
  for (const [change, ...expected] of rows) t.deepEqual(faults(change), expected);
});

test('wrong usage is told in a sentence', async (t) => {
  let text = '';
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  t.is(await runDoctor(['--help'], { stdout, stderr: stdout }), 0);
  t.is(text, help);
  await t.throwsAsync(runDoctor(['-o', 'yaml'], { stdout, stderr: stdout }), {
    message: /-o is "yaml"; it must be json/,
  });
  await t.throwsAsync(runDoctor(['-n', ''], { stdout, stderr: stdout }), { message: /--namespace must be the name/ });
  await t.throwsAsync(runDoctor(['now'], { stdout, stderr: stdout }), { message: /Unexpected argument 'now'/ });
});
