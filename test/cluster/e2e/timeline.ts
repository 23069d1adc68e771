import { grantKey } from '../../../api/pod-contract.ts';
import { findContainer, lifeOf } from '../../../api/containers.ts';
import { phaseOf } from '../../../api/upgrade-record.ts';
import type { Cluster } from '../../../cluster/cluster.ts';
import { pods } from '../../../cluster/resource.ts';
import { until, type Scope } from '../../helpers/processes.ts';
import type { WirePod } from '../node/scene.ts';
import { recordOf } from './scene.ts';

/** What happened to one pod, in the order of its watch. */
export interface Timeline {
  /** What was seen, with `performance.now()` of this process. */
  readonly steps: readonly Step[];
  /** Every change of the pod's spec or of the annotations that Baton decides on: one per patch. */
  readonly patches: readonly string[];
  /** Every `Ready` that differs from the one before, the first included. */
  readonly readiness: readonly boolean[];
  pod: () => WirePod;
  /** Resolves once the record has what the API server has now; rejects where the watch broke. */
  catchUp: () => Promise<void>;
  /** Catches up, and ends the record. */
  stop: () => Promise<void>;
}

export interface Step {
  at: number;
  what: string;
}

/** How long an upgrade took that was published at that moment, by who was waited for; in milliseconds. */
export function phasesOf({ steps }: Timeline, publishedAt: number): Record<string, number> {
  let from = publishedAt;
  const after = (what: string): number => {
    const step = steps.find((one) => one.at >= from && one.what.startsWith(what));
    if (!step) throw new Error(`no "${what}" in ${JSON.stringify(steps)}`);
    const took = step.at - from;
    from = step.at;
    return Math.round(took);
  };
  const phases = {
    'granted by the controller': after('grant: '),
    'new copy patched by the agent': after('phase: Upgrading'),
    'new copy shown by the kubelet': after('phase: Soaking'),
    'old copy patched by the agent': after('phase: Resetting'),
    'old copy shown empty by the kubelet': after('phase: Done'),
  };
  return { ...phases, total: Math.round(from - publishedAt) };
}

/** Records what a watch tells of a pod, from now on. */
export async function recordTimeline(
  t: Scope,
  cluster: Cluster,
  { namespace, name, set }: { namespace: string; name: string; set: string },
): Promise<Timeline> {
  const over = new AbortController();
  const steps: Step[] = [];
  const patches: string[] = [];
  const readiness: boolean[] = [];
  let latest: WirePod | undefined;
  const versions = new Set<string>();
  const told = new Map<string, string>();
  const tell = (topic: string, value: string): boolean => {
    if (told.get(topic) === value) return false;
    const isFirst = !told.has(topic);
    told.set(topic, value);
    if (!isFirst) steps.push({ at: performance.now(), what: `${topic}: ${value}` });
    return !isFirst;
  };
  const see = (pod: WirePod): void => {
    latest = pod;
    const { spec, status, metadata } = pod;
    versions.add(metadata.resourceVersion ?? '');
    const grant = metadata.annotations?.[grantKey] ?? 'none';
    const record = recordOf(pod, set);
    const images = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(({ image }) => image).join();
    const isPatched = [
      tell('grant', grant === 'none' ? 'none' : (/"revision":"[^"]*"/.exec(grant)?.[0] ?? 'some')),
      tell('record', `${record?.phase ?? 'none'} ${record?.revision.slice(0, 6) ?? ''}`),
      tell('images', images),
    ];
    if (isPatched.includes(true)) patches.push(steps.at(-1)?.what ?? '');
    const phase = record && phaseOf(record, (container) => lifeOf(pod, container));
    tell('phase', phase ?? 'none');
    for (const { name: container } of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
      const { id, running, ready } = lifeOf(pod, container);
      const image = findContainer(pod, container)?.container.image;
      tell(
        container,
        `${id.slice(0, 6)} ${running ? 'running' : 'down'} ${ready ? 'ready' : 'unready'} ${image ?? ''}`,
      );
    }
    const isReady = status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false;
    if (isReady !== readiness.at(-1)) readiness.push(isReady);
  };
  const { items, resourceVersion } = await cluster.list<WirePod>(pods, {
    namespace,
    fields: { 'metadata.name': name },
  });
  items.forEach(see);
  let failure: unknown;
  const watching = (async () => {
    try {
      const query = { namespace, fields: { 'metadata.name': name }, resourceVersion, signal: over.signal };
      for await (const event of cluster.watch<WirePod>(pods, query)) if (event.type !== 'BOOKMARK') see(event.object);
      if (!over.signal.aborted) failure = new Error('the watch ended: changes may be missing');
    } catch (error) {
      if (!over.signal.aborted) failure = error;
    }
  })();
  t.teardown(() => over.abort());
  const catchUp = async (): Promise<void> => {
    const { metadata } = await cluster.get<WirePod>(pods, { namespace, name });
    await until('the watch has told what a read told', () => {
      // What was thrown is passed on as it is.
      // eslint-disable-next-line @typescript-eslint/only-throw-error
      if (failure !== undefined) throw failure;
      return versions.has(metadata.resourceVersion ?? '');
    });
  };
  return {
    steps,
    patches,
    readiness,
    pod() {
      if (!latest) throw new Error(`there is no pod ${namespace}/${name}`);
      return latest;
    },
    catchUp,
    async stop() {
      await catchUp();
      over.abort();
      await watching;
    },
  };
}
