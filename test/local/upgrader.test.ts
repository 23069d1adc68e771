import test from 'ava';
import type { StateFile } from '../../api/pod-contract.ts';
import { countedSince } from '../../local/upgrader.ts';

const state = (startedAt: number, moved: number): StateFile => ({
  version: '1',
  role: 'first',
  phase: 'serving',
  pid: 1,
  startedAt,
  heartbeatAt: startedAt,
  holdsListeners: true,
  counters: { moved, handoverMs: 3 },
});

test('connections are counted from the start of the upgrade, unless another process began at zero', (t) => {
  t.like(countedSince(state(7, 20), state(7, 60)).counters, { moved: 40, cut: 0, handoverMs: 3 });
  t.like(countedSince(state(7, 20), state(8, 5)).counters, { moved: 5 });
  t.like(countedSince(undefined, state(7, 5)).counters, { moved: 5 });
});
