import type { FailureReason } from '../../api/upgrade-record.ts';
import type { Copy, Pair } from './evidence.ts';
import { heartbeatTimeout, isAnother, isShown } from './evidence.ts';
import type { ContainerExit } from './view.ts';

export interface Failure {
  reason: FailureReason;
  message: string;
}

// What the kubelet says when it cannot, or not for long, get a container to run.
const imageProblems = new Set(['ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']);

/** Exit codes of what SIGTERM and SIGKILL ended. */
const killed = new Set<number | undefined>([128 + 15, 128 + 9]);

/** Why the new copy of a pair will not come to serve; `undefined` while it still may. */
export function failureOf({ new: copy }: Pair, now: number): Failure | undefined {
  return failureOfContainer(copy) ?? failureOfProcess(copy, now);
}

/** What can be said of any container, a cold one too: it ended, or its image cannot be had. */
export function failureOfContainer(copy: Copy): Failure | undefined {
  const { name, waiting } = copy;
  if (waiting && imageProblems.has(waiting.reason)) {
    return { reason: 'ImageUnavailable', message: `${name}: ${waiting.reason} ${waiting.message}`.trim() };
  }
  const last = copy.lost.at(-1);
  if (!last) return undefined;
  if ([waiting?.reason, last.reason].includes('PostStartHookError')) {
    return { reason: 'PostStartFailed', message: `the postStart hook of ${name} failed; ${name} ${howEnded(last)}` };
  }
  // The runtime knows of the end before the pod's status does. Nobody but the kubelet stops a container that is not shown yet.
  const isHidden = copy.shown.id === copy.before && copy.before !== '';
  const gotSignal = killed.has(last.exitCode) || copy.file?.phase === 'stopping' || copy.file?.phase === 'stopped';
  if (isHidden && last.reason !== 'OOMKilled' && gotSignal) {
    return { reason: 'PostStartFailed', message: `${name} was stopped before its postStart hook had returned` };
  }
  return { reason: 'Crashed', message: `${name} ${howEnded(last)}` };
}

function howEnded({ reason, exitCode }: ContainerExit): string {
  const how = [reason ?? '', exitCode === undefined ? '' : `exit code ${exitCode}`].filter(Boolean);
  return how.length > 0 ? `ended (${how.join(', ')})` : 'ended';
}

/** What its own process says, or no longer says. */
export function failureOfProcess({ name, state }: Copy, now: number): Failure | undefined {
  if (!state) return undefined;
  if (state.error || state.phase === 'failed') {
    const what = state.error ? `${state.error.code}: ${state.error.message}` : 'a failure';
    return { reason: 'ReportedError', message: `${name} reported ${what}` };
  }
  const silent = now - state.heartbeatAt;
  if (silent <= heartbeatTimeout) return undefined;
  return { reason: 'HeartbeatLost', message: `the last heartbeat of ${name} is ${silent} ms old` };
}

/** What was missing when the deadline passed. */
export function lateness(copy: Copy, usesSdk: boolean): Failure {
  const { name } = copy;
  let what = `${name} did not serve in time`;
  if (!isAnother(copy)) what = `${name} did not start in time`;
  else if (usesSdk && !copy.state) what = `${name} wrote no state file in time`;
  else if (!isShown(copy)) what = `${name} was not ready in time`;
  if (copy.waiting) what += ` (${copy.waiting.reason})`;
  return { reason: 'DeadlineExceeded', message: what };
}
