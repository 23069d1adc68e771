import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Pod } from '../api/kubernetes.ts';
import { injectedLabel } from '../api/pod-contract.ts';
import type { KubernetesObject } from '../cluster/cluster.ts';
import { createKubernetesCluster } from '../cluster/kubernetes/client.ts';
import { createQueue } from '../cluster/kubernetes/queue.ts';
import { createReflector } from '../cluster/kubernetes/reflector.ts';
import { pods as podResource } from '../cluster/resource.ts';
import { createMeters } from '../cluster/service/meters.ts';
import { serveServicePages } from '../cluster/service/pages.ts';
import { createRecorder } from '../cluster/service/recorder.ts';
import { createWatchBook } from '../cluster/service/watches.ts';
import { createMetrics } from './metrics.ts';
import { createPressure } from './pressure.ts';
import { createTeller } from './teller.ts';
import { createUpgrader, type NodeAccess } from './upgrader.ts';

export interface AgentOptions {
  config: KubeConfig;
  /** The node whose pods are this agent's. */
  node: string;
  version: string;
  ports: { metrics: number; health: number };
  /** Pods that are upgraded at once. */
  maxConcurrent: number;
  /** Serves /debug beside /healthz. */
  debug?: boolean;
  /** Makes what reaches the node beside the API server; it is closed at the end. */
  access: (hooks: NodeHooks) => NodeAccess & { close: () => void };
  /** Ends it: the write under way is finished. */
  signal: AbortSignal;
  log: Logger;
  registry: Registry;
}

/** What the agent is told of its node. */
export interface NodeHooks {
  /** A pull has ended. */
  onPull: (report: { image: string; outcome: 'pulled' | 'absent' | 'unclear'; ms: number }) => void;
  /** There is something new to see of the pods whose upgrade is under way. */
  onNews: () => void;
  /** What was begun for a pod has failed. */
  onError: (pod: Pod, error: unknown) => void;
}

type WirePod = Pod & KubernetesObject;

/** Requests a second to the API server: some per upgrade, and an agent is on every node. */
const LIMIT = { qps: 20, burst: 50 };
/** Pods that are looked at at the same time. */
const WORKERS = 8;
/** The longest pause until a look that failed is taken again, in milliseconds: an upgrade under way has no time to lose. */
const LONGEST_PAUSE = 5_000;
/** How often a pod is looked at while its upgrade is under way and nobody tells that anything changed, in milliseconds. */
const LOOK_EVERY = 500;

/**
 * Carries granted upgrades out on one node until the signal aborts. All that has to outlast it is in the pods: it can be
 * killed at any moment, and the next one goes on.
 *
 * @throws the system's error when a port cannot be listened on; whatever makes it impossible to go on
 */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { config, node, version, ports, maxConcurrent, signal, log, registry } = options;
  const meters = createMeters(registry);
  const userAgent = `baton-agent/${version}`;
  const cluster = createKubernetesCluster({ config, userAgent, limit: LIMIT, onRequest: meters.requested });
  const recorder = createRecorder({
    cluster,
    component: 'baton-agent',
    node,
    now: Date.now,
    onLost(error) {
      meters.eventLost();
      log.warn({ err: error }, 'an event is lost');
    },
  });
  const metrics = createMetrics(meters, {
    inProgress: () => upgrader.underWay.size,
    waiting: () => upgrader.waiting,
    pods: () => pods.list().length,
  });

  const teller = createTeller({ metrics, recorder, log });

  const look = async (key: string): Promise<number | undefined> => {
    const [namespace = '', name = ''] = key.split('/');
    const pod = pods.get({ namespace, name });
    if (!pod) return undefined;
    const began = performance.now();
    let again: number | undefined;
    try {
      again = await upgrader.look(pod);
    } catch (error) {
      teller.onTrouble(pod, error);
      throw error;
    } finally {
      metrics.looked((performance.now() - began) / 1000);
    }
    const wait = again === undefined ? undefined : Math.max(0, again - Date.now());
    return upgrader.underWay.has(uidOf(pod)) ? Math.min(wait ?? Infinity, LOOK_EVERY) : wait;
  };
  const queue = createQueue({
    work: look,
    workers: WORKERS,
    longestPause: LONGEST_PAUSE,
    onFailure(pod, error, retryIn) {
      metrics.lookFailed();
      log.warn({ err: error, pod, retryIn }, 'look at a pod');
    },
  });

  const stopWatching = new AbortController();
  let isSynced = false;
  const change = (pod: WirePod): void => {
    upgrader.meet(pod);
    if (isSynced) queue.add(keyOf(pod));
  };
  const watches = createWatchBook(meters, log, Date.now);
  const pods = createReflector<WirePod, WirePod>({
    cluster,
    resource: podResource,
    query: { fields: { 'spec.nodeName': node }, labels: { matchLabels: { [injectedLabel]: 'true' } } },
    keep: (pod) => pod,
    handlers: {
      added: change,
      updated: change,
      deleted(pod) {
        const uid = uidOf(pod);
        teller.forget(uid);
        upgrader.forget(uid);
      },
    },
    signal: stopWatching.signal,
    report: (told) => watches.report(podResource, told),
  });
  const lookAtAll = (): void => pods.list().forEach((pod) => queue.add(keyOf(pod)));
  const access = options.access({
    onPull: metrics.pulled,
    onNews() {
      for (const pod of pods.list()) if (upgrader.underWay.has(uidOf(pod))) queue.add(keyOf(pod));
    },
    onError: teller.onTrouble,
  });
  const upgrader = createUpgrader({
    cluster,
    node: access,
    maxConcurrent,
    now: Date.now,
    pressure: createPressure(cluster, node, () => performance.now()),
    onLook: teller.onLook,
    onUnderWay: () => access.attend(pods.list(), upgrader.underWay),
    onRoom: (pod) => queue.add(keyOf(pod)),
  });
  // What ends the watch but the signal is a mistake of Baton: better to be started anew than to decide on old facts.
  const broken = pods.done.then(() => {
    if (!stopWatching.signal.aborted) throw new Error('the watch has ended');
  });
  void pods.synced.then((synced) => {
    isSynced = synced;
    // Not before each pod's place is known.
    lookAtAll();
  });

  const pages = await serveServicePages({
    ports,
    registry,
    waitsFor: () => (isSynced ? undefined : 'the first list'),
    ...(options.debug && {
      debug: () => ({
        isSynced,
        pods: pods.list().length,
        upgrades: { underWay: upgrader.underWay.size, waiting: upgrader.waiting },
        queue: { waiting: queue.length },
        watches: watches.state(),
      }),
    }),
    log,
  });
  log.info({ node, version }, 'agent starts');
  try {
    await Promise.race([aborted(signal), broken]);
  } finally {
    stopWatching.abort();
    await queue.stop();
    access.close();
    await Promise.all([recorder.stop(), pages.close(), pods.done]);
  }
  log.info('agent has ended');
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';
const keyOf = ({ metadata }: Pod): string => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
