import type { Pod } from '../../../api/kubernetes.ts';
import { copies, versionKey, type StateFile } from '../../../api/pod-contract.ts';
import { createUpgrader, lookAtAll } from '../../../agent/upgrader.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import { createReflector } from '../../../cluster/kubernetes/reflector.ts';
import { pods } from '../../../cluster/resource.ts';
import type { Scope } from '../../helpers/processes.ts';
import type { WirePod } from './system.ts';

export interface PlayedAgentOptions {
  cluster: Cluster;
  namespace: string;
  node: string;
  /** The sidecar that its pods have. */
  sidecar?: string;
  emptyImage?: string;
  /** New copies with these images say that they failed. */
  bad?: ReadonlySet<string>;
  /** Without it, the sidecars write no state files, as in pods that OpenKruise injected. */
  usesSdk?: boolean;
}

/**
 * The agent's own code on a node of the test kubelet's: what the sidecars' processes would write into their state files follows
 * from the pod's status.
 */
export function playAgent(t: Scope, options: PlayedAgentOptions): { stop: () => Promise<void> } {
  const { cluster, namespace, node, sidecar = 'side', emptyImage = 'side:empty' } = options;
  const { bad = new Set(), usesSdk = true } = options;
  const over = new AbortController();
  const upgrader = createUpgrader({
    cluster,
    node: {
      look(pod) {
        const files = usesSdk ? playedStateFiles(pod, { sidecar, emptyImage, bad }) : [];
        return Promise.resolve({ stateFiles: new Map([[sidecar, files]]) });
      },
      attend: () => undefined,
      pull: () => undefined,
      stopContainer: () => undefined,
    },
    maxConcurrent: 3,
    now: Date.now,
  });
  let failure: unknown;
  let looking = Promise.resolve();
  let waits = false;
  const look = (): void => {
    if (waits) return;
    waits = true;
    looking = looking.then(async () => {
      waits = false;
      const mine = reflector.list().filter(({ spec }) => spec?.nodeName === node);
      if (!over.signal.aborted) await lookAtAll(upgrader, mine).catch((error: unknown) => (failure ??= error));
    });
  };
  const reflector = createReflector<WirePod, WirePod>({
    cluster,
    resource: pods,
    query: { namespace },
    keep: (pod) => pod,
    handlers: { added: look, updated: look, deleted: look },
    signal: over.signal,
  });
  // Its own waits are short in these tests.
  const timer = setInterval(look, 200);
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    over.abort();
    await Promise.all([reflector.done, looking]);
    if (failure instanceof Error) throw failure;
  };
  t.teardown(stop);
  return { stop };
}

export interface Nature {
  sidecar: string;
  emptyImage: string;
  bad: ReadonlySet<string>;
}

/** The newest version that runs serves, unless it is a bad one; an older one has drained, or serves again. */
export function playedStateFiles({ metadata, spec, status }: Pod, { sidecar, emptyImage, bad }: Nature): StateFile[] {
  const now = Date.now();
  const running = copies(sidecar).flatMap((name) => {
    const image = spec?.containers.find((container) => container.name === name)?.image ?? '';
    const shown = status?.containerStatuses?.find((container) => container.name === name);
    const startedAt = Date.parse(shown?.state?.running?.startedAt ?? '');
    const version = metadata?.annotations?.[versionKey(name)] ?? '0';
    const isOn = image !== emptyImage && shown?.image === image && Number.isFinite(startedAt);
    return isOn ? [{ version, startedAt, isBad: bad.has(image) }] : [];
  });
  const [newest] = running.filter(({ isBad }) => !isBad).sort((a, b) => Number(BigInt(b.version) - BigInt(a.version)));
  return running.map(({ version, startedAt, isBad }, index) => ({
    version,
    role: version === newest?.version && running.length > 1 ? 'successor' : 'first',
    phase: isBad ? 'failed' : version === newest?.version ? 'serving' : 'drained',
    pid: index + 1,
    // Whole seconds only are in the status.
    startedAt: Math.min(now, startedAt + 999),
    heartbeatAt: now,
    ...(isBad && { error: { code: 'ERR_TEST', message: 'a bad image' } }),
    holdsListeners: !isBad,
    counters: {},
  }));
}
