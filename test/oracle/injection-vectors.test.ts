import test from 'ava';
import { baseOf } from '../../api/canary.ts';
import type { Container, ControllerRevision, Pod } from '../../api/kubernetes.ts';
import { patchAnnotations } from '../../api/pod-metadata.ts';
import type { PodMetadataPatch, ResourcesPolicy, SidecarContainer, SidecarSet } from '../../api/sidecar-set.ts';
import { inject, type Injected } from '../../controller/inject/inject.ts';
import { mergeContainers, sortByName } from '../../controller/inject/merging.ts';
import { resourcesFor } from '../../controller/inject/resources.ts';
import { uniqueByName } from '../../controller/inject/volumes.ts';
import { vectors } from './corpus.ts';

/** A pod that a set matches, injected. */
function injectInto(pod: Pod, spec: SidecarSet['spec'], revisions: ControllerRevision[] = [], drawn = 0.5): Injected {
  const set: SidecarSet = {
    metadata: { name: 'sidecarset1' },
    spec: { selector: { matchLabels: { app: 'a' } }, ...spec },
  };
  const labelled = { ...pod, metadata: { ...pod.metadata, labels: { app: 'a' } } };
  return inject({ pod: labelled, sidecarSets: [set], namespaces: [], revisions, now: 0, draw: () => drawn });
}

const named = (name: string): Container => ({ name });

interface MetadataVector {
  pod: Record<string, string>;
  patches: [PodMetadataPatch['patchPolicy'], Record<string, string>][];
  expected: Record<string, string>;
}

for (const { pod, patches, expected } of vectors('patchPodMetadata') as MetadataVector[]) {
  test(`patchPodMetadata ${JSON.stringify(patches)} on ${JSON.stringify(pod)}`, (t) => {
    const list = patches.map(([patchPolicy, annotations]) => ({ annotations, ...(patchPolicy && { patchPolicy }) }));
    t.deepEqual(patchAnnotations(pod, list), { annotations: expected, unmerged: [] });
  });
}

for (const vector of vectors('isCanary') as { canary: string | null; base: string | null; expected: boolean }[]) {
  const { canary, base, expected } = vector;
  test(`isCanary ${JSON.stringify({ canary, base })}`, (t) => {
    const annotations = {
      ...(canary !== null && { 'apps.kruise.io/sidecarset-canary': canary }),
      ...(base !== null && { 'apps.kruise.io/sidecarset-base': base }),
    };
    t.is(baseOf({ metadata: { annotations }, spec: {} }) !== undefined, expected);
  });
}

const stored: ControllerRevision = {
  metadata: { name: 'sidecarset1-1', labels: { 'kruise.io/sidecarset-name': 'sidecarset1' } },
  revision: 1,
  data: { spec: { $patch: 'replace', containers: [{ name: 'side', image: 'side:old' }] } },
};

/** What the words of `canaryInjection` mean for set and history. */
const canaryCases: Record<string, [SidecarSet['spec']['updateStrategy'], ControllerRevision[]]> = {
  'pod does not match updateStrategy.selector, policy Partial': [{ selector: { matchLabels: { b: 'c' } } }, [stored]],
  'pod matches, partition 100%': [{ selector: { matchLabels: { app: 'a' } }, partition: '100%' }, [stored]],
  'pod matches, partition 0%': [{ selector: { matchLabels: { app: 'a' } }, partition: '0%' }, [stored]],
  'no ControllerRevision': [{ partition: '100%' }, []],
  'selector operator badOp': [{ selector: { matchExpressions: [{ key: 'a', operator: 'badOp' }] } }, [stored]],
};

for (const vector of vectors('canaryInjection') as { case: string; expected: string }[]) {
  test(`canaryInjection ${vector.case}`, (t) => {
    const [updateStrategy = {}, revisions = []] = canaryCases[vector.case] ?? [];
    const { pod, warnings } = injectInto(
      { spec: { containers: [named('app')] } },
      {
        containers: [{ name: 'side', image: 'side:new' }],
        updateStrategy,
        injectionStrategy: { revision: { revisionName: 'sidecarset1-1', policy: 'Partial' } },
      },
      revisions,
    );
    const image = pod.spec?.containers.find(({ name }) => name === 'side')?.image;
    const injected = image === 'side:old' ? 'historical' : 'latest';
    if (vector.expected === 'error') t.is(warnings.length, 1, 'Q21: a warning, and the pod is created');
    else t.is(injected, vector.expected);
  });
}

interface MergeVector {
  origins: string[];
  injected: [string, 'Before' | 'After' | ''][];
  expected: string[];
}

for (const { origins, injected, expected } of vectors('mergeContainers') as MergeVector[]) {
  test(`mergeContainers ${JSON.stringify(injected)} into ${JSON.stringify(origins)}`, (t) => {
    const policies = { Before: 'BeforeAppContainer', After: 'AfterAppContainer', '': undefined } as const;
    const placed = injected.map(([name, where]) => ({ container: named(name), policy: policies[where] }));
    const merged = mergeContainers(origins.map(named), sortByName(placed));
    t.deepEqual(
      merged.map(({ name }) => name),
      expected,
    );
  });
}

interface SecretsVector {
  set: string[];
  pod: string[];
  expectedCount: number;
  expectedOrder?: string[];
}

for (const { set, pod, expectedCount, expectedOrder } of vectors('pullSecrets') as SecretsVector[]) {
  test(`pullSecrets ${JSON.stringify(set)} into ${JSON.stringify(pod)}`, (t) => {
    const names = uniqueByName([...pod.map(named), ...set.map(named)]).map(({ name }) => name);
    t.is(names.length, expectedCount);
    if (expectedOrder) t.deepEqual(names, expectedOrder);
  });
}

interface ResourcesVector {
  mode: ResourcesPolicy['targetContainersMode'];
  regex: string;
  targets: Record<string, Container['resources']>;
  expr: ResourcesPolicy['resourcesExpr'];
  expected: Container['resources'] | 'error';
}

for (const { mode, regex, targets, expr, expected } of vectors('resourcesPolicy') as ResourcesVector[]) {
  test(`resourcesPolicy ${mode} ${regex} ${JSON.stringify(expr)}`, (t) => {
    const policy = { targetContainersMode: mode, targetContainersNameRegex: regex, resourcesExpr: expr };
    const containers = Object.entries(targets).map(([name, resources]) => ({ name, resources: resources ?? {} }));
    const compute = (): Container['resources'] => resourcesFor('side', policy, { spec: { containers } }, new Set());
    if (expected === 'error') t.throws(compute, { code: 'ERR_BATON_RESOURCES' });
    else t.deepEqual(compute(), expected);
  });
}

test('hotInjection', (t) => {
  const { expectedContainers, images, annotations } = vectors('hotInjection') as {
    expectedContainers: string[];
    images: Record<string, string>;
    annotations: Record<string, string>;
  };
  const sidecars: SidecarContainer[] = [
    {
      name: 'dns-f',
      image: 'dns-f-image:1.0',
      podInjectPolicy: 'BeforeAppContainer',
      upgradeStrategy: { upgradeType: 'HotUpgrade', hotUpgradeEmptyImage: 'busy:hotupgrade-empty' },
    },
    { name: 'log-agent', image: 'log-agent-image:1.0', podInjectPolicy: 'AfterAppContainer' },
  ];
  const { pod } = injectInto(
    { spec: { containers: [named('nginx')], initContainers: [named('init-0')] } },
    { containers: sidecars },
  );
  const containers = pod.spec?.containers ?? [];
  t.deepEqual(
    containers.map(({ name }) => name),
    expectedContainers,
  );
  for (const [name, image] of Object.entries(images)) {
    t.is(containers.find((container) => container.name === name)?.image, image);
  }
  t.like(pod.metadata?.annotations, annotations);
});
