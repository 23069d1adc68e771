import test from 'ava';
import { chronicle, countOpen, type Chronicle, type News } from '../../agent/chronicle.ts';
import { happeningOf } from '../../agent/events.ts';
import type { Memory, View } from '../../agent/hot-upgrade/view.ts';
import { decide } from '../../agent/hot-upgrade/decide.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { versionKey, type StateFile } from '../../api/pod-contract.ts';
import {
  applied,
  granted,
  grantOf,
  injectedAnnotations,
  now,
  podOf,
  rfc,
  stateFile,
  there,
} from './hot-upgrade/scene.ts';

/** One pod from its grant on; what is told of each look. */
function story(): {
  pod: () => Pod;
  /** Looks, takes the step, and gives what is told. */
  look: (ms: number, more?: Partial<View>) => News[];
  run: (container: string, id: string) => void;
  told: () => Chronicle | undefined;
  forget: () => void;
} {
  const containers = ['mesh-1', 'mesh-2'].map((name, index) => ({
    name,
    image: index === 0 ? 'mesh:1' : 'mesh:empty',
  }));
  const grant = grantOf('h2', { mesh: { image: 'mesh:2', emptyImage: 'mesh:empty' } });
  let pod = podOf(containers, { ...injectedAnnotations('mesh'), ...granted(grant) });
  let memory: Memory = { firstLookAt: now };
  let told: Chronicle | undefined;
  return {
    pod: () => pod,
    told: () => told,
    forget: () => void (told = undefined),
    run(name, id) {
      const status = pod.status?.containerStatuses?.find((one) => one.name === name);
      const state = { running: { startedAt: rfc(now + 1000) } };
      Object.assign(status ?? {}, { containerID: `containerd://${id}`, state, ready: true });
    },
    look(ms, more = {}) {
      const view: View = { pod, now: now + ms, stateFiles: new Map(), mayStart: true, ...more };
      const decision = decide(view, memory);
      memory = decision.memory;
      const result = chronicle(told, view, decision.step, memory);
      told = result.chronicle;
      if (decision.step.do === 'patch') pod = applied(pod, decision.step);
      return [...result.news];
    },
  };
}

const reasons = (pod: Pod, news: News[]): string[] => news.map((each) => happeningOf(pod, each).reason);
const files = (...all: StateFile[]): Partial<View> => ({ stateFiles: new Map([['mesh', all]]) });

test('each phase is told once, with its duration, and the end with what the copies counted', (t) => {
  const { pod, look, run, told } = story();
  const old = (ms: number, phase: StateFile['phase']): StateFile =>
    stateFile('1', phase, { heartbeatAt: now + ms, counters: { moved: 12, finished: 3, cut: 0 } });
  t.deepEqual(look(0, files(old(0, 'serving'))), []);
  t.deepEqual(reasons(pod(), look(10, files(old(0, 'serving')))), ['HotUpgradeStarted']);
  t.deepEqual(look(20, files(old(0, 'serving'))), []);
  t.is(countOpen(told()), 1);
  run('mesh-2', 'next');
  const version = pod().metadata?.annotations?.[versionKey('mesh-2')] ?? '';
  const at = { heartbeatAt: now + 2_000, startedAt: now + 1_500, servingAt: now + 2_000 };
  const fresh = stateFile(version, 'serving', { ...at, counters: { handoverMs: 1.25 } });
  const serving = look(2_000, files(old(2_000, 'drained'), fresh));
  t.like(serving, [{ phase: 'Soaking', before: { phase: 'Upgrading', ms: 2_000 } }]);
  t.deepEqual(reasons(pod(), look(2_100, files(fresh))), ['HotUpgradeResetting']);
  run('mesh-1', 'emptied');
  const [done] = look(3_000);
  t.like(done, { phase: 'Done', ms: 3_000, before: { phase: 'Resetting' } });
  t.like(done && happeningOf(pod(), done), {
    type: 'Normal',
    reason: 'HotUpgradeDone',
    message: 'SidecarSet s: done in 3.0 s; pause 1.3 ms, connections: 12 moved, 3 finished, 0 cut',
  });
  t.is(countOpen(told()), 0);
});

test('an agent that comes new tells what is under way, by the same name, and nothing that is long over', (t) => {
  const { pod, look, forget } = story();
  look(0);
  const [first] = look(10);
  forget();
  const [again] = look(20);
  t.like(again, { phase: 'Upgrading', isNew: false });
  t.truthy(first);
  t.deepEqual(again && happeningOf(pod(), again).id, first && happeningOf(pod(), first).id);
  forget();
  t.deepEqual(
    look(3_600_000).filter(({ is }) => is === 'phase'),
    [],
  );
});

test('a copy that the kubelet calls ready and that says it failed was never told to serve', (t) => {
  const { pod, look, run } = story();
  const old = (ms: number): StateFile => stateFile('1', 'serving', { heartbeatAt: now + ms });
  look(0, files(old(0)));
  look(10, files(old(0)));
  run('mesh-2', 'next');
  const version = pod().metadata?.annotations?.[versionKey('mesh-2')] ?? '';
  const error = { code: 'ERR_X', message: 'no port' };
  const at = { heartbeatAt: now + 2_000, startedAt: now + 1_500 };
  t.deepEqual(look(2_000, files(old(2_000), stateFile(version, 'failed', { ...at, error }))), []);
  const [back] = look(2_100);
  t.like(back && happeningOf(pod(), back), {
    type: 'Warning',
    reason: 'HotUpgradeRollingBack',
    message: 'SidecarSet s: ReportedError: mesh-2 reported ERR_X: no port; mesh-1 serves on',
  });
});

test('a pull is told when it ends, trouble when it begins', (t) => {
  const { pod, look } = story();
  const images = (state?: 'running' | 'unclear'): Partial<View> => {
    const pull = { state: 'unclear', since: now, message: 'time-out' } as const;
    const entry = state === 'running' ? ({ state, since: now } as const) : pull;
    return { images: { present: there('mesh:empty'), pulls: new Map(state ? [['mesh:2', entry]] : []) } };
  };
  t.deepEqual(look(0, images()), []);
  t.deepEqual(reasons(pod(), look(10, images())), ['HotUpgradePulling']);
  t.deepEqual(look(20, images('running')), []);
  const [ended] = look(1_510, images('unclear'));
  t.like(ended, { is: 'pull', result: 'unclear', ms: 1_500 });
  t.is(ended && happeningOf(pod(), ended).reason, 'HotUpgradePullFailed');
  Object.assign(pod().metadata?.annotations ?? {}, { 'baton.dev/upgrade': 'x' });
  t.deepEqual(reasons(pod(), look(1_520)), ['HotUpgradeBlocked']);
  t.deepEqual(look(1_530), []);
});
