import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiError } from '../api/error.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { createKubernetesCluster } from '../cluster/kubernetes/client.ts';
import { contend } from '../cluster/kubernetes/election.ts';
import { DURATIONS } from '../cluster/kubernetes/lease.ts';
import { sidecarSets } from '../cluster/resource.ts';
import { createMeters } from '../cluster/service/meters.ts';
import { serveServicePages } from '../cluster/service/pages.ts';
import { createRecorder } from '../cluster/service/recorder.ts';
import { createWatchBook } from '../cluster/service/watches.ts';
import { takeCensus, type Census } from './census.ts';
import { createMetrics } from './metrics.ts';
import { homeOfRevisions } from './revisions/home.ts';
import { runRollouts, type Rollouts } from './rollouts.ts';
import { followSecondController } from './second-controller/follow.ts';
import { watchAll, type Watched } from './watched.ts';
import { followKeyPair } from './webhook/certificates/follow.ts';
import { keyPairSource, type CertificateChoice } from './webhook/certificates/source.ts';
import { serveWebhooks, type WebhookServer } from './webhook/server.ts';

export interface ControllerOptions {
  config: KubeConfig;
  /** The controller's own namespace: Lease and Secret are there. */
  namespace: string;
  /** Where OpenKruise keeps, or kept, its Lease, ControllerRevisions and ConfigMap; see {@link homeOfRevisions}. */
  historyNamespace: string;
  /** Of this process and no other. */
  identity: string;
  version: string;
  ports: { webhook: number; metrics: number; health: number };
  certificates: CertificateChoice;
  /** Requests a second to the API server, and how many at once before that counts. */
  limit: { qps: number; burst: number };
  /** How many pods of a set are written at once. */
  parallel: number;
  /** Namespaces that the pod webhook leaves out, for the census. */
  excluded: readonly string[];
  /** Serves /debug beside /healthz. */
  debug?: boolean;
  /** Ends it: what is under way is finished, then the lease is let go. */
  signal: AbortSignal;
  log: Logger;
  registry: Registry;
}

const LEASE = 'baton-controller';
/** From one census to the next, in milliseconds. */
const CENSUS_EVERY = 300_000;
const CENSUS_RETRY = 30_000;
/** From one attempt to find out where revisions are to the next, in milliseconds. */
const HOME_RETRY = 1_000;
/** How long API servers may take to hear that this replica goes, in milliseconds. */
const GRACE = 5_000;

/**
 * Runs the controller until the signal aborts: webhooks on every replica; rollouts, revisions, status and the census on the
 * one that leads.
 *
 * @throws ApiError `ERR_BATON_LEASE_LOST` when it led and may no more: the process is to end, whatever it still has in mind; the
 * system's error when a port cannot be listened on; whatever else makes it impossible to go on
 */
export async function runController(options: ControllerOptions): Promise<void> {
  const { config, namespace, identity, version, ports, limit, signal, log, registry } = options;
  let rollouts: Rollouts | undefined;
  const meters = createMeters(registry);
  const metrics = createMetrics(meters, () => rollouts?.length() ?? 0);
  const userAgent = `baton-controller/${version}`;
  const access = { config, userAgent, limit, onRequest: meters.requested };
  const cluster = createKubernetesCluster(access);
  // The leader's alone: a write that waited while this process was suspended is not sent.
  let holdsLease = (): boolean => false;
  const leaderCluster = createKubernetesCluster({
    ...access,
    mayWrite: () => holdsLease() && second.acts() === undefined,
  });
  // To take grants back that agents would still take while another controller acts.
  const lastCluster = createKubernetesCluster({ ...access, mayWrite: () => holdsLease() });
  const onError = (message: string) => (error: unknown) => log.error({ err: error }, message);

  const recorder = createRecorder({
    cluster,
    component: 'baton-controller',
    now: Date.now,
    onLost(error) {
      meters.eventLost();
      log.warn({ err: error }, 'an event is lost');
    },
  });

  const stopWatching = new AbortController();
  const watches = createWatchBook(meters, log, Date.now);
  let census: Census | undefined;
  const second = followSecondController({
    cluster,
    namespace: options.historyNamespace,
    signal: stopWatching.signal,
    onChange(message) {
      metrics.standingAside(message !== undefined);
      if (message)
        log.warn({ because: message }, 'another controller acts on SidecarSets: Baton writes and injects nothing');
      else log.info('no other controller acts on SidecarSets any more');
    },
    report({ plural }, told) {
      if (told.type === 'failed') log.warn({ err: told.error }, `watch of another controller's ${plural}`);
    },
  });
  let watched: Watched | undefined;
  let isSynced = false;
  let waitsForItself = false;

  let webhook: WebhookServer | undefined;
  const pages = await serveServicePages({
    ports,
    registry,
    waitsFor() {
      if (webhook && (isSynced || waitsForItself)) return undefined;
      return isSynced ? 'certificates' : 'the first lists';
    },
    ...(options.debug && {
      debug: () => ({
        leads: rollouts !== undefined,
        isSynced,
        sets: watched?.sets().length ?? 0,
        queue: { waiting: rollouts?.length() ?? 0 },
        watches: watches.state(),
      }),
    }),
    log,
  });
  log.info({ identity, version }, 'controller starts');

  const home = await homeFound(cluster, options);
  if (home === undefined) {
    stopWatching.abort();
    await Promise.all([second.done, recorder.stop(), pages.close()]);
    return;
  }
  const known = (watched = watchAll({
    cluster,
    namespace: home,
    signal: stopWatching.signal,
    onChange: (set, when) => rollouts?.look(set, when),
    report(resource, told) {
      watches.report(resource, told);
      if (resource !== sidecarSets) return;
      // What OpenKruise stored in its old version is listed when Baton converts it: nobody is ready, unless one begins.
      if (told.type === 'failed') waitsForItself = /conversion webhook/.test(told.error.message);
      else if (told.type === 'listed') waitsForItself = false;
    },
  }));
  // What ends a watch but the signal is a mistake of Baton: better to be started anew than to decide on old facts.
  const broken = Promise.race([known.done, second.done]).then(async () => {
    if (!stopWatching.signal.aborted) throw new Error('a watch has ended');
    await Promise.all([known.done, second.done]);
  });
  const synced = Promise.all([known.synced, second.synced]).then((outcomes) => outcomes.every((one) => one));
  void synced.then((outcome) => (isSynced = outcome));

  const stopCertificates = new AbortController();
  const certificates = followKeyPair({
    ...keyPairSource(options.certificates, { cluster, namespace, signal, onError: onError('webhook configurations') }),
    signal: stopCertificates.signal,
    onError: onError('webhook certificates'),
    async onKeyPair(keyPair) {
      metrics.certified(Date.parse(new X509Certificate(keyPair.certificate).validTo));
      if (webhook) {
        webhook.setKeyPair(keyPair);
        return;
      }
      webhook = await serveWebhooks({
        port: ports.webhook,
        keyPair,
        sources: () => (isSynced ? { ...known.sources(), secondController: second.acts() } : undefined),
        now: Date.now,
        draw: Math.random,
        onAnswer: metrics.answered,
        onError: onError('webhook'),
      });
      log.info({ port: webhook.port }, 'webhooks are served');
    },
  });

  const lead = async (leading: AbortSignal, holds: () => boolean): Promise<void> => {
    holdsLease = holds;
    if (!(await raced(synced, leading))) return;
    tellOfSecond();
    await second.whileAlone(leading, rollOut);
  };

  /** An event writes nothing to the sets themselves. */
  const tellOfSecond = (): void => {
    const because = second.acts();
    if (because === undefined) return;
    const event = { type: 'Warning', reason: 'SecondController', message: `Baton stands aside: ${because}` } as const;
    for (const set of known.sets()) recorder.record(sidecarSets, set, event);
  };

  const rollOut = async (alone: AbortSignal): Promise<void> => {
    const mine = (rollouts = runRollouts({
      cluster: leaderCluster,
      namespace: home,
      watched: known,
      missed: (set) => census && (census.missed.get(set) ?? 0),
      now: Date.now,
      parallel: options.parallel,
      onStep: metrics.planned,
      onEvent: (set, event) => recorder.record(sidecarSets, set, event),
      onGone: metrics.forgotten,
      onDone: ({ waited, worked }) => metrics.reconciled(worked / 1000, waited / 1000),
      onFailure(set, error, retryIn) {
        metrics.reconcileFailed();
        log.warn({ err: error, set, retryIn }, 'step of a rollout');
      },
    }));
    const counting = countPods(alone);
    await aborted(alone);
    rollouts = undefined;
    await Promise.all([mine.stop(second.acts() === undefined ? undefined : lastCluster), counting]);
    tellOfSecond();
  };

  const countPods = async (alone: AbortSignal): Promise<void> => {
    while (!alone.aborted) {
      let pause = CENSUS_EVERY;
      try {
        const excluded = new Set([...options.excluded, namespace]);
        census = await takeCensus(leaderCluster, () => ({ ...known.sources(), excluded }), { signal: alone });
        metrics.counted(census);
        for (const { metadata } of known.sets()) rollouts?.look(metadata.name ?? '', 'soon');
      } catch (error) {
        log.warn({ err: error }, 'census');
        pause = CENSUS_RETRY;
      }
      await delay(pause, undefined, { signal: alone }).catch(() => undefined);
    }
  };

  const election = contend({
    // Renewals wait for no rollout's writes.
    cluster: createKubernetesCluster({
      config,
      userAgent,
      limit: { qps: 10, burst: 20 },
      timeout: DURATIONS.giveUp / 2,
      onRequest: meters.requested,
    }),
    key: { namespace, name: LEASE },
    identity,
    signal,
    lead,
    report(report) {
      if (report.type !== 'failed') metrics.leading(report.type === 'leading');
      if (report.type === 'failed') log.warn({ err: report.error }, 'leader election');
      else log.info(report, 'leader election');
    },
  });
  const outcome = await Promise.race([election, broken]);

  // The lease is let go first: another leads while this one still answers what API servers send it.
  await webhook?.close(GRACE);
  stopCertificates.abort();
  stopWatching.abort();
  await Promise.all([certificates, broken, recorder.stop(), pages.close()]);
  if (outcome === 'lost' && !signal.aborted) {
    throw new ApiError('ERR_BATON_LEASE_LOST', 'the lease was lost: another process begins with what the cluster says');
  }
  log.info('controller has ended');
}

/** Where revisions are kept, as soon as the API server says so; undefined when the signal aborts before. */
async function homeFound(cluster: Cluster, options: ControllerOptions): Promise<string | undefined> {
  const { namespace, historyNamespace, signal, log } = options;
  while (!signal.aborted) {
    try {
      const home = await homeOfRevisions(cluster, { own: namespace, history: historyNamespace });
      log.info({ namespace: home }, 'revisions are kept there');
      return home;
    } catch (error) {
      log.warn({ err: error }, 'where revisions are kept');
      await delay(HOME_RETRY, undefined, { signal }).catch(() => undefined);
    }
  }
  return undefined;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** What the promise resolves with; false when the signal aborts before. */
const raced = (promise: Promise<boolean>, signal: AbortSignal): Promise<boolean> =>
  Promise.race([promise, aborted(signal).then(() => false)]);
