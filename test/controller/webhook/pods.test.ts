import test from 'ava';
import fc from 'fast-check';
import type { Pod } from '../../../api/kubernetes.ts';
import { grantKey, injectedLabel, upgradeKey } from '../../../api/pod-contract.ts';
import { inject } from '../../../controller/inject/inject.ts';
import { NOW, operationsOf, patched, pod, podReview, serve, setOf } from './helpers.ts';

const choice = { namespaces: [], revisions: [], now: NOW, draw: () => 0.5 };

test('a pod that is created gets what injection gives it, by a patch alone', async (t) => {
  const { post, errors } = await serve(t);
  const strange = {
    ...pod,
    spec: { ...pod.spec, fromTheFuture: { a: [1, null] } },
    metadata: { ...pod.metadata, x: 1 },
  };
  const { status, headers, response } = await post('/mutate-pods?timeout=5s', podReview(strange));
  t.is(status, 200);
  t.is(headers['content-type'], 'application/json');
  t.like(response, { uid: 'u-1', allowed: true, patchType: 'JSONPatch' });
  const injected = patched(strange, response);
  t.deepEqual(
    injected,
    inject({ pod: strange as Pod, sidecarSets: [setOf()], ...choice }).pod as unknown as typeof strange,
  );
  t.deepEqual(
    injected.spec.containers.map(({ name }) => name),
    ['side', 'app'],
  );
  t.deepEqual(injected.spec.fromTheFuture, { a: [1, null] });
  t.deepEqual(errors, []);
});

test('what does not change has no patch', async (t) => {
  const { post } = await serve(t);
  const other = { ...pod, metadata: { name: 'p', namespace: 'shop', labels: { app: 'b' } } };
  const { response } = await post('/mutate-pods', podReview(other));
  t.deepEqual(response, { uid: 'u-1', allowed: true });
});

test('only the creation of a pod itself is looked at', async (t) => {
  const { post } = await serve(t);
  const forged = { ...pod, metadata: { ...pod.metadata, annotations: { [grantKey]: '{}' } } };
  const deployments = { resource: { group: 'apps', version: 'v1', resource: 'deployments' } };
  const other = [
    { operation: 'UPDATE', oldObject: pod },
    { operation: 'CONNECT' },
    { operation: 'DELETE', object: null, oldObject: pod },
    { subResource: 'ephemeralcontainers', operation: 'UPDATE', oldObject: pod },
    { subResource: 'status' },
    { subResource: 'binding' },
    deployments,
  ];
  for (const more of other) {
    const { response } = await post('/mutate-pods', podReview(forged, more));
    t.deepEqual(response, { uid: 'u-1', allowed: true }, JSON.stringify(more));
  }
});

test('a forged grant on a created pod is gone, whatever the pod claims to be', async (t) => {
  const { post } = await serve(t);
  const annotations = { [grantKey]: '{"s":{}}', [upgradeKey]: '{}', kept: 'yes' };
  const forged = { ...pod, metadata: { ...pod.metadata, annotations } };
  const pods = [
    forged,
    { ...forged, metadata: { ...forged.metadata, labels: {} } },
    { ...forged, status: { phase: 'Succeeded' } },
    { ...forged, metadata: { ...forged.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
  ];
  for (const object of pods) {
    const { response } = await post('/mutate-pods', podReview(object));
    const keys = Object.keys(patched(object, response).metadata.annotations);
    t.true(keys.includes('kept'));
    t.false(keys.includes(grantKey) || keys.includes(upgradeKey), JSON.stringify(object));
  }
});

test('the namespace of the request counts where the pod has none yet', async (t) => {
  const namespaceSelector = { matchLabels: { team: 'shop' } };
  const { post } = await serve(t, {
    sources: () => ({
      sidecarSets: [setOf({ namespaceSelector })],
      namespaces: [{ metadata: { name: 'shop', labels: { team: 'shop' } } }],
      revisions: [],
    }),
  });
  const homeless = { ...pod, metadata: { generateName: 'p-', labels: { app: 'a' } } };
  const { response } = await post('/mutate-pods', podReview(homeless));
  const injected = patched(homeless, response);
  t.is((injected.metadata.labels as Record<string, string>)[injectedLabel], 'true');
  t.false('namespace' in injected.metadata);
  t.deepEqual(operationsOf((await post('/mutate-pods', podReview(homeless, { namespace: 'other' }))).response), []);
});

test('a dry run is answered as the run itself, and nothing is kept of it', async (t) => {
  const { post } = await serve(t);
  const [dry, wet] = [
    await post('/mutate-pods', podReview(pod, { dryRun: true })),
    await post('/mutate-pods', podReview(pod)),
  ];
  t.is(dry.text, wet.text);
});

test('a pod whose resources cannot be computed is refused, with the field', async (t) => {
  const resourcesPolicy = {
    targetContainersMode: 'sum',
    targetContainersNameRegex: '^nobody$',
    resourcesExpr: { limits: { cpu: 'cpu*50%' } },
  };
  const containers = [{ name: 'side', image: 'side:1', resourcesPolicy }];
  const { post } = await serve(t, {
    sources: () => ({ sidecarSets: [setOf({ containers })], namespaces: [], revisions: [] }),
  });
  const { status, response } = await post('/mutate-pods', podReview(pod));
  t.is(status, 200);
  t.like(response, { allowed: false, status: { code: 403, reason: 'Forbidden' } });
  t.is(response.patch, undefined);
  t.regex(response.status?.message ?? '', /^spec\.containers: container side: resourcesPolicy: no containers match/);
  t.is(response.status?.details?.causes[0]?.field, 'spec.containers');
});

test('warnings are short, each and all together, and cut between characters', async (t) => {
  const names = Array.from({ length: 60 }, (_, index) => `set-${index}-${'x'.repeat(40)}`);
  const probe = { readinessProbe: { httpGet: { port: 80 } } };
  const upgradeStrategy = { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'empty:1' };
  const sidecarSets = names.map((name, index) =>
    setOf({ containers: [{ name: `ü${'ü'.repeat(150)}${index}`, image: 'i:1', ...probe, upgradeStrategy }] }, name),
  );
  const { post } = await serve(t, { sources: () => ({ sidecarSets, namespaces: [], revisions: [] }) });
  const { response } = await post('/mutate-pods', podReview(pod));
  const { warnings = [] } = response;
  t.true(warnings.length > 5);
  for (const warning of warnings) {
    t.true(Buffer.byteLength(warning) <= 256);
    t.false(warning.includes('\ufffd'));
  }
  t.true(warnings.some((warning) => warning.endsWith('...')));
  t.true(warnings.reduce((bytes, warning) => bytes + Buffer.byteLength(warning), 0) <= 4096);
});

test('a pod with 50,000 of anything is answered as fast as it is long', async (t) => {
  const upgradeStrategy = { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'e:1' };
  const set = setOf({
    containers: [
      { name: 'before', image: 'i:1', shareVolumePolicy: { type: 'enabled' }, upgradeStrategy },
      { name: 'after', image: 'i:1', podInjectPolicy: 'AfterAppContainer' },
    ],
    initContainers: [{ name: 'first', image: 'i:1', podInjectPolicy: 'BeforeAppContainer' }],
  });
  const { post } = await serve(t, { sources: () => ({ sidecarSets: [set], namespaces: [], revisions: [] }) });
  const many = <T>(item: (index: number) => T): T[] => Array.from({ length: 50_000 }, (_, index) => item(index));
  const names = many((index) => ({ name: `c${index}` }));
  const mounts = many((index) => ({ name: 'v', mountPath: `/${index}`, subPathExpr: `$(c${index})` }));
  for (const spec of [
    { containers: names },
    { containers: [{ name: 'app' }], initContainers: names },
    { containers: [{ name: 'app' }], volumes: names, imagePullSecrets: names },
    { containers: [{ name: 'app', env: names, volumeMounts: mounts }] },
  ]) {
    const began = performance.now();
    const { status, response } = await post('/mutate-pods', podReview({ ...pod, spec }));
    t.like({ status, allowed: response.allowed }, { status: 200, allowed: true });
    t.true(performance.now() - began < 10_000, Object.keys(spec).join());
  }
});

test('whatever a pod is, the answer is a review that lets it pass or says which field is wrong', async (t) => {
  const { post, errors } = await serve(t);
  const places = [[], ['spec'], ['spec', 'containers'], ['spec', 'containers', 0], ['spec', 'containers', 0, 'env']];
  const more = [
    ['spec', 'volumes'],
    ['spec', 'initContainers'],
    ['metadata', 'annotations'],
    ['metadata', 'labels'],
    ['status'],
  ];
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...places.slice(1), ...more), fc.jsonValue(), async (path, value) => {
      const object = structuredClone(pod) as unknown as Record<string | number, unknown>;
      let parent = object;
      for (const key of path.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>;
      parent[path.at(-1) ?? ''] = value;
      const { status, response } = await post('/mutate-pods', podReview(object));
      t.is(status, 200, JSON.stringify(object));
      if (!response.allowed) {
        t.is(response.status?.code, 422);
        t.truthy(response.status?.details?.causes[0]?.field);
      } else t.notThrows(() => patched(object, response));
    }),
    { numRuns: 300 },
  );
  t.deepEqual(errors, []);
});
