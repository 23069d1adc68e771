import test from 'ava';
import type { SidecarSetCondition } from '../../api/sidecar-set.ts';
import type { Happening } from '../../cluster/service/recorder.ts';
import { eventsOf } from '../../controller/events.ts';

type Stated = [type: string, status: 'True' | 'False', reason: string, message?: string];
const conditions = (...stated: Stated[]): SidecarSetCondition[] =>
  stated.map(([type, status, reason, message = '']) => ({ type, status, reason, message, lastTransitionTime: '' }));
const told = (before: Stated[] | undefined, after: Stated[], notUpgradable: string[] = []): Happening[] => {
  const counts = { matchedPods: 0, updatedPods: 0, readyPods: 0 };
  return eventsOf(
    before ? { status: { ...counts, conditions: conditions(...before) } } : {},
    { notUpgradable },
    conditions(...after),
  );
};

test('a halt and its end, and the end of a rollout, are told once', (t) => {
  const halted: Stated = ['Halted', 'True', 'FailureThreshold', '1 pods failed'];
  const goes: Stated = ['Halted', 'False', 'BelowThreshold'];
  t.deepEqual(told([goes], [halted]), [{ type: 'Warning', reason: 'RolloutHalted', message: '1 pods failed' }]);
  t.deepEqual(told(undefined, [halted]).length, 1);
  t.deepEqual(told([halted], [halted]), []);
  t.deepEqual(told([halted], [['Halted', 'True', 'FailureThreshold', '2 pods failed']]), []);
  t.like(told([halted], [goes]), [{ type: 'Normal', reason: 'RolloutResumed' }]);
  t.deepEqual(told(undefined, [goes]), []);
  const complete: Stated = ['Progressing', 'False', 'Complete', '3 of 3'];
  t.like(told([['Progressing', 'True', 'Upgrading']], [complete]), [{ reason: 'RolloutComplete', message: '3 of 3' }]);
  t.deepEqual(told([complete], [['Progressing', 'False', 'Complete', '4 of 4']]), []);
  t.deepEqual(told(undefined, [complete]), [], 'a set that is new has rolled nothing out');
});

test('what needs somebody is told each time it changes, what cannot be upgraded in OpenKruise’s words', (t) => {
  const fine: Stated = ['Degraded', 'False', 'AsExpected'];
  const agent: Stated = ['Degraded', 'True', 'NoAgent', '2 pods have no agent'];
  t.deepEqual(told([fine], [agent]), [{ type: 'Warning', reason: 'NoAgent', message: '2 pods have no agent' }]);
  t.deepEqual(told([agent], [agent]), []);
  t.deepEqual(told([agent], [fine]), []);
  const immutable: Stated = ['Degraded', 'True', 'NotUpgradable', '1 pods differ in more than images'];
  t.deepEqual(told([fine], [immutable], ['default/p']), [
    {
      type: 'Normal',
      reason: 'NotUpgradablePods',
      message: 'SidecarSet in-place update detected 1 not upgradable pod(s) in this round, will skip them.',
    },
  ]);
});
