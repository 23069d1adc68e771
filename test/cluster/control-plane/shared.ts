import { spawn } from 'node:child_process';
import { closeSync, existsSync, lstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ClusterFacts } from '../node/start.ts';
import { lives, type Owner } from './owner.ts';
import type { ControlPlaneFacts } from './start.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const host = fileURLToPath(new URL('host.ts', import.meta.url));

/** What a run shares: a control plane without nodes, and one with a real node. */
export type Kind = 'control-plane' | 'cluster';

/** What the host leaves in its folder: one of these. */
export const READY = 'facts.json';
export const FAILED = 'failure.txt';

const TIMEOUT_MS = 120_000;

export const folderOf = ({ pid, startedAt }: Owner, kind: Kind = 'control-plane'): string =>
  join(tmpdir(), `baton-run-${kind}-${pid}-${startedAt}`);

export const sharedControlPlane = (binaries: string, owner: Owner): Promise<ControlPlaneFacts> =>
  shared('control-plane', binaries, owner);

/** Its node is `node-1`. */
export const sharedCluster = (binaries: string, owner: Owner): Promise<ClusterFacts> =>
  shared('cluster', binaries, owner);

/**
 * The one that all processes of a run share. The first to ask has it started, by a process that ends it when the owner, the
 * run's main process, is gone, however it went.
 */
async function shared<Facts>(kind: Kind, binaries: string, owner: Owner): Promise<Facts> {
  const gone = new Error(`the run's main process ${owner.pid} is gone`);
  if (!lives(owner)) throw gone;
  const folder = folderOf(owner, kind);
  const ready = join(folder, READY);
  const failed = join(folder, FAILED);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid } = lstatSync(folder);
  if (uid !== process.getuid?.()) throw new Error(`${folder} belongs to user ${uid}: remove it`);
  // Several may start it at once: all hosts but one see that, and end.
  if (!existsSync(ready) && !existsSync(failed)) startHost(kind, folder, binaries, owner);
  const deadline = performance.now() + TIMEOUT_MS;
  while (!existsSync(ready)) {
    if (existsSync(failed)) throw new Error(`the run's ${NAMES[kind]} cannot start: ${readFileSync(failed, 'utf8')}`);
    if (!lives(owner)) throw gone;
    if (performance.now() > deadline)
      throw new Error(`the run's ${NAMES[kind]}: not within ${TIMEOUT_MS} ms, see ${folder}`);
    await delay(50);
  }
  return JSON.parse(readFileSync(ready, 'utf8')) as Facts;
}

const NAMES: Record<Kind, string> = { 'control-plane': 'control plane', cluster: 'cluster' };

function startHost(kind: Kind, folder: string, binaries: string, { pid, startedAt }: Owner): void {
  const log = openSync(join(folder, 'host.log'), 'a', 0o600);
  const args = ['--import', 'tsx', host, kind, folder, binaries, String(pid), startedAt];
  // In a session of its own: Ctrl-C ends the run, and that ends the host.
  spawn(process.execPath, args, { cwd: root, detached: true, stdio: ['ignore', log, log] }).unref();
  closeSync(log);
}
