import type { ExecutionContext } from 'ava';
import test from 'ava';
import { getBinaries } from './binaries/get.ts';
import { sourceHere } from './binaries/machine.ts';
import { startProgress } from './binaries/progress.ts';
import { ownerOf } from './control-plane/owner.ts';
import { sharedControlPlane } from './control-plane/shared.ts';
import {
  type ControlPlaneFacts,
  type ControlPlaneOptions,
  type OwnControlPlane,
  startControlPlane,
} from './control-plane/start.ts';

const source = await sourceHere();
const isRequired = process.env['BATON_CLUSTER'] === 'required';
if (source.kind === 'none' && !isRequired)
  console.log(`# skipped: tests against a real control plane, because ${source.reason}`);

const isTried = source.kind !== 'none' || isRequired;
/** `test`, or skipped where no control plane can be had; with `BATON_CLUSTER=required` such a test fails. */
export const clusterTest = isTried ? test : test.skip;
/** `test.serial`, likewise: for tests with a control plane of their own, of which a small machine has one at a time. */
export const serialClusterTest = isTried ? test.serial : test.serial.skip;

/** To build Kubernetes on a small machine. */
const GET_TIMEOUT_MS = 45 * 60_000;

/** The folder with the binaries; a machine's first test builds or downloads them. */
export async function binaries(t: ExecutionContext): Promise<string> {
  if (source.kind !== 'folder') t.timeout(GET_TIMEOUT_MS);
  return getBinaries(
    source,
    startProgress((line) => process.stderr.write(line)),
  );
}

/**
 * The control plane that all tests of this run share: its objects without a namespace, and its servers, are everybody's.
 * Users besides `admin`: `system:node:node-1`, `system:node:node-2`, `nobody` (may do nothing). See `makeNamespace`.
 */
export async function controlPlane(t: ExecutionContext): Promise<ControlPlaneFacts> {
  const owner = ownerOf(process.ppid);
  if (!owner) throw new Error('the test run is over');
  return sharedControlPlane(await binaries(t), owner);
}

/** A control plane of this test's own, to break; it ends with the test. Takes seconds to start: share it where possible. */
export async function ownControlPlane(
  t: ExecutionContext,
  options: Omit<ControlPlaneOptions, 'binaries'> = {},
): Promise<OwnControlPlane> {
  const started = await startControlPlane({ ...options, binaries: await binaries(t) });
  t.teardown(() => started.stop());
  return started;
}
