import test from 'ava';
import { upgradeKey } from '../../../api/pod-contract.ts';
import { decide } from '../../../agent/hot-upgrade/decide.ts';
import { usual } from './checked.ts';
import type { Decide } from './search.ts';
import { cyclesIn, explore, stuckIn } from './search.ts';

// A search that finds nothing proves nothing unless it would: agents with one mistake each.

const search = (deciding?: Decide): { violations: number; stuck: number; cycles: number } => {
  let violations = 0;
  const setting = { ...usual, sdk: false, runtime: true, grants: ['none' as const, 'h1' as const, 'h2' as const] };
  const found = explore(setting, () => (violations += 1), deciding);
  return { violations, stuck: stuckIn(found).length, cycles: cyclesIn(found).length };
};

test('the search finds an agent that puts the new image into the copy that serves', (t) => {
  const { violations } = search((view, memory) => {
    const decision = decide(view, memory);
    const { step } = decision;
    if (step.do !== 'patch' || step.phase !== 'Upgrading') return decision;
    const swapped = step.patch.map((operation) => {
      const path = operation.path.replace(/^\/spec\/containers\/(\d)/, (_, index) => `/spec/containers/${1 - index}`);
      return { ...operation, path };
    });
    return { ...decision, step: { ...step, patch: swapped } };
  });
  t.true(violations > 0);
});

test('the search finds an agent that empties the old copy before the new one serves', (t) => {
  const { violations } = search((view, memory) => {
    const { pod } = view;
    // It takes every container's word for it.
    const statuses = pod.status?.containerStatuses?.map((status) => {
      const id = `containerd://${view.runtime?.get(status.name)?.id ?? ''}`;
      return { ...status, ready: true, containerID: id, state: { running: { startedAt: '2026-01-01T11:00:00Z' } } };
    });
    return decide({ ...view, pod: { ...pod, status: { ...pod.status, containerStatuses: statuses ?? [] } } }, memory);
  });
  t.true(violations > 0);
});

test('the search finds an agent that never ends an upgrade', (t) => {
  const { stuck } = search((view, memory) => {
    const decision = decide(view, memory);
    const { step } = decision;
    if (step.do !== 'patch' || step.phase !== 'Resetting') return decision;
    return { ...decision, step: { do: 'wait', set: step.set, because: 'it hesitates', again: view.now } };
  });
  t.true(stuck > 0);
});

test('the search finds an agent that tries a failed revision again and again', (t) => {
  const { cycles } = search((view, memory) => {
    const decision = decide(view, memory);
    const { step } = decision;
    if (step.do !== 'nothing' || !step.because.includes('this revision failed here')) return decision;
    const annotations = { ...view.pod.metadata?.annotations, [upgradeKey]: '' };
    return decide({ ...view, pod: { ...view.pod, metadata: { ...view.pod.metadata, annotations } } }, memory);
  });
  t.true(cycles > 0);
});
