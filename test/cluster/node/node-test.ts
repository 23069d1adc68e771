import type { ExecutionContext } from 'ava';
import test from 'ava';
import { existsSync } from 'node:fs';
import { delimiter } from 'node:path';
import { hasProgram } from '../binaries/folder.ts';
import { sourceHere } from '../binaries/machine.ts';
import type { Source } from '../binaries/source.ts';
import { binaries } from '../cluster-test.ts';
import { ownerOf } from '../control-plane/owner.ts';
import { sharedCluster } from '../control-plane/shared.ts';
import { startCluster, type ClusterFacts, type ClusterOptions, type OwnCluster } from './start.ts';

/** To start one on a machine that is busy. */
const START_TIMEOUT_MS = 180_000;

/** Debian: containerd runc containernetworking-plugins busybox-static iproute2 util-linux. */
const PROGRAMS = ['containerd', 'containerd-shim-runc-v2', 'ctr', 'runc', 'ip', 'nsenter'];
const FILES = ['/usr/lib/cni/bridge', '/usr/lib/cni/host-local', '/bin/busybox'];
const BINARIES = ['kubelet', 'kube-controller-manager', 'kube-scheduler'];

/** Why this machine cannot be a node; undefined where it can. */
export function obstacle(source: Source, environment = process.env, user = process.getuid?.()): string | undefined {
  if (source.kind === 'none') return source.reason;
  if (user !== 0) return 'a node needs root';
  const folders = (environment['PATH'] ?? '').split(delimiter);
  const program = PROGRAMS.find((name) => !folders.some((folder) => hasProgram(folder, name)));
  if (program !== undefined) return `${program} is not installed`;
  const file = FILES.find((name) => !existsSync(name));
  if (file !== undefined) return `there is no ${file}`;
  // A build makes all of them.
  if (source.kind === 'build') return undefined;
  const binary = BINARIES.find((name) => source.kind === 'download' || !hasProgram(source.folder, name));
  return binary === undefined ? undefined : `${source.folder} has no ${binary}`;
}

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

/** A cluster of this test's own, to break; it ends with the test. Takes ten seconds to start: share it where possible. */
export async function ownCluster(
  t: ExecutionContext,
  options: Omit<ClusterOptions, 'binaries' | 'folder'> = {},
): Promise<OwnCluster> {
  const started = await startCluster({ ...options, binaries: await prepare(t) });
  t.teardown(() => started.stop());
  return started;
}
