import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Image } from '../../local/container.ts';
import type { ContainerSpec, Pod } from '../../local/pod.ts';
import { startPod } from '../../local/pod.ts';
import { makeWorkspace } from '../../local/workspace.ts';

export const backOff = { base: 100, max: 400, resetAfter: 60_000 };

/** An image that runs a shell script. */
export function shell(script: string, postStart?: string): Image {
  const hook = postStart === undefined ? {} : { postStart: ['/bin/sh', '-c', postStart] };
  return { name: script, command: ['/bin/sh', '-c', script], ...hook };
}

/** A pod of one container `c` (unless said otherwise) that is stopped when the test ends. */
export function startTestPod(
  t: ExecutionContext,
  image: Image,
  spec: Partial<ContainerSpec> = {},
  annotations: Record<string, string> = {},
): Pod & { root: string } {
  const workspace = makeWorkspace();
  const logs = mkdtempSync(join(tmpdir(), 'baton-test-'));
  mkdirSync(logs, { recursive: true });
  const pod = startPod({
    annotations,
    containers: [{ name: 'c', image, grace: 5_000, ...spec }],
    workspace,
    logs,
    cwd: logs,
    baseEnv: { PATH: process.env['PATH'] ?? '' },
    backOff,
  });
  t.teardown(async () => {
    await pod.stop();
    rmSync(logs, { recursive: true });
  });
  return { ...pod, root: workspace.root };
}

/** Waits until `condition` returns something, at most 15 seconds. */
export async function eventually<T>(what: string, condition: () => T | undefined | false): Promise<T> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await sleep(10);
  }
}

/** False for one that is gone or a zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
