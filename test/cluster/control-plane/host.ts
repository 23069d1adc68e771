/*
 * Has what one test run shares: `host.ts KIND FOLDER BINARIES PID STARTED_AT`. Ends it, and removes the folder, when that
 * process is gone. See shared.ts.
 */
import { mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lock } from '../../../native/index.ts';
import { messageOf } from '../../../sdk/errors.ts';
import { lives } from './owner.ts';
import { startCluster, type OwnCluster } from '../node/start.ts';
import { FAILED, READY, type Kind } from './shared.ts';
import { startControlPlane, type OwnControlPlane } from './start.ts';

const [kind = '', folder = '', binaries = '', pid = '', startedAt = ''] = process.argv.slice(2);
const LOOK_MS = 200;

const STARTS: Readonly<Record<Kind, () => Promise<OwnControlPlane | OwnCluster>>> = {
  'control-plane'() {
    const nodes = ['system:node:node-1', 'system:node:node-2'].map((name) => [name, ['system:nodes']]);
    const users = { ...(Object.fromEntries(nodes) as Record<string, string[]>), nobody: [] };
    return startControlPlane({ binaries, users, folder });
  },
  cluster: () => startCluster({ binaries, users: { nobody: [] }, folder }),
};

const publish = (name: string, text: string): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, `${name}.new`), text, { mode: 0o600 });
  renameSync(join(folder, `${name}.new`), join(folder, name));
};

// Held until this process ends.
if (lock(openSync(join(folder, 'lock'), 'a'))) {
  let shared: OwnControlPlane | undefined;
  const start = async (): Promise<void> => {
    try {
      shared = await STARTS[kind as Kind]();
      // What is done with it stays here: only the facts are data.
      publish(READY, JSON.stringify(shared));
    } catch (error) {
      // The folder went with the attempt.
      publish(FAILED, messageOf(error));
    }
  };
  void start();
  while (lives({ pid: Number(pid), startedAt })) await delay(LOOK_MS);
  if (shared) await shared.stop();
  else rmSync(folder, { recursive: true, force: true });
  // What is still starting ends with this process.
  process.exit();
}
