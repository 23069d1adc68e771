import test from 'ava';
import fc from 'fast-check';
import jsonpatch from 'fast-json-patch';
import { ApiError } from '../../../api/error.ts';
import { printJson } from '../../../api/json.ts';
import type { Container, Pod, Volume } from '../../../api/kubernetes.ts';
import type { SidecarContainer, SidecarSet } from '../../../api/sidecar-set.ts';
import { sidecarSets } from '../../helpers/sidecar-sets.ts';
import { injectInto, podOf, setOf } from './helpers.ts';

const optional = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(fields, { requiredKeys: [] });
const word = fc.constantFrom('a', 'b', 'c');
const volumeName = fc.constantFrom('a', 'b', 'baton');
const mounts = fc.array(
  fc.record(
    { name: volumeName, mountPath: fc.constantFrom('/a', '/b', '/run/baton'), subPathExpr: fc.constant('$(a)') },
    { requiredKeys: ['name', 'mountPath'] },
  ),
  { maxLength: 2 },
);
const env = fc.array(fc.record({ name: fc.constantFrom('a', 'b', 'BATON_DIR', 'IS_INJECTED'), value: word }), {
  maxLength: 2,
});
/** Fields that no version of Kubernetes has yet. */
const unknown = optional({ newerField: fc.jsonValue(), 'x-y': word });

const containerFields = { env, volumeMounts: mounts, resources: fc.constant({ limits: { cpu: '1' } }) };
const container = (names: readonly string[]): fc.Arbitrary<Container> =>
  fc
    .tuple(fc.record({ name: fc.constantFrom(...names), image: word }), optional(containerFields), unknown)
    .map((parts) => Object.assign({}, ...parts) as Container);
const unique = { selector: ({ name }: { name: string }) => name };

const sidecar: fc.Arbitrary<SidecarContainer> = fc
  .tuple(
    container(['s', 't', 'other']),
    optional({
      restartPolicy: fc.constant('Always'),
      podInjectPolicy: fc.constantFrom('BeforeAppContainer', 'AfterAppContainer'),
      upgradeStrategy: fc.record({ upgradeType: fc.constant('HotUpgrade'), hotUpgradeEmptyImage: word }),
      shareVolumePolicy: fc.constant({ type: 'enabled' }),
      shareVolumeDevicePolicy: fc.constant({ type: 'enabled' }),
      transferEnv: fc.array(fc.record({ sourceContainerName: fc.constantFrom('app', 's'), envName: word })),
      resourcesPolicy: fc.constant({
        targetContainersMode: 'sum',
        targetContainersNameRegex: '',
        resourcesExpr: { requests: { cpu: 'cpu*50%' } },
      }),
    }),
  )
  .map((parts) => Object.assign({}, ...parts) as SidecarContainer);

const volumes: fc.Arbitrary<Volume[]> = fc.uniqueArray(
  fc.record({ name: volumeName, emptyDir: fc.constantFrom({}, { medium: 'Memory', sizeLimit: '1Mi' }) }),
  unique,
);
const annotations = fc.dictionary(word, fc.constantFrom('{"a":1}', '{ "b": null }', 'no', ''), {
  noNullPrototype: true,
});
const patches = fc.array(
  fc.record({ patchPolicy: fc.constantFrom('Retain', 'Overwrite', 'MergePatchJson'), annotations }),
  { maxLength: 2 },
);

const set = (name: string): fc.Arbitrary<SidecarSet> =>
  fc
    .record({
      containers: fc.uniqueArray(sidecar, { ...unique, minLength: 1, maxLength: 2 }),
      initContainers: fc.uniqueArray(sidecar, { ...unique, maxLength: 2 }),
      volumes,
      patchPodMetadata: patches,
      imagePullSecrets: fc.array(fc.record({ name: word }), { maxLength: 2 }),
    })
    .map((spec) => setOf(name, spec as SidecarSet['spec']));

const pods: fc.Arbitrary<Pod> = fc
  .tuple(
    fc.record({
      // A target for each resourcesPolicy, that no sidecar replaces.
      containers: fc.tuple(container(['app']), container(['other'])),
      initContainers: fc.uniqueArray(container(['setup', 's']), { ...unique, maxLength: 2 }),
      volumes,
    }),
    annotations,
    unknown,
  )
  .map(([spec, annotations, more]) => ({ ...podOf({ ...spec, ...more }, { annotations }), ...more }));

const injections = fc.tuple(pods, set('one'), set('two'));
const json = (value: unknown): unknown => JSON.parse(printJson(value));

test('injecting a second time changes nothing, whatever the clock and the other webhooks say', (t) => {
  fc.assert(
    fc.property(injections, ([pod, ...sets]) => {
      const { pod: once } = injectInto(pod, sets);
      const rewritten: Pod = {
        ...once,
        spec: {
          ...once.spec,
          containers: (once.spec?.containers ?? []).map((one) => ({ ...one, image: `mirror/${one.image ?? ''}` })),
        },
      };
      const again = injectInto(rewritten, sets, { now: 9e11 });
      t.deepEqual(again.pod, rewritten);
      t.deepEqual([again.patch, again.warnings], [[], []]);
    }),
    { numRuns: 300 },
  );
});

test('the patch, carried out by another library, gives the same pod; what was given is not changed', (t) => {
  fc.assert(
    fc.property(injections, ([pod, ...sets]) => {
      const before = printJson([pod, sets]);
      const injected = injectInto(pod, sets);
      t.is(printJson([pod, sets]), before);
      const patch = json(injected.patch) as jsonpatch.Operation[];
      t.deepEqual(jsonpatch.applyPatch(json(pod), patch, true).newDocument, json(injected.pod));
    }),
    { numRuns: 300 },
  );
});

const ADDED = ['name', 'image', 'env', 'volumeMounts', 'volumeDevices', 'resources'];
const SIDECAR_ONLY = [
  'podInjectPolicy',
  'upgradeStrategy',
  'shareVolumePolicy',
  'shareVolumeDevicePolicy',
  'transferEnv',
  'resourcesPolicy',
];

/** The fields that injection has no business with. */
const untouched = (value: object, ...touched: string[]): unknown =>
  Object.fromEntries(Object.entries(value).filter(([field]) => !touched.includes(field)));

test('fields that Baton does not know survive, in the pod and in the sidecars', (t) => {
  fc.assert(
    fc.property(pods, set('one'), (pod, one) => {
      const { pod: injected } = injectInto(pod, [one]);
      t.deepEqual(untouched(injected, 'metadata', 'spec'), untouched(pod, 'metadata', 'spec'));
      const lists = ['containers', 'initContainers', 'volumes', 'imagePullSecrets'];
      t.deepEqual(untouched(injected.spec ?? {}, ...lists), untouched(pod.spec ?? {}, ...lists));
      for (const kind of ['containers', 'initContainers'] as const) {
        const copies = new Map((injected.spec?.[kind] ?? []).map((container) => [container.name, container]));
        for (const sidecar of one.spec[kind] ?? []) {
          const copy = copies.get(`${sidecar.name}-1`) ?? copies.get(sidecar.name) ?? { name: '' };
          t.deepEqual(untouched(copy, ...ADDED), untouched(sidecar, ...ADDED, ...SIDECAR_ONLY));
        }
        for (const own of pod.spec?.[kind] ?? []) {
          if (!one.spec[kind]?.some(({ name }) => name === own.name)) t.is(copies.get(own.name), own);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('no set and no annotation stops a pod, but a resourcesPolicy that cannot be computed', (t) => {
  const keys = ['kruise.io/sidecarset-hash', 'kruise.io/sidecarset-working-hotupgrade-container', 'baton.dev/grant'];
  const odd = fc.dictionary(fc.constantFrom(...keys), fc.oneof(fc.json(), fc.string()), { noNullPrototype: true });
  fc.assert(
    fc.property(pods, odd, fc.array(sidecarSets, { maxLength: 3 }), (pod, annotations, sets) => {
      const matching = sets.map((set) => ({
        ...set,
        spec: { ...set.spec, selector: { matchLabels: { app: 'web' } } },
      }));
      const spoilt = {
        ...pod,
        metadata: { ...pod.metadata, annotations: { ...pod.metadata?.annotations, ...annotations } },
      };
      try {
        t.truthy(injectInto(spoilt, matching).pod);
      } catch (error) {
        t.is((error as ApiError).code, 'ERR_BATON_RESOURCES', String((error as Error).stack));
      }
    }),
    { numRuns: 300 },
  );
});
