import test from 'ava';
import fc from 'fast-check';
import type { Phase, StateFile } from '../../api/pod-contract.ts';
import type { ContainerStatus } from '../../local/container.ts';
import type { CopyView, UpgradeView } from '../../local/hot-upgrade.ts';
import { decide } from '../../local/hot-upgrade.ts';

const start = 1_000_000;

function copy(
  id: string,
  phase?: Phase,
  state: Partial<StateFile> = {},
  status: Partial<ContainerStatus> = {},
): CopyView {
  const its: ContainerStatus = {
    name: 's',
    image: 'i',
    containerID: id,
    restartCount: 0,
    state: { type: 'running', startedAt: start, pid: 1 },
    hook: 'none',
    ...status,
  };
  if (phase === undefined) return { status: its };
  const file: StateFile = {
    version: '1',
    role: 'first',
    phase,
    pid: 1,
    startedAt: start,
    heartbeatAt: start + 10_000,
    holdsListeners: false,
    counters: {},
    ...state,
  };
  return { status: its, state: file };
}

function view(changes: Partial<UpgradeView>): UpgradeView {
  return {
    phase: 'Upgrading',
    since: start,
    now: start + 10_000,
    deadline: start + 30_000,
    soak: 0,
    drainTimeout: 60_000,
    before: { old: 'A1', new: 'B1' },
    old: copy('A1', 'serving'),
    new: copy('B2', 'waiting'),
    ...changes,
  };
}

const crash = { code: 1, signal: null, at: start, containerID: 'B2', startedAt: start, reason: 'Error' } as const;
const step = (changes: Partial<UpgradeView>) => decide(view(changes));
const does = (changes: Partial<UpgradeView>) => step(changes).do;

test('Upgrading waits until the new container itself serves and its hook has returned', (t) => {
  t.is(does({}), 'wait');
  t.is(does({ new: copy('B2', 'serving') }), 'soak');
  t.is(does({ new: copy('B1', 'serving') }), 'wait', 'still the old container');
  t.is(does({ new: copy('B2', 'serving', {}, { hook: 'running' }) }), 'wait');
  t.is(does({ new: copy('B2', 'serving', {}, { hook: 'succeeded' }) }), 'soak');
  t.is(does({ new: copy('B2', 'serving', { startedAt: start - 1_000 }) }), 'wait', "an earlier life's state file");
});

test('success is looked at before the deadline', (t) => {
  t.is(does({ now: start + 31_000, new: copy('B2', 'serving', { heartbeatAt: start + 30_500 }) }), 'soak');
});

test('a new copy that failed is rolled back, with the reason', (t) => {
  const failures: [string, CopyView, number?][] = [
    ['Crashed', copy('B3', 'waiting', {}, { lastExit: crash })],
    ['Crashed', copy('B2', undefined, {}, { state: { type: 'waiting', reason: 'CrashLoopBackOff' }, lastExit: crash })],
    ['PostStartFailed', copy('B2', 'serving', {}, { hook: 'failed' })],
    ['PostStartFailed', copy('B3', 'waiting', {}, { lastExit: { ...crash, reason: 'PostStartHookError' } })],
    ['ReportedError', copy('B2', 'failed', { error: { code: 'ERR_X', message: 'no' } })],
    ['HeartbeatLost', copy('B2', 'waiting', { heartbeatAt: start + 4_999 })],
    ['DeadlineExceeded', copy('B2'), 30_000],
  ];
  for (const [reason, its, after = 10_000] of failures) {
    const now = start + after;
    const result = step({ new: its, now, old: copy('A1', 'serving', { heartbeatAt: now }) });
    t.is(result.do, 'roll-back', reason);
    t.is(result.do === 'roll-back' ? result.reason : '', reason);
  }
});

test('what the idle life before left behind is no failure of the new copy', (t) => {
  const lastExit = { ...crash, containerID: 'B0' };
  t.is(does({ new: copy('B1', undefined, {}, { lastExit, hook: 'failed' }) }), 'wait');
  t.is(does({ new: copy('B2', 'waiting', {}, { lastExit: { ...crash, containerID: 'B1' } }) }), 'wait');
});

test('a heartbeat may be 5 seconds old', (t) => {
  t.is(does({ new: copy('B2', 'waiting', { heartbeatAt: start + 5_000 }) }), 'wait');
});

test('nothing is rolled back to a copy that cannot take back', (t) => {
  const failed = copy('B3', 'waiting', {}, { lastExit: crash });
  t.is(does({ new: failed, old: copy('A1', 'draining', { holdsListeners: true }) }), 'roll-back');
  t.is(does({ new: failed, old: copy('A1', 'draining') }), 'wait');
  t.is(does({ new: failed, old: copy('A1', 'serving', { heartbeatAt: start }) }), 'wait', 'the old one hangs');
  const late = step({ new: failed, old: copy('A1'), now: start + 30_000 });
  t.is(late.do === 'finish' ? late.result : late.do, 'degraded');
});

test('Soaking lasts for the soak and until the old copy is drained, gone or out of time', (t) => {
  const soaking = { phase: 'Soaking', new: copy('B2', 'serving'), old: copy('A1', 'draining') } as const;
  t.is(does(soaking), 'wait');
  t.is(does({ ...soaking, old: copy('A1', 'drained') }), 'reset');
  t.is(does({ ...soaking, old: copy('A1', 'drained'), soak: 10_001 }), 'wait');
  t.is(does({ ...soaking, old: copy('A2', 'waiting') }), 'reset');
  t.is(does({ ...soaking, drainTimeout: 10_000 }), 'reset');
  t.is(
    does({ ...soaking, new: copy('B3', 'waiting', {}, { lastExit: crash }), old: copy('A1', 'serving') }),
    'roll-back',
  );
});

test('Resetting ends when the old container is another one', (t) => {
  t.is(does({ phase: 'Resetting' }), 'wait');
  t.deepEqual(step({ phase: 'Resetting', old: copy('A2') }), { do: 'finish', result: 'done' });
});

test('RollingBack ends when the new container is another one and the old copy serves', (t) => {
  const rolling = { phase: 'RollingBack', before: { old: 'A1', new: 'B2' } } as const;
  t.is(does({ ...rolling, since: start + 9_000 }), 'wait');
  t.is(does({ ...rolling }), 'kill-new', 'it did not stop within 3 seconds');
  t.deepEqual(step({ ...rolling, new: copy('B3') }), { do: 'finish', result: 'rolled-back' });
  t.is(does({ ...rolling, new: copy('B3'), old: copy('A1', 'draining'), since: start + 9_000 }), 'wait');
  const never = step({ ...rolling, new: copy('B3'), old: copy('A1', 'draining') });
  t.is(never.do === 'finish' ? never.result : never.do, 'degraded');
});

test('the old copy is stopped only while the new one serves, and rolled back to only while it can take back', (t) => {
  const phases: Phase[] = ['starting', 'waiting', 'serving', 'draining', 'drained', 'failed'];
  const any = (id: string): fc.Arbitrary<CopyView> =>
    fc
      .record({
        other: fc.boolean(),
        phase: fc.option(fc.constantFrom(...phases), { nil: undefined }),
        age: fc.integer({ min: 0, max: 12_000 }),
        holdsListeners: fc.boolean(),
        hook: fc.constantFrom('none' as const, 'running' as const, 'succeeded' as const, 'failed' as const),
        running: fc.boolean(),
      })
      .map(({ other, phase, age, holdsListeners, hook, running }) => {
        const state: ContainerStatus['state'] = running
          ? { type: 'running', startedAt: start, pid: 1 }
          : { type: 'waiting', reason: 'CrashLoopBackOff' };
        return copy(
          other ? `${id}2` : `${id}1`,
          phase,
          { heartbeatAt: start + 20_000 - age, holdsListeners },
          { hook, state },
        );
      });
  const upgradePhases = fc.constantFrom('Upgrading' as const, 'Soaking' as const);
  fc.assert(
    fc.property(any('A'), any('B'), upgradePhases, fc.integer({ min: 0, max: 60_000 }), (a, b, phase, drainTimeout) => {
      const now = start + 20_000;
      const result = step({ now, phase, old: a, new: b, drainTimeout });
      const fresh = ({ state, status }: CopyView) =>
        status.state.type === 'running' && state && now - state.heartbeatAt <= 5_000;
      if (result.do === 'reset') return fresh(b) === true && b.state?.phase === 'serving';
      if (result.do === 'roll-back')
        return fresh(a) === true && (a.state?.phase === 'serving' || a.state?.holdsListeners === true);
      return true;
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});
