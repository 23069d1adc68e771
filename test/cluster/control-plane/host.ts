/*
 * Has the control plane of one test run: `host.ts FOLDER BINARIES PID STARTED_AT`. Ends it, and removes the folder, when
 * that process is gone. See shared.ts.
 */
import { mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lock } from '../../../native/index.ts';
import { messageOf } from '../../../sdk/errors.ts';
import { lives } from './owner.ts';
import { FAILED, READY } from './shared.ts';
import { type OwnControlPlane, startControlPlane } from './start.ts';

const [folder = '', binaries = '', pid = '', startedAt = ''] = process.argv.slice(2);
const LOOK_MS = 200;

const NODES = ['node-1', 'node-2'];
const users = {
  ...Object.fromEntries(NODES.map((node) => [`system:node:${node}`, ['system:nodes']])),
  nobody: [],
};

const publish = (name: string, text: string): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, `${name}.new`), text, { mode: 0o600 });
  renameSync(join(folder, `${name}.new`), join(folder, name));
};

// Held until this process ends.
if (lock(openSync(join(folder, 'lock'), 'a'))) {
  let controlPlane: OwnControlPlane | undefined;
  const start = async (): Promise<void> => {
    try {
      controlPlane = await startControlPlane({ binaries, users, folder });
      const { url, ca, tokens, kubeconfigs, hasControllers } = controlPlane;
      publish(READY, JSON.stringify({ url, ca, tokens, kubeconfigs, hasControllers }));
    } catch (error) {
      // The folder went with the attempt.
      publish(FAILED, messageOf(error));
    }
  };
  void start();
  while (lives({ pid: Number(pid), startedAt })) await delay(LOOK_MS);
  if (controlPlane) await controlPlane.stop();
  else rmSync(folder, { recursive: true, force: true });
  // What is still starting ends with this process.
  process.exit();
}
