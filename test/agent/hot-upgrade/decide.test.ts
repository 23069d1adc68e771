import test from 'ava';
import { recordsOn } from '../../../agent/hot-upgrade/view.ts';
import { decide } from '../../../agent/hot-upgrade/decide.ts';
import type { Step } from '../../../agent/hot-upgrade/step.ts';
import type { View } from '../../../agent/hot-upgrade/view.ts';
import type { GrantedSidecar } from '../../../api/grant.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import { hashKey, inPlaceStateKey, versionAltKey, versionKey, workingKey } from '../../../api/pod-contract.ts';
import type { StateFile } from '../../../api/pod-contract.ts';
import type { ContainerScene } from './scene.ts';
import {
  applied,
  granted,
  grantOf,
  imagesOn,
  injectedAnnotations,
  now,
  podOf,
  recordOn,
  rfc,
  seen,
  stateFile,
  viewOf,
  there,
} from './scene.ts';

const mesh: GrantedSidecar = { image: 'mesh:2', emptyImage: 'E' };
const second = grantOf('h2', { mesh });
const serving1 = stateFile('1', 'serving');
const fresh = (id: string, status: ContainerScene['status'] = {}): Pick<ContainerScene, 'id' | 'status'> => ({
  id,
  status: {
    state: { running: { startedAt: rfc(now - 60_000) } },
    lastState: { terminated: { exitCode: 0, containerID: 'containerd://B0', startedAt: rfc(now - 7_200_000) } },
    ...status,
  },
});

/** A pod with one pair; each container may be changed. */
function pod(first: Partial<ContainerScene>, other: Partial<ContainerScene>, annotations: Record<string, string>): Pod {
  return podOf(
    [
      { name: 'mesh-1', image: 'mesh:1', id: 'A1', ...first },
      { name: 'mesh-2', image: 'E', id: 'B0', ...other },
      { name: 'main', image: 'app' },
    ],
    annotations,
  );
}
const idle = (grant = second) => pod({}, {}, { ...injectedAnnotations('mesh'), ...granted(grant) });
const look = (view: View, memory = seen): Step => decide(view, memory).step;
const files = (...all: ReturnType<typeof stateFile>[]): Partial<View> => ({ stateFiles: new Map([['mesh', all]]) });

/** The pod after the first patch, which was written a minute ago, with the new copy as given. */
function upgrading(other: Partial<ContainerScene> = fresh('B1'), grant = second): Pod {
  const start = look(viewOf(idle(grant), { ...files(serving1), now: now - 60_000 }));
  const { annotations } = applied(idle(grant), start).metadata ?? {};
  return pod({}, { image: 'mesh:2', ...other }, annotations ?? {});
}

test('a grant begins with one patch: image, versions, hash, in-place state, record', (t) => {
  const step = look(viewOf(idle(), files(serving1)));
  t.like(step, { do: 'patch', phase: 'Upgrading', resourceVersion: '900' });
  const after = applied(idle(), step);
  t.like(imagesOn(after), { 'mesh-1': 'mesh:1', 'mesh-2': 'mesh:2', main: 'app' });
  const annotations = after.metadata?.annotations ?? {};
  t.is(annotations[workingKey], '{"mesh":"mesh-2"}');
  t.is(annotations[versionKey('mesh-2')], '200');
  t.is(annotations[versionAltKey('mesh-2')], '1');
  t.is(annotations[versionAltKey('mesh-1')], '200');
  t.regex(annotations[hashKey] ?? '', /^\{"s":\{"updateTimestamp":"2026-01-01T12:00:00Z","hash":"h2"/);
  t.regex(annotations[inPlaceStateKey] ?? '', /\{"mesh-2":\{"imageID":"id\/E"\}\}/);
  t.like(recordOn(after), {
    phase: 'Upgrading',
    deadline: now + 300_000,
    highestVersion: '200',
    previous: {
      working: { mesh: 'mesh-1' },
      versions: { 'mesh-1': '1', 'mesh-2': '0' },
      images: { 'mesh-1': 'mesh:1', 'mesh-2': 'E' },
      containerIDs: { 'mesh-1': 'A1', 'mesh-2': 'B0' },
    },
  });
  t.is(recordOn(after).previous.hash?.hash, 'h1');
});

test('Q30: the version only grows, also above what a JavaScript number holds', (t) => {
  const version = (first: string, grant: string): string => {
    const annotations = { ...injectedAnnotations('mesh'), [versionKey('mesh-1')]: first };
    const its = pod({}, {}, { ...annotations, ...granted(grantOf('h2', { mesh }, { version: grant })) });
    return recordOn(applied(its, look(viewOf(its, files(serving1))))).highestVersion;
  };
  t.is(version('9007199254740993', '5'), '9007199254740994');
  t.is(version('5', '9007199254740993'), '9007199254740993');
});

test('nothing is done without a grant, for a finished one, or for a pod that is deleted or not as injected', (t) => {
  const nothing = (its: Pod) => t.is(look(viewOf(its, files(serving1))).do, 'nothing');
  nothing(pod({}, {}, injectedAnnotations('mesh')));
  nothing(idle(grantOf('h1', { mesh: { ...mesh, image: 'mesh:1' } })));
  nothing({ ...idle(), metadata: { ...idle().metadata, deletionTimestamp: rfc(now) } });
  nothing({ ...idle(), status: { ...idle().status, phase: 'Succeeded' } });
  nothing(podOf([{ name: 'mesh-1', image: 'mesh:1' }], { ...injectedAnnotations('mesh'), ...granted(second) }));
  nothing(idle(grantOf('h2', { other: { image: 'o' } })));
});

test('a grant or a record that cannot be read is said, and the pod left as it is', (t) => {
  for (const value of ['x', 'null', '[]', '{"s":5}', '{"s":{"v":2}}']) {
    const said = (annotation: string, annotations: Record<string, string>): void => {
      const its = pod({}, {}, { ...injectedAnnotations('mesh'), ...annotations });
      const step = look(viewOf(its, files(serving1)));
      t.like(step, { do: 'nothing', blocked: true }, value);
      t.regex('because' in step ? step.because : '', new RegExp(`the annotation ${annotation} cannot be read: .+`));
    };
    said('baton.dev/grant', { 'baton.dev/grant': value });
    said('baton.dev/upgrade', { ...granted(second), 'baton.dev/upgrade': value });
  }
});

test('what cannot be read of one set stops no other one, and is kept', (t) => {
  const grants = { 'baton.dev/grant': granted(second)['baton.dev/grant']?.replace('{', '{"other":5,') ?? '' };
  const its = pod({}, {}, { ...injectedAnnotations('mesh'), ...grants, 'baton.dev/upgrade': '{"third":{"v":2}}' });
  const step = look(viewOf(its, files(serving1)));
  t.like(step, { do: 'patch', set: 's' });
  const { 'baton.dev/upgrade': records } = applied(its, step).metadata?.annotations ?? {};
  t.like(JSON.parse(records ?? ''), { s: { phase: 'Upgrading' }, third: { v: 2 } });
});

test("the node's limit holds back only what has not begun", (t) => {
  t.like(look(viewOf(idle(), { ...files(serving1), mayStart: false })), { do: 'wait' });
  const both = files(stateFile('1', 'drained'), stateFile('200', 'serving'));
  t.is(look(viewOf(upgrading(), { ...both, mayStart: false })).do, 'patch');
});

test('the new copy serves only by its own new life, its own heartbeat and the kubelet', (t) => {
  const step = (other: Partial<ContainerScene>, state = stateFile('200', 'serving')) =>
    look(viewOf(upgrading(other), files(stateFile('1', 'drained'), state))).do;
  t.is(step(fresh('B1')), 'patch');
  t.is(step({ id: 'B0' }), 'wait', 'still the idle life');
  t.is(step(fresh('B1', { ready: false })), 'wait');
  t.is(step(fresh('B1'), stateFile('200', 'waiting')), 'wait');
  t.is(
    step(fresh('B1'), stateFile('200', 'serving', { startedAt: now - 3_600_000 })),
    'wait',
    "an earlier life's file",
  );
});

test('a busy node notes the start of a container later than its process began', (t) => {
  const began = now - 3_600_000 - 1_500;
  const states = files(stateFile('1', 'drained', { startedAt: began }), stateFile('200', 'serving'));
  const its = upgrading(fresh('B1'));
  t.is(look(viewOf(its, states)).do, 'patch', 'the old one has drained');
  const runtimeWith = (createdAt: number) =>
    new Map([
      ['mesh-1', { id: 'A1', running: true, createdAt, startedAt: now - 3_600_000, exits: [] }],
      ['mesh-2', { id: 'B1', running: true, createdAt: now - 61_000, startedAt: now - 59_000, exits: [] }],
    ]);
  t.is(look(viewOf(its, { ...states, runtime: runtimeWith(began - 100) })).do, 'patch');
  t.is(look(viewOf(its, { ...states, runtime: runtimeWith(began + 100) })).do, 'wait', 'an earlier life wrote it');
});

test('the reset empties the old copy, and Done is seen', (t) => {
  const its = upgrading();
  const view = viewOf(its, files(stateFile('1', 'drained'), stateFile('200', 'serving')));
  const step = look(view);
  t.like(step, { do: 'patch', phase: 'Resetting' });
  const after = applied(its, step);
  t.like(imagesOn(after), { 'mesh-1': 'E', 'mesh-2': 'mesh:2' });
  const annotations = after.metadata?.annotations ?? {};
  t.is(annotations[versionKey('mesh-1')], '0');
  t.is(annotations[versionAltKey('mesh-2')], '0');
  t.is(annotations[workingKey], '{"mesh":"mesh-2"}');
  t.like(recordOn(after), { phase: 'Resetting', result: 'done', emptied: ['mesh-1'] });
  t.is(look({ ...view, pod: after }).do, 'wait');
  const done = pod({ image: 'E', id: 'A2' }, { image: 'mesh:2', ...fresh('B1') }, annotations);
  t.is(look({ ...view, pod: done }).do, 'nothing');
});

test('Q4: soak and drain: at least the one, at most the other', (t) => {
  const soaking = grantOf('h2', { mesh: { ...mesh, soakSeconds: 10, drainTimeoutSeconds: 30 } });
  const step = (old: Parameters<typeof stateFile>[1] | undefined, servedFor: number): Step => {
    const state = stateFile('200', 'serving', { servingAt: now - servedFor });
    return look(viewOf(upgrading(fresh('B1'), soaking), files(...(old ? [stateFile('1', old)] : []), state)));
  };
  t.like(step('drained', 9_000), { do: 'wait', again: now + 1_000 });
  t.is(step('drained', 10_000).do, 'patch');
  t.is(step('draining', 29_000).do, 'wait');
  t.is(step('draining', 30_000).do, 'patch');
  t.like(step('waiting', 9_000), { do: 'wait', again: now + 1_000 });
  t.is(step('waiting', 10_000).do, 'patch', 'an old copy that was restarted and waits has nothing to drain');
  t.is(step(undefined, 10_000).do, 'patch', 'an old copy without the SDK says nothing');
});

test('success is looked at before the deadline', (t) => {
  const late = now + 600_000;
  const moved = (phase: Parameters<typeof stateFile>[1], version: string) =>
    stateFile(version, phase, { heartbeatAt: late - 500 });
  t.like(look(viewOf(upgrading(), { ...files(moved('drained', '1'), moved('serving', '200')), now: late })), {
    do: 'patch',
    phase: 'Resetting',
  });
});

const crash = (id: string): ContainerScene['status'] => ({
  state: { waiting: { reason: 'CrashLoopBackOff' } },
  ready: false,
  lastState: {
    terminated: {
      exitCode: 1,
      reason: 'Error',
      containerID: `containerd://${id}`,
      startedAt: rfc(now - 50_000),
    },
  },
});

test('Q3: a new copy that failed is rolled back, with the reason', (t) => {
  const old = stateFile('1', 'drained');
  const cases: [string, Partial<ContainerScene>, ReturnType<typeof stateFile>[], number?][] = [
    ['Crashed', { id: 'B1', status: crash('B1') }, []],
    ['Crashed', { id: 'B2', status: { ...crash('B1'), state: { running: { startedAt: rfc(now - 3_000) } } } }, []],
    [
      'PostStartFailed',
      { id: 'B1', status: { ...crash('B1'), state: { waiting: { reason: 'PostStartHookError' } } } },
      [],
    ],
    ['ImageUnavailable', { status: { ready: false, state: { waiting: { reason: 'ImagePullBackOff' } } } }, []],
    ['ReportedError', fresh('B1'), [stateFile('200', 'failed', { error: { code: 'ERR_X', message: 'no' } })]],
    ['HeartbeatLost', fresh('B1'), [stateFile('200', 'serving', { heartbeatAt: now - 5_001 })]],
    ['DeadlineExceeded', fresh('B1'), [stateFile('200', 'waiting')], 240_001],
    ['DeadlineExceeded', {}, [], 240_001],
  ];
  for (const [reason, other, states, later = 0] of cases) {
    const at = now + later;
    const late = (state: ReturnType<typeof stateFile>) => ({ ...state, heartbeatAt: state.heartbeatAt + later });
    const its = upgrading(other);
    const step = look(viewOf(its, { ...files(late(old), ...states.map(late)), now: at }));
    t.like(step, { do: 'patch', phase: 'RollingBack' }, reason);
    const after = applied(its, step);
    t.is(recordOn(after).reason, reason as never);
    t.like(imagesOn(after), { 'mesh-1': 'mesh:1', 'mesh-2': 'E' });
    const annotations = after.metadata?.annotations ?? {};
    t.is(annotations[workingKey], '{"mesh":"mesh-1"}');
    t.is(annotations[versionKey('mesh-2')], '0');
    t.is(annotations[versionAltKey('mesh-1')], '0');
    t.deepEqual(JSON.parse(annotations[hashKey] ?? ''), JSON.parse(injectedAnnotations('mesh')[hashKey] ?? ''));
  }
});

test('what the idle life did before is no failure of the new one', (t) => {
  const earlier = { terminated: { exitCode: 1, containerID: 'containerd://B-1', startedAt: rfc(now - 7_200_000) } };
  const states = files(stateFile('1', 'draining'), stateFile('200', 'waiting'));
  t.is(look(viewOf(upgrading({ id: 'B0', status: { lastState: earlier } }), states)).do, 'wait');
  t.is(look(viewOf(upgrading(fresh('B1')), states)).do, 'wait');
  const runtime = new Map([['mesh-2', { id: 'B1', running: true, startedAt: now - 59_000, exits: [] }]]);
  const lagging = upgrading({ id: 'B0', status: { lastState: earlier } });
  t.is(look(viewOf(lagging, { ...states, runtime })).do, 'wait');
});

test('a copy that was killed while its hook hid it: the hook failed, and the kubelet did it', (t) => {
  const hidden = upgrading({ id: 'B0' });
  const reasonAfter = (exitCode: number, reason = 'Error', ...states: StateFile[]): string | undefined => {
    const exits = [{ id: 'B1', reason, exitCode, startedBy: now }];
    const runtime = new Map([['mesh-2', { id: 'B1', running: false, exits }]]);
    const step = look(viewOf(hidden, { ...files(stateFile('1', 'serving'), ...states), runtime }));
    return recordsOn(applied(hidden, step)).get('s')?.reason;
  };
  t.is(reasonAfter(137), 'PostStartFailed');
  t.is(reasonAfter(143), 'PostStartFailed');
  t.is(reasonAfter(137, 'OOMKilled'), 'Crashed');
  t.is(reasonAfter(1), 'Crashed');
  t.is(reasonAfter(0, 'Completed', stateFile('200', 'stopped')), 'PostStartFailed', 'it took SIGTERM');
  t.is(reasonAfter(0, 'Completed', stateFile('200', 'serving')), 'Crashed');
});

test('a copy that the kubelet still started with the image from before the last patch', (t) => {
  const its = upgrading({ id: 'B0' });
  const images = { present: there('mesh:1', 'mesh:2', 'mesh:old', 'E'), pulls: new Map() };
  const patchedAt = now - 60_000;
  const step = (image: string, startedBy: number, running = false, at = patchedAt + 5_000): Step => {
    const life = { id: 'B1', image: [`id/${image}`, 'B1@digest'] };
    const exits = running ? [] : [{ ...life, startedBy, exitCode: 0 }];
    const runtime = new Map([['mesh-2', { ...life, running, startedAt: startedBy, exits }]]);
    const shown = running ? upgrading(fresh('B1')) : its;
    // Without the SDK, nothing but the container itself tells what it is.
    return look(viewOf(shown, { ...files(), images, runtime, now: at }));
  };
  t.is(step('mesh:old', patchedAt + 1_000).do, 'wait', 'it made room for the new one');
  t.like(step('mesh:2', patchedAt + 1_000), { do: 'patch', phase: 'RollingBack' });
  t.like(step('mesh:old', patchedAt + 30_000, false, now), { do: 'patch', phase: 'RollingBack' }, 'a tag was moved');
  t.is(step('mesh:old', patchedAt + 1_000, true).do, 'wait', 'it does not serve');
  t.like(step('mesh:2', patchedAt + 1_000, true), { do: 'patch', phase: 'Resetting' });
  t.like(step('mesh:old', patchedAt + 30_000, true, now), { do: 'patch', phase: 'Resetting' }, 'a tag was moved');
});

test('a roll-back is not over while the kubelet started the new image once more, and that is stopped', (t) => {
  const failing = upgrading({ id: 'B1', status: crash('B1') });
  const images = { present: there('mesh:1', 'mesh:2', 'E'), pulls: new Map() };
  const back = applied(failing, look(viewOf(failing, { ...files(serving1), images })));
  t.is(recordOn(back).phase, 'RollingBack');
  const step = (id: string, image: string, at: number): Step => {
    const runtime = new Map([
      ['mesh-2', { id, image: [`id/${image}`], running: true, startedAt: now + 100, exits: [] }],
    ]);
    return look(viewOf(back, { ...files(stateFile('1', 'serving', { heartbeatAt: at })), images, runtime, now: at }));
  };
  t.is(step('B2', 'mesh:2', now + 1_000).do, 'wait', 'the kubelet may do it');
  t.like(step('B2', 'mesh:2', now + 3_000), { do: 'stop-container', container: 'mesh-2', id: 'B2' });
  t.is(step('B2', 'E', now + 3_000).do, 'nothing');
});

test('a hook that hangs does not keep a newer version away', (t) => {
  const third = grantOf('h3', { mesh: { ...mesh, image: 'mesh:3' } }, { version: '300' });
  const hidden = upgrading({ id: 'B0' });
  const its = {
    ...hidden,
    metadata: { ...hidden.metadata, annotations: { ...hidden.metadata?.annotations, ...granted(third) } },
  };
  const images = { present: there('mesh:1', 'mesh:2', 'mesh:3', 'E'), pulls: new Map() };
  const hanging = { id: 'B1', image: ['id/mesh:2'], running: true, startedAt: now - 59_000, exits: [] };
  const view = (pod: Pod, at: number, ...states: StateFile[]): View => {
    const runtime = new Map([['mesh-2', hanging]]);
    return viewOf(pod, {
      ...files(stateFile('1', 'serving', { heartbeatAt: at }), ...states),
      images,
      runtime,
      now: at,
    });
  };
  const instead = look(view(its, now));
  t.like(instead, { do: 'patch', phase: 'Upgrading' });
  const given = applied(its, instead);
  t.like(imagesOn(given), { 'mesh-2': 'mesh:3' });
  t.is(look(view(given, now + 9_999)).do, 'wait');
  t.like(look(view(given, now + 10_000)), { do: 'stop-container', container: 'mesh-2', id: 'B1' });
  const old = stateFile('1', 'drained', { holdsListeners: false, heartbeatAt: now + 10_000 });
  const { stateFiles } = files(old, stateFile('200', 'serving', { heartbeatAt: now + 10_000 }));
  t.is(look({ ...view(given, now + 10_000), stateFiles: stateFiles ?? new Map() }).do, 'wait', 'it is the only one');
});

test('nothing is rolled back to a copy that cannot take back: Degraded, and looked at again', (t) => {
  const failed = { id: 'B1', status: crash('B1') };
  const step = (...states: ReturnType<typeof stateFile>[]) => look(viewOf(upgrading(failed), files(...states))).do;
  t.is(step(stateFile('1', 'draining')), 'patch');
  t.is(step(stateFile('1', 'draining', { holdsListeners: false })), 'degraded');
  t.is(step(stateFile('1', 'serving', { heartbeatAt: now - 6_000 })), 'degraded');
});

test('an old copy that ended is not kept down by the hook of a new one that comes to nothing', (t) => {
  const late = now + 600_000;
  const step = (
    phase: Parameters<typeof stateFile>[1],
    time: number,
    its: Parameters<typeof upgrading>[0] = { id: 'B0' },
  ): Step => {
    const runtime = new Map([
      ['mesh-1', { id: 'A', running: false, exits: [] }],
      ['mesh-2', { id: 'B1', running: true, startedAt: now - 59_000, exits: [] }],
    ]);
    return look(
      viewOf(upgrading(its), {
        ...files(stateFile('1', 'serving', { heartbeatAt: now }), stateFile('200', phase, { heartbeatAt: time })),
        runtime,
        now: time,
      }),
    );
  };
  t.like(step('waiting', late), { do: 'stop-container', container: 'mesh-2', id: 'B1' });
  t.is(step('waiting', now).do, 'wait');
  t.is(step('serving', late).do, 'degraded', 'it is the only one that serves');
  t.is(step('waiting', late, fresh('B1')).do, 'degraded', 'its hook returned: the kubelet starts the old one');
});

test('a resumed agent gives the new copy 30 seconds from its first look', (t) => {
  const late = now + 600_000;
  const states = files(
    stateFile('1', 'serving', { heartbeatAt: late }),
    stateFile('200', 'waiting', { heartbeatAt: late }),
  );
  const step = (firstLookAt: number) => look(viewOf(upgrading(), { ...states, now: late }), { firstLookAt }).do;
  t.is(step(late - 29_999), 'wait');
  t.is(step(late - 30_000), 'patch');
  t.is(step(now - 3_600_000), 'patch');
});

test('a copy that served a moment ago is not late at once', (t) => {
  const late = now + 600_000;
  const at = (phase: Parameters<typeof stateFile>[1], time: number) =>
    viewOf(upgrading(), {
      ...files(stateFile('1', 'draining', { heartbeatAt: time }), stateFile('200', phase, { heartbeatAt: time })),
      now: time,
    });
  const { memory } = decide(at('serving', late), seen);
  t.is(decide(at('waiting', late + 29_000), memory).step.do, 'wait');
  t.is(decide(at('waiting', late + 30_000), memory).step.do, 'patch');
});

test('a roll-back is helped along after 3 seconds, and watched until the old copy serves', (t) => {
  const its = upgrading({ id: 'B1', status: crash('B1') });
  const rolled = applied(its, look(viewOf(its, files(stateFile('1', 'drained'))))).metadata?.annotations ?? {};
  const runtime = (id: string, running: boolean) => new Map([['mesh-2', { id, running, exits: [] }]]);
  const at = (later: number, id: string, state = stateFile('1', 'serving'), running = true): Step =>
    look(
      viewOf(pod({}, { image: 'E', id }, rolled), {
        now: now + later,
        runtime: runtime(id, running),
        ...files({ ...state, heartbeatAt: now + later - 500 }),
      }),
    );
  t.is(at(2_999, 'B1').do, 'wait');
  t.like(at(3_000, 'B1'), { do: 'stop-container', container: 'mesh-2', id: 'B1' });
  t.is(at(3_000, 'B1', undefined, false).do, 'wait');
  t.is(at(4_000, 'B2').do, 'nothing', 'failed for this revision');
  t.is(at(9_000, 'B2', stateFile('1', 'draining')).do, 'wait');
  t.is(at(10_000, 'B2', stateFile('1', 'draining')).do, 'degraded');
});

test('a failed revision is tried again only when the set is resumed', (t) => {
  const its = upgrading({ id: 'B1', status: crash('B1') });
  const rolled = applied(its, look(viewOf(its, files(serving1)))).metadata?.annotations ?? {};
  const step = (grant = second) =>
    look(viewOf(pod({}, { id: 'B2' }, { ...rolled, ...granted(grant) }), files(serving1)));
  t.is(step().do, 'nothing');
  const again = step({ ...second, revision: 'h2/1' });
  t.like(again, { do: 'patch', phase: 'Upgrading' });
  t.is(
    recordOn(applied(pod({}, { id: 'B2' }, { ...rolled, ...granted({ ...second, revision: 'h2/1' }) }), again))
      .highestVersion,
    '201',
  );
});

test('rollback: Never leaves both copies, and takes a late success', (t) => {
  const never = grantOf('h2', { mesh: { ...mesh, rollback: 'Never' } });
  const its = upgrading({ id: 'B1', status: crash('B1') }, never);
  const step = look(viewOf(its, files(serving1)));
  t.like(step, { do: 'patch', phase: 'Failed' });
  const left = applied(its, step);
  t.like(imagesOn(left), { 'mesh-1': 'mesh:1', 'mesh-2': 'mesh:2' });
  t.is(look(viewOf(left, files(serving1))).do, 'nothing');
  const late = pod({}, { image: 'mesh:2', ...fresh('B2') }, left.metadata?.annotations ?? {});
  t.like(look(viewOf(late, files(stateFile('1', 'drained'), stateFile('200', 'serving')))), { phase: 'Resetting' });
});

test('a newer grant goes into a copy that does not serve, and not into one that does', (t) => {
  const third = grantOf('h3', { mesh: { ...mesh, image: 'mesh:3' } }, { version: '300' });
  const its = (other: Partial<ContainerScene>) => {
    const before = upgrading(other);
    return {
      ...before,
      metadata: { ...before.metadata, annotations: { ...before.metadata?.annotations, ...granted(third) } },
    };
  };
  const broken = its({ id: 'B1', status: crash('B1') });
  const replaced = applied(broken, look(viewOf(broken, files(serving1))));
  t.like(imagesOn(replaced), { 'mesh-1': 'mesh:1', 'mesh-2': 'mesh:3' });
  t.like(recordOn(replaced), { revision: 'h3', highestVersion: '300', previous: { containerIDs: { 'mesh-2': 'B1' } } });
  t.is(recordOn(replaced).previous.hash?.hash, 'h1');
  const step = look(viewOf(its(fresh('B1')), files(stateFile('1', 'drained'), stateFile('200', 'serving'))));
  t.like(step, { do: 'patch', phase: 'Resetting' });
});

test('a newer grant takes a sidecar along whose name every JavaScript object has', (t) => {
  const both = (b: string, image: string, hash: string): Record<string, string> =>
    granted(
      grantOf(
        hash,
        { b: { image: b, emptyImage: 'E' }, constructor: { image, emptyImage: 'E' } },
        { version: hash === 'h2' ? '200' : '300' },
      ),
    );
  const containers = (image: string, id: string): ContainerScene[] => [
    { name: 'constructor-1', image: 'c:1' },
    { name: 'constructor-2', image: 'E' },
    { name: 'b-1', image: 'b:1' },
    { name: 'b-2', image, ...(id === 'B0' ? { id } : { id, status: crash(id) }) },
  ];
  const before = podOf(containers('E', 'B0'), {
    ...injectedAnnotations('b', 'constructor'),
    ...both('b:2', 'c:1', 'h2'),
  });
  const stateFiles = new Map([
    ['b', [serving1]],
    ['constructor', [serving1]],
  ]);
  const started = applied(before, look(viewOf(before, { stateFiles, now: now - 60_000 })));
  const stuck = podOf(containers('b:2', 'B1'), { ...started.metadata?.annotations, ...both('b:3', 'c:2', 'h3') });
  const next = applied(stuck, look(viewOf(stuck, { stateFiles })));
  t.like(imagesOn(next), { 'constructor-1': 'c:1', 'constructor-2': 'c:2', 'b-1': 'b:1', 'b-2': 'b:3' });
});

test('Q1: going back to the image that the old copy runs is a roll-back, and counts as updated', (t) => {
  const before = upgrading({ id: 'B1', status: crash('B1') });
  const back = grantOf('h1', { mesh: { ...mesh, image: 'mesh:1' } });
  const its = {
    ...before,
    metadata: { ...before.metadata, annotations: { ...before.metadata?.annotations, ...granted(back) } },
  };
  const after = applied(its, look(viewOf(its, files(serving1))));
  t.like(imagesOn(after), { 'mesh-1': 'mesh:1', 'mesh-2': 'E' });
  t.is(after.metadata?.annotations?.[workingKey], '{"mesh":"mesh-1"}');
  t.regex(after.metadata?.annotations?.[hashKey] ?? '', /"hash":"h1"/);
  t.like(recordOn(after), { phase: 'Resetting', result: 'done', emptied: ['mesh-2'] });
});

test('Q1: a pod that OpenKruise left with the bad image and called updated is healed', (t) => {
  const annotations = {
    ...injectedAnnotations('mesh'),
    [workingKey]: '{"mesh":"mesh-2"}',
    [versionKey('mesh-2')]: '200',
    [versionAltKey('mesh-1')]: '200',
    ...granted(grantOf('h1', { mesh: { ...mesh, image: 'mesh:1' } })),
  };
  const its = pod(
    {},
    { image: 'mesh:2', status: { ready: false, state: { waiting: { reason: 'ImagePullBackOff' } } } },
    annotations,
  );
  for (const states of [files(serving1), {}]) {
    const after = applied(its, look(viewOf(its, states)));
    t.like(imagesOn(after), { 'mesh-1': 'mesh:1', 'mesh-2': 'E' });
    t.is(after.metadata?.annotations?.[workingKey], '{"mesh":"mesh-1"}');
  }
});

test('Q2: a set with another empty image does not touch a stable pod', (t) => {
  t.is(
    look(viewOf(idle(grantOf('h1', { mesh: { image: 'mesh:1', emptyImage: 'E2' } })), files(serving1))).do,
    'nothing',
  );
});

test('surprise 14: a strange working entry never empties the only live container', (t) => {
  for (const strange of ['{"mesh":"mesh-7"}', '{}', 'x', '{"mesh":"mesh-2"}']) {
    const annotations = { ...injectedAnnotations('mesh'), [workingKey]: strange, ...granted(second) };
    const its = pod({}, {}, annotations);
    const after = applied(its, look(viewOf(its, files(serving1))));
    t.like(imagesOn(after), { 'mesh-1': 'mesh:1', 'mesh-2': 'mesh:2' }, strange);
  }
});

test('a pod that OpenKruise left half upgraded is taken over', (t) => {
  const annotations = {
    ...injectedAnnotations('mesh'),
    [workingKey]: '{"mesh":"mesh-2"}',
    [versionKey('mesh-2')]: '200',
    [versionAltKey('mesh-1')]: '200',
    [hashKey]: '{"s":{"updateTimestamp":null,"hash":"h2","sidecarSetName":"s","sidecarList":null}}',
    ...granted(second),
  };
  const its = pod({}, { image: 'mesh:2', ...fresh('B1') }, annotations);
  const served = look(viewOf(its, files(stateFile('1', 'drained'), stateFile('200', 'serving'))));
  t.like(served, { do: 'patch', phase: 'Resetting' }, 'it serves: only the reset was missing');
  t.like(imagesOn(applied(its, served)), { 'mesh-1': 'E', 'mesh-2': 'mesh:2' });
  const claimed = look(viewOf(its, files(serving1, stateFile('200', 'waiting'))));
  t.like(claimed, { do: 'patch', phase: 'Upgrading' });
  t.like(imagesOn(applied(its, claimed)), { 'mesh-1': 'mesh:1', 'mesh-2': 'mesh:2' }, 'only the record is written');
  t.like(recordOn(applied(its, claimed)), { revision: 'h2', previous: { hash: null, working: { mesh: 'mesh-1' } } });
  t.like(look(viewOf(its)), { do: 'patch', phase: 'Resetting' }, 'without the SDK');
  const young = pod(
    {},
    { image: 'mesh:2', ...fresh('B1', { state: { running: { startedAt: rfc(now - 20_000) } } }) },
    annotations,
  );
  t.like(look(viewOf(young)), { do: 'patch', phase: 'Upgrading' }, 'it may be in a crash loop');
});

test('without the SDK the kubelet is believed, unless it was restarted', (t) => {
  t.like(look(viewOf(upgrading())), { do: 'patch', phase: 'Resetting' });
  t.is(look(viewOf(upgrading({ id: 'B0' }))).do, 'wait');
  t.is(look(viewOf(upgrading(), { kubeletStartedAt: now - 30_000 })).do, 'wait', 'its hook may still run');
  t.is(look(viewOf(upgrading(), { kubeletStartedAt: now - 30_000, now: now + 240_000 })).do, 'patch');
  const restarted = (ago: number) =>
    fresh('B2', { lastState: crash('B1')?.lastState ?? {}, state: { running: { startedAt: rfc(now - ago) } } });
  t.like(look(viewOf(upgrading(restarted(29_000)))), { do: 'patch', phase: 'RollingBack' });
  t.like(look(viewOf(upgrading(restarted(30_000)))), { do: 'patch', phase: 'Resetting' }, 'no agent looked meanwhile');
});

test('an image that is not on the node is claimed, pulled, and then upgraded to', (t) => {
  const images = (...pulls: [string, 'running' | 'pulled' | 'absent' | 'unclear'][]) => ({
    present: there('mesh:1', 'E'),
    pulls: new Map(pulls.map(([image, state]) => [image, { state, since: now, message: 'm' } as never])),
  });
  const view = (its: Pod, ...pulls: Parameters<typeof images>) =>
    viewOf(its, { ...files(serving1), images: images(...pulls) });
  const claim = look(view(idle()));
  t.like(claim, { do: 'patch', phase: 'Pulling' });
  const claimed = applied(idle(), claim);
  t.like(imagesOn(claimed), imagesOn(idle()));
  t.deepEqual(look({ ...view(claimed), mayStart: false }), { do: 'pull', set: 's', image: 'mesh:2' });
  t.is(look(view(claimed, ['mesh:2', 'running'])).do, 'wait');
  t.like(look(view(claimed, ['mesh:2', 'pulled'])), { do: 'patch', phase: 'Upgrading' });
  t.like(look(view(claimed, ['mesh:2', 'unclear'])), { do: 'patch', phase: 'Upgrading' }, 'roll-back is there');
  const gone = look(view(claimed, ['mesh:2', 'absent']));
  t.like(gone, { do: 'patch', phase: 'Failed' });
  t.like(imagesOn(applied(claimed, gone)), imagesOn(idle()));
  t.is(look(view(applied(claimed, gone), ['mesh:2', 'absent'])).do, 'nothing');
  t.like(look({ ...view(claimed, ['mesh:2', 'running']), now: now + 300_000 }), { do: 'patch', phase: 'Upgrading' });
  const withdrawn = structuredClone(claimed);
  delete withdrawn.metadata?.annotations?.['baton.dev/grant'];
  t.like(look(view(withdrawn)), { do: 'patch', phase: 'Withdrawn' });
});

test('the old copy is not emptied while the empty image cannot be had', (t) => {
  const its = upgrading();
  const always = structuredClone(its);
  for (const container of always.spec?.containers ?? []) container.imagePullPolicy = 'Always';
  const step = (from: Pod, present: string[], pull?: object) =>
    look(
      viewOf(from, {
        ...files(stateFile('1', 'drained'), stateFile('200', 'serving')),
        images: { present: there(...present), pulls: new Map(pull ? [['E', pull as never]] : []) },
      }),
    );
  t.deepEqual(step(its, []), { do: 'pull', set: 's', image: 'E' });
  t.is(step(its, ['E']).do, 'patch');
  t.is(step(its, [], { state: 'absent', since: now, message: 'gone' }).do, 'wait');
  t.is(step(its, [], { state: 'unclear', since: now, message: 'time-out' }).do, 'wait', 'there is no way back');
  t.is(step(always, [], { state: 'unclear', since: now, message: 'time-out' }).do, 'wait');
  t.deepEqual(step(always, ['E']), { do: 'pull', set: 's', image: 'E' }, 'the kubelet would ask the registry');
  t.is(step(always, ['E'], { state: 'pulled', since: now }).do, 'patch');
  t.is(step(always, ['E'], { state: 'unclear', since: now, message: '401' }).do, 'patch');
  t.is(step(always, ['E'], { state: 'pulled', since: now - 60_001 }).do, 'pull');
});

test('surprise 14: an image that the idle copy runs already is refused', (t) => {
  const its = idle(grantOf('h2', { mesh: { ...mesh, image: 'E' } }));
  const step = look(viewOf(its, files(serving1)));
  t.like(step, { do: 'patch', phase: 'Failed' });
  t.is(recordOn(applied(its, step)).reason, 'BadGrant');
});

test('a set is one transaction: cold images go along, all hot ones are waited for, all are rolled back', (t) => {
  const grant = grantOf('h2', {
    mesh,
    proxy: { image: 'proxy:2', emptyImage: 'E', migrationTimeoutSeconds: 400 },
    same: { image: 'same:1', emptyImage: 'E' },
    log: { image: 'log:2' },
  });
  const containers = (images: [string, string, string], ids: [string, string, string]): ContainerScene[] => [
    { name: 'mesh-1', image: 'mesh:1' },
    { name: 'mesh-2', image: images[0], ...(ids[0] === 'B0' ? { id: 'B0' } : fresh(ids[0])) },
    { name: 'proxy-1', image: 'proxy:1', native: true },
    { name: 'proxy-2', image: images[1], native: true, ...(ids[1] === 'B0' ? { id: 'B0' } : fresh(ids[1])) },
    { name: 'same-1', image: 'same:1' },
    { name: 'same-2', image: 'E' },
    { name: 'log', image: images[2], ...(ids[2] === 'L1' ? { id: 'L1' } : fresh(ids[2])) },
  ];
  const before = podOf(containers(['E', 'E', 'log:1'], ['B0', 'B0', 'L1']), {
    ...injectedAnnotations('mesh', 'proxy', 'same'),
    ...granted(grant),
  });
  const first = { same: [serving1], mesh: [serving1], proxy: [serving1] };
  const states = (more: Record<string, ReturnType<typeof stateFile>[]>) => ({
    stateFiles: new Map(Object.entries({ ...first, ...more })),
  });
  const started = applied(before, look(viewOf(before, { ...states({}), now: now - 60_000 })));
  t.like(imagesOn(started), { 'mesh-2': 'mesh:2', 'proxy-2': 'proxy:2', 'same-2': 'E', log: 'log:2' });
  t.is(recordOn(started).deadline, now + 340_000);
  const after = podOf(
    containers(['mesh:2', 'proxy:2', 'log:2'], ['B1', 'B1', 'L2']),
    started.metadata?.annotations ?? {},
  );
  const moved = [stateFile('1', 'drained'), stateFile('200', 'serving')];
  t.is(look(viewOf(after, states({ mesh: moved }))).do, 'wait');
  const won = look(viewOf(after, states({ mesh: moved, proxy: moved })));
  t.like(imagesOn(applied(after, won)), { 'mesh-1': 'E', 'proxy-1': 'E', 'same-1': 'same:1', 'same-2': 'E' });
  const failing = [stateFile('1', 'serving'), stateFile('200', 'failed')];
  const lost = applied(after, look(viewOf(after, states({ mesh: moved, proxy: failing }))));
  t.like(imagesOn(lost), { 'mesh-1': 'mesh:1', 'mesh-2': 'E', 'proxy-2': 'E', 'same-2': 'E', log: 'log:1' });
  const coldIsOld = podOf(
    containers(['mesh:2', 'proxy:2', 'log:2'], ['B1', 'B1', 'L1']),
    started.metadata?.annotations ?? {},
  );
  t.is(look(viewOf(coldIsOld, states({ mesh: moved, proxy: moved }))).do, 'wait');
  const helpless = [stateFile('1', 'drained', { holdsListeners: false }), stateFile('200', 'serving')];
  t.is(look(viewOf(after, states({ mesh: helpless, proxy: failing }))).do, 'degraded');
});

test('several sets go one after the other', (t) => {
  const other = grantOf('o2', { side: { image: 'side:2', emptyImage: 'E' } });
  const grants = (pair: [string, typeof other][]) => ({
    'baton.dev/grant': `{${pair.map(([set, grant]) => `"${set}":${granted(grant)['baton.dev/grant']?.slice(5, -1) ?? ''}`).join(',')}}`,
  });
  const containers: ContainerScene[] = [
    { name: 'mesh-1', image: 'mesh:1' },
    { name: 'mesh-2', image: 'E' },
    { name: 'side-1', image: 'side:1' },
    { name: 'side-2', image: 'E' },
  ];
  const both = podOf(containers, {
    ...injectedAnnotations('mesh', 'side'),
    ...grants([
      ['a', other],
      ['s', second],
    ]),
  });
  const states = {
    stateFiles: new Map([
      ['mesh', [serving1]],
      ['side', [serving1]],
    ]),
  };
  const first = look(viewOf(both, states));
  t.like(first, { do: 'patch', set: 'a' });
  t.like(look(viewOf(applied(both, first), states)), { do: 'wait', set: 'a' });
});

test("granted annotations are written, and never over who serves, the grant's or the record's", (t) => {
  const podAnnotations = {
    note: 'x',
    [workingKey]: '{}',
    'baton.dev/grant': '{}',
    'baton.dev/upgrade': '{}',
    [hashKey]: '{}',
  };
  const its = idle({ ...second, podAnnotations });
  const after = applied(its, look(viewOf(its, files(serving1))));
  const annotations = after.metadata?.annotations ?? {};
  t.is(annotations['note'], 'x');
  t.is(annotations[workingKey], '{"mesh":"mesh-2"}');
  t.is(annotations['baton.dev/grant'], its.metadata?.annotations?.['baton.dev/grant']);
  t.regex(annotations[hashKey] ?? '', /h2/);
  t.is(recordOn(after).phase, 'Upgrading');
});
