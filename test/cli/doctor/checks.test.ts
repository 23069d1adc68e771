import { readFileSync } from 'node:fs';
import { Writable } from 'node:stream';
import test from 'ava';
import type { Pod } from '../../../api/kubernetes.ts';
import { help, runDoctor } from '../../../cli/doctor.ts';
import { checkAll } from '../../../cli/doctor/checks.ts';
import type { Facts, WebhookConfiguration } from '../../../cli/doctor/facts.ts';
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
const configuration = (caBundle: string = bundle): WebhookConfiguration & { metadata: object } => ({
  metadata: { name: 'baton' },
  webhooks: [{ name: 'a.baton.dev', clientConfig: { caBundle } }],
});
const ready = [{ type: 'Ready', status: 'True' }];

const leaseOf = (renewed: number): Facts['lease'] => ({
  value: {
    metadata: { namespace: 'kruise-system', name: 'kruise-manager' },
    spec: { holderIdentity: 'manager-1', leaseDurationSeconds: 15, renewTime: new Date(renewed).toISOString() },
  },
});
const convertedBy = (name: string): Facts['crd'] => ({
  value: {
    metadata: {},
    spec: {
      versions: ['v1alpha1', 'v1beta1'].map((version) => ({ name: version, served: true, storage: false })),
      conversion: { webhook: { clientConfig: { service: { namespace: 'kruise-system', name } } } },
    },
  },
});

/** A cluster that is well. */
const well: Facts = {
  now,
  namespace: 'baton-system',
  crd: {
    value: {
      metadata: {},
      spec: { versions: ['v1alpha1', 'v1beta1'].map((name) => ({ name, served: true, storage: false })) },
    },
  },
  mutating: { value: [configuration()] },
  validating: { value: [configuration()] },
  trial: { value: { status: 201, message: '', isDefaulted: true } },
  serving: { value: serving.certificate },
  policy: { value: { metadata: {} } },
  binding: { value: { metadata: {}, spec: { policyName: 'baton-agent', validationActions: ['Deny'] } } },
  nodes: {
    value: [
      { metadata: { name: 'n1' }, status: { conditions: ready } },
      { metadata: { name: 'down' }, status: { conditions: [] } },
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
    ['error certificates: the MutatingWebhook', 'error certificates: the ValidatingWebhook'],
  );
});

test('each fault alone is told alone', async (t) => {
  const next = await issueAuthority(now + 100 * DAY);
  const both = Buffer.from(`${next.certificate}${authority.certificate}`).toString('base64');
  const rows: [Partial<Facts>, string | undefined][] = [
    [{ crd: { value: undefined } }, 'error crd: there is no CustomResourceDefinition sidecarsets.apps.kruise.io'],
    [
      { crd: { value: { metadata: {}, spec: { versions: [{ name: 'v1alpha1', served: true, storage: true }] } } } },
      'error crd: SidecarSets are not served as v1beta1',
    ],
    [
      { validating: { value: [configuration('')] } },
      'error webhook-configurations: the webhook a.baton.dev has no caBundle: no API server trusts it',
    ],
    [{ mutating: { value: [configuration(both)] } }, undefined],
    [
      { trial: { value: { status: 201, message: '', isDefaulted: false } } },
      'error webhook-reachable: a SidecarSet is created without the defaults that Baton’s webhook writes',
    ],
    [{ trial: { value: { status: 422, message: 'taken', isDefaulted: false } } }, undefined],
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
    [{ lease: leaseOf(now - 16_000) }, undefined],
    [
      { crd: convertedBy('kruise-webhook-service') },
      'error crd: SidecarSets are converted by kruise-system/kruise-webhook-service',
    ],
    [{ crd: convertedBy('baton-webhook') }, undefined],
  ];
  for (const [change, fault] of rows) t.deepEqual(faults(change), fault === undefined ? [] : [fault]);
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
  await t.throwsAsync(runDoctor(['now'], { stdout, stderr: stdout }), { message: /Unexpected argument 'now'/ });
});
