import test from 'ava';
import { parseJson, printJson } from '../../../api/json.ts';
import { errorText } from '../../../api/validation/field-error.ts';
import { container, errorsOf, findings, set } from '../../helpers/validation.ts';

/** What is wrong with a container that has these fields, without the path to it. */
const of = (fields: object, spec: object = {}): string[] =>
  errorsOf(set({ containers: [container(fields as Record<string, unknown>)], ...spec })).map((error) =>
    error.replace(/^spec\.containers\[0\]\./, ''),
  );

const volume = (source: object): string[] =>
  errorsOf(set({ volumes: [{ name: 'v', ...source }] })).map((error) => error.replace(/^spec\.volumes\[0\]\.?/, ''));

test('names', (t) => {
  t.deepEqual(of({ name: '' }), ['name']);
  t.deepEqual(of({ name: 'a.b' }), ['name: must not contain dots']);
  t.regex(of({ name: 'A' }).join(), /^name: a lowercase RFC 1123 label /);
  t.deepEqual(of({ name: 'x'.repeat(64) }), ['name: must be no more than 63 characters']);
});

test('environment', (t) => {
  const env = (variable: object): string[] => of({ env: [{ name: 'A', ...variable }] });
  t.deepEqual(env({ name: '' }), ['env[0].name']);
  t.deepEqual(env({ valueFrom: { secretKeyRef: { name: 's', key: '..' } } }), [
    "env[0].valueFrom.secretKeyRef.key: must not be '..'",
  ]);
  t.deepEqual(env({ valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: "metadata.labels['a']" } } }), []);
  t.deepEqual(env({ valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.host' } } }), []);
  t.regex(
    env({ valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.labels' } } }).join(),
    /^env\[0\]\.valueFrom\.fieldRef\.fieldPath: supported values: "metadata\.name", /,
  );
  t.deepEqual(env({ valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1k' } } }), [
    "env[0].valueFrom.resourceFieldRef.divisor: only divisor's values 1m and 1 are supported with the cpu resource",
  ]);
  const both = { configMapKeyRef: { name: 'c', key: 'k' }, secretKeyRef: { name: 's', key: 'k' } };
  t.deepEqual(env({ valueFrom: both }), ['env[0].valueFrom: may not have more than one field specified at a time']);
  t.deepEqual(of({ envFrom: [{ prefix: 'A_' }] }), ['envFrom: must specify one of: `configMapRef` or `secretRef`']);
  t.deepEqual(of({ envFrom: [{ configMapRef: { name: 'generated-' } }] }), []);
});

test('ports', (t) => {
  const port = (fields: object): string[] => of({ ports: [{ containerPort: 80, protocol: 'TCP', ...fields }] });
  t.deepEqual(port({ containerPort: 0 }), ['ports[0].containerPort']);
  t.deepEqual(port({ hostPort: 65536 }), ['ports[0].hostPort: must be between 1 and 65535, inclusive']);
  t.deepEqual(port({ protocol: 'QUIC' }), ['ports[0].protocol: supported values: "SCTP", "TCP", "UDP"']);
  t.deepEqual(port({ name: '-A--' }).length, 4);
  const hostPort = { containerPort: 1, hostPort: 1, protocol: 'TCP' };
  t.deepEqual(of({ ports: [hostPort, { ...hostPort, protocol: 'UDP' }, hostPort] }), ['ports[2].hostPort']);
});

test('mounts and devices', (t) => {
  const volumes = {
    volumes: [
      { name: 'v', emptyDir: {} },
      { name: 'p', persistentVolumeClaim: { claimName: 'c' } },
    ],
  };
  const mounts = (...volumeMounts: object[]): string[] => of({ volumeMounts }, volumes);
  t.deepEqual(mounts({ name: 'v', mountPath: '/a' }, { name: 'p', mountPath: '/b' }), []);
  t.deepEqual(mounts({ name: 'x', mountPath: '/a' }), ['volumeMounts[0].name']);
  t.deepEqual(mounts({ name: 'v', mountPath: '/a' }, { name: 'p', mountPath: '/a' }), [
    'volumeMounts[1].mountPath: must be unique',
  ]);
  t.deepEqual(mounts({ name: 'v', mountPath: '/a', subPath: '/b/..' }), [
    'volumeMounts.subPath: must be a relative path',
    "volumeMounts.subPath: must not contain '..'",
  ]);
  t.deepEqual(mounts({ name: 'v', mountPath: '/a', mountPropagation: 'Bidirectional' }), [
    'volumeMounts.mountPropagation: Bidirectional mount propagation is available only to privileged containers',
  ]);
  t.deepEqual(mounts({ name: 'v', mountPath: '/a', recursiveReadOnly: 'Enabled' }), [
    'volumeMounts.recursiveReadOnly: may only be specified when readOnly is true',
  ]);
  const device = { name: 'p', devicePath: '/a' };
  t.deepEqual(of({ volumeDevices: [device] }, volumes), []);
  t.deepEqual(of({ volumeDevices: [{ ...device, devicePath: '/../a' }] }, volumes), [
    "volumeDevices[0].devicePath: can not contain backsteps ('..')",
  ]);
  t.deepEqual(of({ volumeMounts: [{ name: 'p', mountPath: '/a' }], volumeDevices: [device] }, volumes), [
    'volumeMounts[0].name: must not already exist in volumeDevices',
    'volumeMounts[0].mountPath: must not already exist as a path in volumeDevices',
    'volumeDevices[0].name: must not already exist in volumeMounts',
    'volumeDevices[0].devicePath: must not already exist as a path in volumeMounts',
  ]);
});

test('a mount of a volume that is itself wrong is not found', (t) => {
  const errors = errorsOf(
    set({
      containers: [container({ volumeMounts: [{ name: 'v', mountPath: '/a' }] })],
      volumes: [{ name: 'v', hostPath: { path: '' } }],
    }),
  );
  t.deepEqual(errors, ['spec.volumes[0].hostPath.path', 'spec.containers[0].volumeMounts[0].name']);
});

test('probes and hooks', (t) => {
  const http = { httpGet: { path: '/', port: 80, scheme: 'HTTP' } };
  const probe = (fields: object, kind = 'livenessProbe'): string[] =>
    of({ [kind]: { successThreshold: 1, ...fields } });
  t.deepEqual(probe(http), []);
  t.deepEqual(probe({ ...http, exec: { command: [] } }), [
    'livenessProbe.exec.command',
    'livenessProbe.httpGet: may not specify more than 1 handler type',
  ]);
  t.deepEqual(probe({ httpGet: { port: 0, scheme: 'FTP', httpHeaders: [{ name: 'a b' }] } }).length, 4);
  t.deepEqual(probe({ ...http, terminationGracePeriodSeconds: 0 }), [
    'livenessProbe.terminationGracePeriodSeconds: must be greater than 0',
  ]);
  t.deepEqual(probe({ ...http, terminationGracePeriodSeconds: 5 }, 'readinessProbe'), [
    'readinessProbe.terminationGracePeriodSeconds: must not be set for readinessProbes',
  ]);
  t.deepEqual(probe({ ...http, successThreshold: 3 }, 'readinessProbe'), []);
  t.regex(
    of({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }).join(),
    /^lifecycle\.preStop\.sleep: must be greater than 0/,
  );
});

test('Q13: a startup probe gets no defaults, so they must be spelled out', (t) => {
  t.deepEqual(of({ startupProbe: { httpGet: { path: '/', port: 80 } } }), [
    'startupProbe.httpGet.scheme: supported values: "HTTP", "HTTPS"',
    'startupProbe.successThreshold: must be 1',
  ]);
});

test('resources', (t) => {
  const resources = (limits: object, requests: object = {}): string[] => of({ resources: { limits, requests } });
  t.deepEqual(
    resources({ cpu: '1', 'ephemeral-storage': '1Gi', 'a.com/gpu': 2 }, { cpu: '100m', 'a.com/gpu': '2' }),
    [],
  );
  t.deepEqual(resources({ cpu: '1' }, { cpu: '2' }), [
    'resources.requests: must be less than or equal to cpu limit of 1',
  ]);
  t.deepEqual(resources({}, { 'a.com/gpu': '1' }), [
    'resources.limits: Limit must be set for non overcommitable resources',
  ]);
  t.deepEqual(resources({ 'a.com/gpu': '1' }, { 'a.com/gpu': '2' }), [
    'resources.requests: must be equal to a.com/gpu limit of 1',
  ]);
  t.deepEqual(resources({ 'hugepages-2Mi': '3Mi' }), ['resources: HugePages require cpu or memory']);
  t.deepEqual(resources({ pods: '1' }), ['resources.limits[pods]: must be a standard resource for containers']);
  t.regex(of({ resources: { claims: [{ name: 'c' }] } }).join(), /^resources\.claims\[0\]: must be one of/);
});

test('security context', (t) => {
  const security = (securityContext: object): string[] => of({ securityContext });
  t.deepEqual(security({ runAsUser: 2 ** 31 }), [
    'securityContext.runAsUser: must be between 0 and 2147483647, inclusive',
  ]);
  t.deepEqual(security({ procMount: 'Bare' }), ['securityContext.procMount: supported values: "Default", "Unmasked"']);
  t.deepEqual(security({ seccompProfile: { type: 'Localhost' } }), [
    'securityContext.seccompProfile.localhostProfile: must be set when seccomp type is Localhost',
  ]);
  t.deepEqual(security({ appArmorProfile: { type: 'RuntimeDefault', localhostProfile: 'p' } }), [
    'securityContext.appArmorProfile.localhostProfile: can only be set when AppArmor type is Localhost',
  ]);
  t.deepEqual(security({ allowPrivilegeEscalation: false, capabilities: { add: ['CAP_SYS_ADMIN'] } }), [
    'securityContext: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
  ]);
});

test('volumes', (t) => {
  t.deepEqual(volume({}), [': must specify a volume type']);
  t.deepEqual(volume({ emptyDir: {}, hostPath: { path: '/' } }), ['hostPath: may not specify more than 1 volume type']);
  t.deepEqual(volume({ hostPath: { path: '/a/../b', type: 'Folder' } }).length, 2);
  t.deepEqual(volume({ secret: { secretName: 's', defaultMode: 0o1000, items: [{ key: 'k', path: '..x' }] } }), [
    'secret.defaultMode: must be a number between 0 and 0777 (octal), both inclusive',
    "secret.items[0].path: must not start with '..'",
  ]);
  t.deepEqual(volume({ nfs: { server: 's', path: 'p' } }), ['nfs.path: must be an absolute path']);
  t.deepEqual(volume({ csi: { driver: 'D', nodePublishSecretRef: {} } }), ['csi.nodePublishSecretRef.name']);
  t.deepEqual(volume({ rbd: { monitors: [], image: '' } }), ['rbd.monitors', 'rbd.image']);
  t.deepEqual(volume({ image: {} }), ['image.pullPolicy']);
  const file = { path: 'a', fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nodeName' } };
  t.regex(volume({ downwardAPI: { items: [file] } }).join(), /^downwardAPI\.fieldRef\.fieldPath: supported values: /);
  const item = { key: 'k', path: 'same' };
  const source = { secret: { name: 's', items: [item] } };
  t.deepEqual(volume({ projected: { sources: [source, source] } }), ['projected: conflicting duplicate paths']);
  t.deepEqual(volume({ ephemeral: { volumeClaimTemplate: { spec: {} } } }), [
    'ephemeral.volumeClaimTemplate.spec.accessModes: at least 1 access mode is required',
    'ephemeral.volumeClaimTemplate.spec.resources[storage]',
  ]);
});

test('init containers that end have no probes, and share their names with the others', (t) => {
  const probe = { exec: { command: ['true'] }, successThreshold: 1 };
  const errors = (fields: object): string[] =>
    errorsOf(set({ initContainers: [container({ name: 'init', ...fields })] }));
  t.deepEqual(errors({ restartPolicy: 'Always', livenessProbe: probe }), []);
  t.deepEqual(errors({ livenessProbe: probe }), [
    'spec.initContainers[0].livenessProbe: may not be set for init containers without restartPolicy=Always',
  ]);
  t.deepEqual(errors({ name: 'side' }), ['spec.initContainers[0].name']);
});

test('integers above 2^53 are shown with all their digits', (t) => {
  const big = '9007199254740993';
  const fields = parseJson(`{
    "securityContext": {"runAsUser": ${big}, "runAsGroup": -${big}},
    "livenessProbe": {"exec": {"command": ["x"]}, "successThreshold": 1, "terminationGracePeriodSeconds": -${big}},
    "lifecycle": {"preStop": {"sleep": {"seconds": ${big}}}}
  }`) as Record<string, unknown>;
  const volumes = parseJson(`[{"name": "v", "projected": {"sources": [
    {"serviceAccountToken": {"path": "a", "expirationSeconds": ${big}}},
    {"serviceAccountToken": {"path": "b", "expirationSeconds": -0}}
  ]}}]`) as [];
  const object = set({ containers: [container(fields)], volumes });
  const generation = parseJson(`-${big}`) as number;
  const { errors } = findings({ ...object, metadata: { ...object.metadata, generation } });
  t.deepEqual(
    errors.map(({ field, badValue }) => [field.replace(/^spec\.containers\[0\]\./, ''), printJson(badValue)]),
    [
      ['metadata.generation', `-${big}`],
      ['spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds', big],
      ['spec.volumes[0].projected.sources[1].serviceAccountToken.expirationSeconds', '0'],
      ['securityContext.runAsUser', big],
      ['securityContext.runAsGroup', `-${big}`],
      ['lifecycle.preStop.sleep', big],
      ['livenessProbe.terminationGracePeriodSeconds', `-${big}`],
    ],
  );
  t.regex(errors.map(errorText).join(), /runAsUser: Invalid value: 9007199254740993: must be between/);
});
