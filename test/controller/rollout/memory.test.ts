import test from 'ava';
import fc from 'fast-check';
import type { Namespace, Pod } from '../../../api/kubernetes.ts';
import type { SidecarSet } from '../../../api/sidecar-set.ts';
import { createMemory, lookWith } from '../../../controller/rollout/memory.ts';
import { plan } from '../../../controller/rollout/plan.ts';
import { subjectOf } from '../../../controller/rollout/subject.ts';
import { now, podOf, setWith } from './scene.ts';

const namespacesWith = (tier: string): Namespace[] => [{ metadata: { name: 'default', labels: { tier } } }];

const first = {
  image: 'side:1',
  hot: false,
  uid: 'u',
  app: 'web',
  resume: '1',
  tier: 'front',
  isForFront: true,
  partition: 0 as number | string,
  matchedPods: 0,
};
/** What may be another at a time: one thing of the set's, its namespace's or its status', and some pods. */
const change = fc.record({
  what: fc.oneof(
    fc.record({ image: fc.constantFrom('side:1', 'side:2', 'side:3') }),
    fc.record({ hot: fc.boolean() }),
    fc.record({ uid: fc.constantFrom('u', 'v') }),
    fc.record({ app: fc.constantFrom('web', 'other') }),
    fc.record({ resume: fc.constantFrom('1', '2') }),
    fc.record({ tier: fc.constantFrom('front', 'back') }),
    fc.record({ isForFront: fc.boolean() }),
    fc.record({ partition: fc.constantFrom<number | string>(0, 1, '50%') }),
    fc.record({ matchedPods: fc.nat(3) }),
  ),
  changed: fc.array(fc.record({ index: fc.nat(4), image: fc.constantFrom('side:1', 'side:2'), ready: fc.boolean() }), {
    maxLength: 2,
  }),
});

test('a plan with a memory is the same as one without, whatever happened in between', (t) => {
  fc.assert(
    fc.property(fc.array(change, { minLength: 3, maxLength: 12 }), (story) => {
      let world = first;
      const memory = createMemory();
      const pods: Pod[] = Array.from({ length: 5 }, (_, index) => podOf(setWith('side:1'), `p${index}`));
      for (const { what, changed } of story) {
        world = { ...world, ...what };
        const { image, hot, uid, app, resume, tier, isForFront, partition, matchedPods } = world;
        const base = setWith(image, { hot, strategy: { partition }, annotations: { 'baton.dev/resume': resume } });
        const set: SidecarSet = {
          metadata: { ...base.metadata, uid },
          spec: {
            ...base.spec,
            selector: { matchLabels: { app } },
            ...(isForFront && { namespaceSelector: { matchLabels: { tier: 'front' } } }),
          },
          status: { matchedPods } as NonNullable<SidecarSet['status']>,
        };
        for (const one of changed) {
          pods[one.index] = podOf(setWith(one.image, { hot }), `p${one.index}`, { ready: one.ready });
        }
        const context = { now, namespaces: namespacesWith(tier), controllerRevision: 's-1', sets: new Set(['s']) };
        t.deepEqual(plan(set, pods, { ...context, memory }), plan(set, pods, context));
      }
    }),
  );
});

test('a pod is read once for all plans of a set, also when its status has changed', (t) => {
  const memory = createMemory();
  const set = setWith('side:1');
  const pod = podOf(set, 'p');
  const found = lookWith(memory, subjectOf(set, []))(pod);
  const later = { ...set, status: { matchedPods: 1 } as NonNullable<SidecarSet['status']> };
  t.is(lookWith(memory, subjectOf(later, []))(pod), found);
  t.not(lookWith(memory, subjectOf(setWith('side:2'), []))(pod), found);
});
