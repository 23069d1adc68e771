import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { nodeFlags } from '../../deploy/image/baton.ts';
import type { Cluster } from '../../cluster/cluster.ts';
import { getBinaries } from '../../test/cluster/binaries/get.ts';
import { sourceHere } from '../../test/cluster/binaries/machine.ts';
import { startProgress } from '../../test/cluster/binaries/progress.ts';
import { startReplica, type Replica } from '../../test/cluster/controller/replica.ts';
import { install, kubeconfigOf, servicesByName, untilTrusted } from '../../test/cluster/controller/start-system.ts';
import type { Access } from '../../test/cluster/control-plane/api.ts';
import { accessOf } from '../../test/cluster/control-plane/namespace.ts';
import { startControlPlane } from '../../test/cluster/control-plane/start.ts';
import { connect } from '../../test/cluster/kubernetes/connect.ts';
import { freePort, type Scope } from '../../test/helpers/processes.ts';
import { createDriver, type Driver } from './driver.ts';

/** A control plane with Baton on it, as it is shipped. */
export interface Place {
  admin: Access;
  /** The administrator's kubeconfig. */
  kubeconfig: string;
  /** An administrator's client. */
  cluster: Cluster;
  driver: Driver;
  /** The controller's process; `undefined` while it is stopped. */
  controller: () => Replica;
  startController: () => Promise<void>;
  stopController: () => Promise<void>;
  /** Statuses that the kubelet has written so far. */
  statuses: () => number;
  /** When it had written so many; `undefined` if it has not. In milliseconds of `performance.now`. */
  statusesReached: (count: number) => number | undefined;
}

/** Creators, and how many pods Baton writes at once unless told. */
export const PARALLEL = 16;

/** @param moreFlags - of Node, beside those of the images, to profile the controller */
export async function startPlace(scope: Scope, moreFlags: readonly string[] = []): Promise<Place> {
  const source = await sourceHere();
  const binaries = await getBinaries(
    source,
    startProgress((line) => process.stderr.write(line)),
  );
  const controlPlane = await startControlPlane({ binaries, apiServerFlags: servicesByName });
  scope.teardown(() => controlPlane.stop());
  const admin = accessOf(controlPlane);
  const cluster = connect(controlPlane);
  const webhookPort = await freePort();
  await install(admin, cluster, webhookPort);
  const kubeconfig = await kubeconfigOf(scope, admin);
  const driver = createDriver(admin, PARALLEL);
  scope.teardown(() => driver.close());

  let replica: Replica | undefined;
  const startController = async (): Promise<void> => {
    // Its own limit is for clusters with other users.
    const flags = ['--qps=50000', `--parallel=${PARALLEL}`];
    replica = await startReplica(scope, kubeconfig, { webhookPort, flags, nodeFlags: [...nodeFlags, ...moreFlags] });
    await untilTrusted(admin);
  };
  await startController();

  const kubelet = fork(fileURLToPath(new URL('kubelet.ts', import.meta.url)), [
    controlPlane.kubeconfigs['admin'] ?? '',
  ]);
  scope.teardown(async () => {
    kubelet.kill('SIGKILL');
    await once(kubelet, 'exit');
  });
  const told: { at: number; count: number }[] = [];
  kubelet.on('message', (count) => told.push({ at: performance.now(), count: Number(count) }));
  kubelet.on('exit', (code) => code && process.exit(code));
  return {
    admin,
    kubeconfig: controlPlane.kubeconfigs['admin'] ?? '',
    cluster,
    driver,
    controller() {
      if (!replica) throw new Error('the controller is stopped');
      return replica;
    },
    startController,
    async stopController() {
      await replica?.kill('SIGTERM');
      replica = undefined;
    },
    statuses: () => told.at(-1)?.count ?? 0,
    statusesReached: (count) => told.find((one) => one.count >= count)?.at,
  };
}
