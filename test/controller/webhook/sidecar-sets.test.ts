import test from 'ava';
import { LosslessNumber } from 'lossless-json';
import { withDefaults } from '../../../api/defaults.ts';
import { parseJson, printJson } from '../../../api/json.ts';
import { hashKey } from '../../../api/pod-contract.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import type { AdmissionSources } from '../../../controller/admission.ts';
import { oracle } from '../../oracle/corpus.ts';
import { operationsOf, patched, serve, setOf, setReview } from './helpers.ts';

const raw = {
  apiVersion: 'apps.kruise.io/v1beta1',
  kind: 'SidecarSet',
  metadata: { name: 's', labels: { 'from.the/future': 'yes' } },
  spec: {
    selector: { matchLabels: { app: 'a' } },
    containers: [{ name: 'side', image: 'side:1', fromTheFuture: [1] }],
    unknown: { kept: true },
  },
};
const known = (more: Partial<AdmissionSources> = {}) => ({
  sources: () => ({ sidecarSets: [], namespaces: [], revisions: [], ...more }),
});

test('defaults and hashes are set by a patch, and a second time changes nothing', async (t) => {
  const { post } = await serve(t);
  const { response } = await post('/mutate-sidecarsets', setReview(raw));
  const set = patched(raw, response) as unknown as SidecarSet & typeof raw;
  t.deepEqual(set, withDefaults(raw) as typeof set);
  t.deepEqual(set.spec.unknown, { kept: true });
  t.true(operationsOf(response).every(({ path }) => !/unknown|labels|selector/.test(path)));
  const again = await post('/mutate-sidecarsets', setReview(set, { operation: 'UPDATE', oldObject: set }));
  t.deepEqual(again.response, { uid: 'u-1', allowed: true });
});

test('a set of v1alpha1 is defaulted as such', async (t) => {
  const { post } = await serve(t);
  const alpha = { ...raw, apiVersion: 'apps.kruise.io/v1alpha1', spec: { ...raw.spec, namespace: 'shop' } };
  const { response } = await post('/mutate-sidecarsets', setReview(alpha));
  const set = patched(alpha, response);
  t.is(set.apiVersion, 'apps.kruise.io/v1alpha1');
  t.is(set.spec.namespace, 'shop');
  t.truthy((set.metadata as { annotations?: Record<string, string> }).annotations?.[hashKey]);
});

test('numbers come out as they went in', async (t) => {
  const { post } = await serve(t);
  const set = {
    ...raw,
    spec: { ...raw.spec, containers: [{ name: 'side', image: 'i:1', x: new LosslessNumber('9007199254740993') }] },
  };
  const { response } = await post('/mutate-sidecarsets', printJson(setReview(set)));
  const texts = Buffer.from(response.patch ?? '', 'base64').toString();
  t.false(texts.includes('9007199254740992'));
  t.true(response.allowed);
  t.truthy(parseJson(texts));
});

test('a field of a wrong type is refused with its path, by both webhooks', async (t) => {
  const { post } = await serve(t);
  const wrong = { ...raw, spec: { ...raw.spec, containers: [{ name: 'side', image: 'i:1', env: [{ name: 5 }] }] } };
  for (const path of ['/mutate-sidecarsets', '/validate-sidecarsets']) {
    const { status, response } = await post(path, setReview(wrong));
    t.is(status, 200);
    t.like(response, { allowed: false, status: { code: 422, reason: 'Invalid' } });
    t.regex(response.status?.message ?? '', /spec\.containers\[0\]\.env\[0\]\.name: .*must be a string/);
    t.is(response.status?.details?.causes[0]?.field, 'spec.containers[0].env[0].name');
  }
  const transferEnv = [{ sourceContainerNameFrom: {}, envName: 'X' }];
  const missing = { ...raw, spec: { ...raw.spec, containers: [{ name: 'side', image: 'i:1', transferEnv }] } };
  const { response } = await post('/mutate-sidecarsets', setReview(missing));
  const field = 'spec.containers[0].transferEnv[0].sourceContainerNameFrom.fieldRef';
  t.like(response.status, { code: 422, message: `${field}: must be set` });
  t.deepEqual(response.status?.details?.causes, [
    { reason: 'FieldValueTypeInvalid', field, message: 'must be set' } as never,
  ]);
});

test('which annotations a set may put on pods, the whitelist of the cluster says', async (t) => {
  const set = setOf({ patchPodMetadata: [{ annotations: { 'my/key': 'x' } }] });
  const whitelist = JSON.stringify({ rules: [{ allowedAnnotationKeyExprs: ['^my/'] }] });
  const refused = await serve(t, known());
  const answer = await refused.post('/validate-sidecarsets', setReview(set));
  t.regex(answer.response.status?.message ?? '', /^spec\.patchPodMetadata: .*whitelist not found$/);
  const accepted = await serve(t, known({ whitelist }));
  t.true((await accepted.post('/validate-sidecarsets', setReview(set))).response.allowed);
});

test('another set that is there already is a conflict, the set itself is not', async (t) => {
  const { post } = await serve(t, known({ sidecarSets: [setOf()] }));
  const other = await post('/validate-sidecarsets', setReview(setOf({}, 'other')));
  t.like(other.response.status, { code: 422 });
  t.regex(other.response.status?.message ?? '', /container side already exist in s/);
  t.true(
    (await post('/validate-sidecarsets', setReview(setOf(), { operation: 'UPDATE', oldObject: setOf() }))).response
      .allowed,
  );
});

test('a set that is being deleted only loses its finalizers', async (t) => {
  const { post } = await serve(t, known({ sidecarSets: [setOf({}, 'other')] }));
  const leaving = { ...setOf(), metadata: { ...setOf().metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } };
  const ask = async (object: object): Promise<boolean> =>
    (await post('/validate-sidecarsets', setReview(object, { operation: 'UPDATE', oldObject: leaving }))).response
      .allowed;
  t.true(await ask(leaving));
  t.false(await ask({ ...leaving, spec: { ...leaving.spec, containers: [{ name: 'x', image: 'x:1' }] } }));
});

test('deletions, the status and other kinds pass', async (t) => {
  const { post } = await serve(t);
  const wrong = { ...raw, spec: {} };
  for (const path of ['/mutate-sidecarsets', '/validate-sidecarsets']) {
    for (const more of [
      { operation: 'DELETE', object: null, oldObject: wrong },
      { operation: 'UPDATE', subResource: 'status', oldObject: wrong },
      { resource: { group: 'apps.kruise.io', version: 'v1alpha1', resource: 'clonesets' } },
    ]) {
      t.deepEqual((await post(path, setReview(wrong, more))).response, { uid: 'u-1', allowed: true });
    }
  }
});

interface Recorded {
  id: string;
  operation: 'CREATE' | 'UPDATE';
  object: object;
  oldObject?: object;
  others?: SidecarSet[];
  whitelist?: string;
  revisions?: AdmissionSources['revisions'];
  featureGates?: Record<string, boolean>;
}

test('every mistake that was recorded of OpenKruise is refused over HTTPS, with its fields', async (t) => {
  let sources: ReturnType<ReturnType<typeof known>['sources']>;
  const { post, errors } = await serve(t, { sources: () => sources });
  let refused = 0;
  for (const { operation, object, oldObject, ...more } of oracle<Recorded>('validation')) {
    const { id, others = [], whitelist, revisions = [], featureGates } = more;
    sources = { sidecarSets: others, namespaces: [], revisions, whitelist, ...(featureGates && { featureGates }) };
    const review = setReview(object, { operation, ...(oldObject && { oldObject }) });
    const { status, response } = await post('/validate-sidecarsets', printJson(review));
    t.is(status, 200, id);
    if (response.allowed) continue;
    refused++;
    t.like(response.status, { code: 422, reason: 'Invalid' }, id);
    const { message = '', details } = response.status ?? {};
    t.true((details?.causes.length ?? 0) > 0, id);
    for (const { field } of details?.causes ?? []) t.true(message.includes(field), `${id}: ${field} in ${message}`);
  }
  t.true(refused > 150, String(refused));
  t.deepEqual(errors, []);
});
