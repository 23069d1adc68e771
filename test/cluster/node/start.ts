import { accessOf } from '../control-plane/namespace.ts';
import {
  startControlPlane,
  type ControlPlaneFacts,
  type ControlPlaneOptions,
  type OwnControlPlane,
} from '../control-plane/start.ts';
import { startNode, type NodeFacts, type OwnNode } from './node.ts';
import { makePlace } from './place.ts';

/** A control plane with real nodes; plain data, so that another process can have it. */
export interface ClusterFacts extends ControlPlaneFacts {
  nodes: NodeFacts[];
}

/** A cluster of this process's own, whose parts can be made to misbehave. */
export interface OwnCluster extends OwnControlPlane {
  readonly nodes: OwnNode[];
}

export interface ClusterOptions extends Pick<ControlPlaneOptions, 'binaries' | 'users' | 'apiServerFlags' | 'folder'> {
  /** How many nodes, at most 2: `node-1` is the first. The default is 1. */
  nodes?: number;
  /** More of the kubelets' configuration. */
  kubelet?: object;
}

/**
 * Starts a control plane and its nodes, and waits until these are Ready. With `stop`, or when this process is gone, however it
 * went, all of it ends, containers too, and nothing is left on the machine. Needs root.
 */
export async function startCluster({
  nodes: count = 1,
  users,
  kubelet = {},
  ...options
}: ClusterOptions): Promise<OwnCluster> {
  const names = Array.from({ length: count }, (_, index) => `node-${index + 1}`);
  const place = await makePlace();
  let controlPlane: OwnControlPlane | undefined;
  const stop = async (): Promise<void> => {
    try {
      // The kubelets first: they would want to tell.
      await place.leave();
    } finally {
      await controlPlane?.stop();
    }
  };
  try {
    controlPlane = await startControlPlane({
      ...options,
      users: { ...Object.fromEntries(names.map((name) => [`system:node:${name}`, ['system:nodes']])), ...users },
      nodes: { address: `${place.services}.1`, services: `${place.services}.0/24` },
    });
    const { binaries } = options;
    const admin = accessOf(controlPlane);
    const { kubeconfigs } = controlPlane;
    const nodes = await Promise.all(
      names.map((name, index) => {
        const kubeconfig = kubeconfigs[`system:node:${name}`] ?? '';
        return startNode({ place, binaries, name, index, kubeconfig, admin, kubelet });
      }),
    );
    return { ...controlPlane, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
