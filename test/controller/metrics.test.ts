import test from 'ava';
import { Registry } from 'prom-client';
import type { Pod } from '../../api/kubernetes.ts';
import type { SidecarSet, UpdateStrategy } from '../../api/sidecar-set.ts';
import { createMeters } from '../../cluster/service/meters.ts';
import { createMetrics } from '../../controller/metrics.ts';
import { plan } from '../../controller/rollout/plan.ts';
import { now, podOf, podsOf, setWith } from './rollout/scene.ts';

const oldPods = podsOf(setWith('side:1'), 2);
const set = (strategy: UpdateStrategy = {}): SidecarSet => setWith('side:2', { strategy });
const upgrading = /^baton_rollout_upgrading\{.*\} (\d)$/m;

test('a rollout counts as going on while pods are upgraded or wait for others, and only then', async (t) => {
  const registry = new Registry();
  const metrics = createMetrics(createMeters(registry), () => 0);
  const after = async (one: SidecarSet, pods: readonly Pod[]): Promise<string | undefined> => {
    metrics.planned(one, plan(one, pods, { now }));
    return upgrading.exec(await registry.metrics())?.[1];
  };
  t.is(await after(set(), oldPods), '1');
  t.is(await after(set({ paused: true }), oldPods), '0');
  t.is(await after(set({ partition: 2 }), oldPods), '0');
  t.is(await after(set(), [podOf(set(), 'n')]), '0', 'complete');
  t.is(await after(set(), [podOf(set(), 'n', { ready: false })]), '0', 'an app that is not ready is not the rollout’s');
  t.is(await after(set(), [...oldPods, podOf(set(), 'n', { ready: false })]), '1', 'others wait for it');
  metrics.forgotten(set().metadata.name ?? '');
  t.notRegex(await registry.metrics(), upgrading);
});
