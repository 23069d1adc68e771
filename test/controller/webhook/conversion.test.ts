import test from 'ava';
import { oracle, plain } from '../../oracle/corpus.ts';
import { parseJson, printJson } from '../../../api/json.ts';
import { serve, setOf } from './helpers.ts';

const ALPHA = 'apps.kruise.io/v1alpha1';
const BETA = 'apps.kruise.io/v1beta1';
const review = (objects: unknown, desiredAPIVersion: unknown = ALPHA): object => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'ConversionReview',
  request: { uid: 'u-1', desiredAPIVersion, objects },
});

interface Converted {
  response: { uid: string; convertedObjects: object[]; result: { status: string; message?: string; code?: number } };
}

test('objects are converted in their order, those of the version already as they are', async (t) => {
  const { post } = await serve(t);
  const sets = ['c', 'a', 'b'].map((name) => setOf({ customVersion: 'v1' }, name));
  const alpha = { ...setOf({}, 'old'), apiVersion: ALPHA };
  const { status, text } = await post('/convert', review([...sets, alpha]));
  t.is(status, 200);
  const { response } = JSON.parse(text) as Converted;
  t.is(response.uid, 'u-1');
  t.deepEqual(response.result, { status: 'Success' });
  t.deepEqual(
    response.convertedObjects.map((object) => (object as typeof alpha).metadata.name),
    ['c', 'a', 'b', 'old'],
  );
  t.like(response.convertedObjects[0], {
    apiVersion: ALPHA,
    metadata: { labels: { 'apps.kruise.io/sidecarset-custom-version': 'v1' } },
  });
  t.deepEqual(response.convertedObjects[3], JSON.parse(JSON.stringify(alpha)));
});

test('what OpenKruise converts, is converted over HTTPS', async (t) => {
  const { post, errors } = await serve(t);
  let compared = 0;
  for (const { id, in: object, to, out } of oracle<{ id: string; in: object; to: string; out: { object?: object } }>(
    'conversion',
  )) {
    const version = to.includes('/') ? to : `apps.kruise.io/${to}`;
    const { status, text } = await post('/convert', printJson(review([object], version)));
    t.is(status, 200, id);
    const { response } = parseJson(text) as Converted;
    if (!out.object || response.result.status !== 'Success') continue;
    compared++;
    t.deepEqual(plain(response.convertedObjects[0]), plain(out.object), id);
  }
  t.true(compared > 20, String(compared));
  t.deepEqual(errors, []);
});

test('one object that cannot be read fails the review, and is named', async (t) => {
  const { post } = await serve(t);
  const wrong = { ...setOf({}, 'wrong'), spec: { containers: [{ name: 'x', ports: 5 }] } };
  const { status, text } = await post('/convert', review([setOf(), wrong]));
  t.is(status, 200);
  const { response } = JSON.parse(text) as Converted;
  t.deepEqual(response.convertedObjects, []);
  t.is(response.result.status, 'Failure');
  t.regex(response.result.message ?? '', /^SidecarSet wrong: spec\.containers\[0\]\.ports: must be a list/);
  const unknown = await post('/convert', review([setOf()], 'apps.kruise.io/v2'));
  t.regex((JSON.parse(unknown.text) as Converted).response.result.message ?? '', /v2/);
});

test('a review that is none is 400, and its field is named', async (t) => {
  const { post } = await serve(t);
  const wrong: [body: unknown, field: RegExp][] = [
    [[], /an object/],
    [{ ...review([]), apiVersion: 'apiextensions.k8s.io/v1beta1' }, /apiVersion/],
    [{ ...review([]), kind: 'AdmissionReview' }, /kind/],
    [{ ...review([]), request: null }, /request/],
    [review({}), /request\.objects/],
    [review([5]), /request\.objects\[0\]/],
    [review([], 5), /desiredAPIVersion/],
    [{ ...review([]), request: { objects: [], desiredAPIVersion: BETA } }, /request\.uid/],
  ];
  for (const [body, field] of wrong) {
    const { status, text } = await post('/convert', body);
    t.is(status, 400, text);
    t.regex(text, field);
  }
});
