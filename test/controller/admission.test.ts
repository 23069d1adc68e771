import test from 'ava';
import { ApiError } from '../../api/error.ts';
import { hashKey, injectedLabel } from '../../api/pod-contract.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { KubernetesObject } from '../../cluster/cluster.ts';
import { admitPod, admitSidecarSet, whitelistOf, type AdmissionSources } from '../../controller/admission.ts';
import { register } from '../../controller/revisions/history.ts';

const sources = (more: Partial<AdmissionSources> = {}): AdmissionSources => ({
  sidecarSets: [],
  namespaces: [],
  revisions: [],
  now: Date.UTC(2026, 0, 1),
  draw: () => 0.5,
  ...more,
});
const object = (spec: object, apiVersion = 'apps.kruise.io/v1beta1'): KubernetesObject =>
  ({ apiVersion, kind: 'SidecarSet', metadata: { name: 's' }, spec }) as KubernetesObject;
const spec = (image = 'side:1'): object => ({
  selector: { matchLabels: { app: 'a' } },
  containers: [{ name: 'side', image }],
});
const admitted = (image?: string): SidecarSet => admitSidecarSet(object(spec(image)), undefined, sources()).object;
const pod = { metadata: { name: 'p', labels: { app: 'a' } }, spec: { containers: [{ name: 'app', image: 'app:1' }] } };

test('a set is stored with its defaults and hashes, and admitting it again changes nothing', (t) => {
  const set = admitted();
  t.is(set.spec.updateStrategy?.type, 'RollingUpdate');
  t.truthy(set.metadata.annotations?.[hashKey]);
  t.deepEqual(admitSidecarSet(set, set, sources({ sidecarSets: [set] })).object, set);
});

test('a set of v1alpha1 is stored as v1beta1', (t) => {
  const { object: set } = admitSidecarSet(
    object({ ...spec(), namespace: 'shop' }, 'apps.kruise.io/v1alpha1'),
    undefined,
    sources(),
  );
  t.deepEqual(set.spec.namespaceSelector, { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } });
});

test('an invalid set is refused with every field that is wrong', (t) => {
  const wrong = { ...spec(), selector: undefined, updateStrategy: { maxUnavailable: 'x' } };
  const error = t.throws(() => admitSidecarSet(object(wrong), undefined, sources()), { instanceOf: ApiError });
  t.like(error, { code: 'ERR_BATON_INVALID', facts: { status: 422 } });
  t.regex(error.message, /selector/);
  t.regex(error.message, /maxUnavailable/);
});

test('a set that conflicts with another one is refused, and with itself it never does', (t) => {
  const set = admitted();
  const other = { ...object(spec('side:2')), metadata: { name: 'other' } };
  t.throws(() => admitSidecarSet(other, undefined, sources({ sidecarSets: [set] })), { code: 'ERR_BATON_INVALID' });
  const next = { ...set, spec: { ...set.spec, containers: [{ name: 'side', image: 'side:2' }] } };
  t.notThrows(() => admitSidecarSet(next, set, sources({ sidecarSets: [set] })));
});

test('which annotations a set may put on pods, the ConfigMap says', (t) => {
  const set = object({ ...spec(), patchPodMetadata: [{ annotations: { 'my/key': 'x' }, patchPolicy: 'Retain' }] });
  const admit = (whitelist: string | undefined): unknown => admitSidecarSet(set, undefined, sources({ whitelist }));
  const rules = (pattern: string): string | undefined =>
    whitelistOf({
      data: {
        SidecarSet_PatchPodMetadata_WhiteList: JSON.stringify({ rules: [{ allowedAnnotationKeyExprs: [pattern] }] }),
      },
    });
  t.throws(() => admit(whitelistOf(undefined)), { message: /whitelist not found/ });
  t.throws(() => admit(rules('^other/')), { message: /annotation\(my\/key\) is not allowed/ });
  t.notThrows(() => admit(rules('^my/')));
});

test('what may not change is refused on an update', (t) => {
  const set = admitted();
  const renamed = { ...set, spec: { ...set.spec, containers: [{ name: 'another', image: 'side:1' }] } };
  t.throws(() => admitSidecarSet(renamed, set, sources({ sidecarSets: [set] })), { code: 'ERR_BATON_INVALID' });
});

test('a pod is injected into, one that no set matches stays as it is', (t) => {
  const { object: injected } = admitPod(pod, sources({ sidecarSets: [admitted()] }));
  t.deepEqual(
    injected.spec?.containers.map(({ name }) => name),
    ['side', 'app'],
  );
  t.is(injected.metadata.labels?.[injectedLabel], 'true');
  const other = { ...pod, metadata: { ...pod.metadata, labels: {} } };
  t.deepEqual(admitPod(other, sources({ sidecarSets: [admitted()] })), {
    object: other,
    patch: [],
    warnings: [],
  });
});

test('while a set is halted, new pods get the revision that is known to work', (t) => {
  const namespace = 'baton-system';
  const first = register(admitted('side:1'), [], { namespace }).revision;
  const second = register(admitted('side:2'), [first], { namespace }).revision;
  const halted = new Map([['s', first.metadata?.name ?? '']]);
  const from = sources({ sidecarSets: [admitted('side:2')], revisions: [first, second] });
  const imageIn = (its: AdmissionSources): string | undefined => admitPod(pod, its).object.spec?.containers[0]?.image;
  t.is(imageIn(from), 'side:2');
  t.is(imageIn({ ...from, halted }), 'side:1');
});

test('warnings name the set', (t) => {
  const containers = [
    {
      name: 'side',
      image: 'side:1',
      readinessProbe: { httpGet: { port: 80 } },
      upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'side:empty' },
    },
  ];
  const { object: set } = admitSidecarSet(object({ ...spec(), containers }), undefined, sources());
  const [warning = ''] = admitPod(pod, sources({ sidecarSets: [set] })).warnings;
  t.regex(warning, /^SidecarSet s: container side: readinessProbe asks/);
});
