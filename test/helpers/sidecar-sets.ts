import fc from 'fast-check';
import type { SidecarSet } from '../../api/sidecar-set.ts';

const name = fc.stringMatching(/^[a-z]{1,4}$/);
const optional = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(fields, { requiredKeys: [] });
const quantity = fc.constantFrom(
  '1',
  '100m',
  '0.0001',
  '1.5Gi',
  '1e-9',
  '+1',
  '5.',
  '1000',
  '2048Ki',
  '0',
  '-0.1',
  '1e3',
);
const handler = optional({
  httpGet: optional({
    path: fc.constantFrom('', '/x'),
    port: fc.constantFrom(0, 80, 'http'),
    scheme: fc.constant('HTTPS'),
  }),
  grpc: fc.record({ port: fc.nat(65535) }),
});
const probe = fc
  .tuple(handler, optional({ periodSeconds: fc.nat(20), terminationGracePeriodSeconds: fc.nat(1) }))
  .map(([how, when]) => ({ ...how, ...when }));
const labels = fc.dictionary(name, name, { maxKeys: 2 });
const selector = optional({ matchLabels: labels });

const container = fc
  .tuple(
    fc.record({ name }),
    optional({
      image: fc.constantFrom('', 'nginx', 'nginx:1.2', 'reg.io:443/x', 'x:', `a@sha256:${'0'.repeat(64)}`),
      args: fc.array(name, { maxLength: 2 }),
      stdin: fc.boolean(),
      ports: fc.array(optional({ containerPort: fc.nat(65535), protocol: fc.constant('UDP') }), { maxLength: 2 }),
      env: fc.array(fc.record({ name, valueFrom: fc.constantFrom({}, { fieldRef: { fieldPath: 'x' } }) }), {
        maxLength: 2,
      }),
      resources: optional({ limits: fc.dictionary(name, quantity, { maxKeys: 3 }) }),
      restartPolicy: fc.constantFrom('', 'Always'),
      livenessProbe: probe,
      readinessProbe: probe,
      startupProbe: probe,
      lifecycle: optional({ postStart: handler, preStop: handler }),
    }),
    optional({
      podInjectPolicy: fc.constantFrom('', 'AfterAppContainer'),
      upgradeStrategy: optional({ upgradeType: fc.constant('HotUpgrade'), soakSeconds: fc.nat(9) }),
      shareVolumeDevicePolicy: optional({ type: fc.constant('enabled') }),
      transferEnv: fc.array(optional({ envName: name, envNames: fc.array(name, { maxLength: 1 }) }), { maxLength: 2 }),
      newer: fc.nat(3),
    }),
  )
  .map((parts) => Object.assign({}, ...parts) as object);

const volume = fc
  .tuple(
    fc.record({ name }),
    fc.constantFrom(
      {},
      { hostPath: { path: '/h' } },
      { secret: {} },
      { emptyDir: { sizeLimit: '1000' } },
      { projected: { sources: null } },
      { projected: { sources: [{ serviceAccountToken: { path: 'p' } }] } },
    ),
  )
  .map(([named, source]) => ({ ...named, ...source }));

/** SidecarSets of the stored version, as people write them: with and without defaults, valid or not, the types right. */
export const sidecarSets: fc.Arbitrary<SidecarSet> = fc.record({
  apiVersion: fc.constant('apps.kruise.io/v1beta1'),
  kind: fc.constant('SidecarSet'),
  metadata: optional({ name, labels }),
  spec: optional({
    selector,
    namespaceSelector: selector,
    containers: fc.array(container, { minLength: 1, maxLength: 2 }),
    initContainers: fc.array(container, { maxLength: 2 }),
    volumes: fc.array(volume, { maxLength: 3 }),
    updateStrategy: optional({ paused: fc.boolean(), partition: fc.constantFrom(0, 5, '10%') }),
    injectionStrategy: optional({ revision: optional({ customVersion: name }) }),
    patchPodMetadata: fc.array(optional({ annotations: labels }), { maxLength: 2 }),
    revisionHistoryLimit: fc.nat(10),
    customVersion: fc.constantFrom('', 'v1'),
  }),
}) as fc.Arbitrary<SidecarSet>;
