import type { KubeConfig } from '@kubernetes/client-node';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { X509Certificate } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiError } from '../api/error.ts';
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
import { runRollouts, type Rollouts } from './rollouts.ts';
import { watchAll } from './watched.ts';
import { followKeyPair } from './webhook/certificates/follow.ts';
import { keyPairSource, type CertificateChoice } from './webhook/certificates/source.ts';
import { serveWebhooks, type WebhookServer } from './webhook/server.ts';

export interface ControllerOptions {
  config: KubeConfig;
  /** The controller's own namespace: Lease, Secret, ControllerRevisions and ConfigMap are there. */
  namespace: string;
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
  const leaderCluster = createKubernetesCluster({ ...access, mayWrite: () => holdsLease() });
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
  const watched = watchAll({
    cluster,
    namespace,
    signal: stopWatching.signal,
    onChange: (set, when) => rollouts?.look(set, when),
    report: watches.report,
  });
  // What ends a watch but the signal is a mistake of Baton: better to be started anew than to decide on old facts.
  const broken = watched.done.then(() => {
    if (!stopWatching.signal.aborted) throw new Error('a watch has ended');
  });
  let isSynced = false;
  void watched.synced.then((synced) => (isSynced = synced));

  let webhook: WebhookServer | undefined;
  const pages = await serveServicePages({
    ports,
    registry,
    waitsFor() {
      if (isSynced && webhook) return undefined;
      return isSynced ? 'certificates' : 'the first lists';
    },
    ...(options.debug && {
      debug: () => ({
        leads: rollouts !== undefined,
        isSynced,
        sets: watched.sets().length,
        queue: { waiting: rollouts?.length() ?? 0 },
        watches: watches.state(),
      }),
    }),
    log,
  });
  log.info({ identity, version }, 'controller starts');

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
        sources: () => (isSynced ? watched.sources() : undefined),
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
    if (!(await raced(watched.synced, leading))) return;
    const mine = (rollouts = runRollouts({
      cluster: leaderCluster,
      namespace,
      watched,
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
    const counting = countPods(leading);
    await aborted(leading);
    rollouts = undefined;
    await Promise.all([mine.stop(), counting]);
  };

  const countPods = async (leading: AbortSignal): Promise<void> => {
    while (!leading.aborted) {
      let pause = CENSUS_EVERY;
      try {
        const excluded = new Set([...options.excluded, namespace]);
        census = await takeCensus(leaderCluster, () => ({ ...watched.sources(), excluded }), { signal: leading });
        metrics.counted(census);
        for (const { metadata } of watched.sets()) rollouts?.look(metadata.name ?? '', 'soon');
      } catch (error) {
        log.warn({ err: error }, 'census');
        pause = CENSUS_RETRY;
      }
      await delay(pause, undefined, { signal: leading }).catch(() => undefined);
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

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** What the promise resolves with; false when the signal aborts before. */
const raced = (promise: Promise<boolean>, signal: AbortSignal): Promise<boolean> =>
  Promise.race([promise, aborted(signal).then(() => false)]);
