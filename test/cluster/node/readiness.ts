import { setTimeout as delay } from 'node:timers/promises';
import { ApiError } from '../../../api/error.ts';
import type { Pod } from '../../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { pods } from '../../../cluster/resource.ts';
import type { Scope } from '../../helpers/processes.ts';

/** One change of a pod's condition `Ready`, or of the containers that make it up. */
export interface Transition {
  /** From the start of the record, in milliseconds. */
  at: number;
  ready: boolean;
  /** Of the containers that are not ready: name and, where there is one, why. */
  missing: string[];
}

export interface Readiness {
  /** All so far, the state at the start included; only changes of `ready` are transitions. */
  readonly transitions: readonly Transition[];
  /** The latest state of the pod. */
  pod(): WirePod;
  /** Ends the record; rejects where something may be missing. */
  stop(): Promise<void>;
}

type WirePod = Pod & KubernetesObject;

/**
 * Records every change of a pod's readiness, from a watch of its own, until it is stopped or the test ends. While the API server is
 * away it waits, and misses nothing.
 */
export async function recordReadiness(
  t: Scope,
  cluster: Cluster,
  { namespace, name }: { namespace: string; name: string },
): Promise<Readiness> {
  const over = new AbortController();
  const startedAt = performance.now();
  const transitions: Transition[] = [];
  const { items, resourceVersion } = await cluster.list<WirePod>(pods, { namespace });
  const found = items.find(({ metadata }) => metadata.name === name);
  if (!found) throw new Error(`there is no pod ${namespace}/${name}`);
  let latest = found;
  const see = (pod: WirePod): void => {
    latest = pod;
    const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
    if (ready !== transitions.at(-1)?.ready)
      transitions.push({ at: performance.now() - startedAt, ready, missing: missingIn(pod) });
  };
  see(found);
  let failure: unknown;
  let version = resourceVersion;
  const watching = (async () => {
    for (;;) {
      try {
        const query = { namespace, resourceVersion: version, signal: over.signal };
        for await (const event of cluster.watch<WirePod>(pods, query)) {
          if (event.type === 'BOOKMARK') version = event.resourceVersion;
          else {
            version = event.object.metadata.resourceVersion ?? version;
            if (event.object.metadata.name === name) see(event.object);
          }
        }
        if (over.signal.aborted) return;
      } catch (error) {
        if (over.signal.aborted) return;
        // The API server keeps what happened meanwhile for some minutes.
        const isGone = error instanceof ApiError && error.code === 'ERR_BATON_GONE';
        if (isGone) return void (failure = error);
      }
      await delay(200);
    }
  })();
  const stop = async (): Promise<void> => {
    over.abort();
    await watching;
    // What was thrown is passed on as it is.
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    if (failure !== undefined) throw failure;
  };
  t.teardown(() => over.abort());
  return { transitions, pod: () => latest, stop };
}

const missingIn = ({ status }: Pod): string[] =>
  (status?.containerStatuses ?? [])
    .filter(({ ready }) => !ready)
    .map(({ name, state }) => [name, state?.waiting?.reason ?? state?.terminated?.reason].filter(Boolean).join(' '));
