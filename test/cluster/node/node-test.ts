import type { ExecutionContext } from 'ava';
import test from 'ava';
import type { Scope } from '../../helpers/processes.ts';
import { sourceHere } from '../binaries/machine.ts';
import { binaries } from '../cluster-test.ts';
import { ownerOf } from '../control-plane/owner.ts';
import { sharedCluster } from '../control-plane/shared.ts';
import { obstacle } from './obstacle.ts';
import { startCluster, type ClusterFacts, type ClusterOptions, type OwnCluster } from './start.ts';

/** To start one on a machine that is busy. */
const START_TIMEOUT_MS = 180_000;

const reason = obstacle(await sourceHere());
const isRequired = process.env['BATON_CLUSTER'] === 'required';
if (reason !== undefined && !isRequired) console.log(`# skipped: tests on a real node, because ${reason}`);
const isTried = reason === undefined || isRequired;

/** `test`, or skipped where no node can be had; with `BATON_CLUSTER=required` such a test fails. */
export const nodeTest = isTried ? test : test.skip;
/** `test.serial`, likewise: for tests with a cluster of their own, of which a small machine has one at a time. */
export const serialNodeTest = isTried ? test.serial : test.serial.skip;

async function prepare(t: ExecutionContext): Promise<string> {
  if (reason !== undefined) throw new Error(`no node: ${reason}`);
  const folder = await binaries(t);
  t.timeout(START_TIMEOUT_MS);
  return folder;
}

/**
 * The cluster with the real node `node-1` that all tests of this run share: what has no namespace is everybody's, and the
 * node takes 100 pods. Users besides `admin`: `system:node:node-1`, `nobody`. See `makeNamespace` and `addImage`.
 */
export async function cluster(t: ExecutionContext): Promise<ClusterFacts> {
  const owner = ownerOf(process.ppid);
  if (!owner) throw new Error('the test run is over');
  return sharedCluster(await prepare(t), owner);
}

/**
 * A cluster of this test's own, to break; it ends with the test, or with what is given for it. Takes ten seconds to start: share
 * it where possible.
 */
export async function ownCluster(
  t: ExecutionContext,
  options: Omit<ClusterOptions, 'binaries' | 'folder'> = {},
  scope: Scope = t,
): Promise<OwnCluster> {
  const started = await startCluster({ ...options, binaries: await prepare(t) });
  scope.teardown(() => started.stop());
  return started;
}
