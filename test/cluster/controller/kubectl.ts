import { execFile, spawnSync } from 'node:child_process';
import test from 'ava';
import { serialClusterTest } from '../cluster-test.ts';
import type { ControlPlaneFacts } from '../control-plane/start.ts';

/** Whether there is one; where a cluster is required, it is too. */
export const hasKubectl =
  process.env['BATON_CLUSTER'] === 'required' || spawnSync('kubectl', ['version', '--client']).status === 0;
if (!hasKubectl) console.log('# skipped: what people see through kubectl, because there is none');

/** {@link serialClusterTest}, skipped where there is no kubectl. */
export const kubectlTest = hasKubectl ? serialClusterTest : test.serial.skip;

/** What the real kubectl prints for an administrator, its errors too, whatever its exit status. */
export function kubectl(
  { controlPlane: { kubeconfigs } }: { controlPlane: Pick<ControlPlaneFacts, 'kubeconfigs'> },
  ...args: string[]
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, KUBECONFIG: kubeconfigs['admin'] }, timeout: 60_000, maxBuffer: 2 ** 26 };
    execFile('kubectl', args, options, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number')
        reject(new Error('kubectl did not run to its end', { cause: error }));
      else resolve(`${stdout}${stderr}`);
    });
  });
}
