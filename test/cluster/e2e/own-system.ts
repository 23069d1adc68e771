import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory, type Scope } from '../../helpers/processes.ts';
import { ownCluster } from '../node/node-test.ts';
import type { OwnCluster } from '../node/start.ts';
import { install } from './system.ts';

/** To start a cluster and install Baton, and for the test itself. */
const TIMEOUT_MS = 300_000;

/** A cluster with Baton that the tests of one file share, and may break; it is started by the first that asks for it. */
export function ownSystem(): (t: ExecutionContext) => Promise<OwnCluster> {
  const ends: (() => unknown)[] = [];
  const scope: Scope = { teardown: (end) => void ends.unshift(end) };
  let started: Promise<OwnCluster> | undefined;
  test.after.always(async () => {
    for (const end of ends) await end();
  });
  const start = async (t: ExecutionContext): Promise<OwnCluster> => {
    const cluster = await ownCluster(t, {}, scope);
    await install(cluster, join(temporaryDirectory(scope), 'install'));
    return cluster;
  };
  return async (t) => {
    const cluster = await (started ??= start(t));
    t.timeout(TIMEOUT_MS);
    return cluster;
  };
}
