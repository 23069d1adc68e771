import { createHash, randomUUID } from 'node:crypto';
import { ApiError } from '../../api/error.ts';
import { printTime } from '../../api/go-json.ts';
import type { ObjectMeta } from '../../api/kubernetes.ts';
import type { Cluster, KubernetesObject } from '../cluster.ts';
import { systemClock, type Clock } from '../kubernetes/clock.ts';
import { createQueue } from '../kubernetes/queue.ts';
import { apiVersionOf, events, type Resource } from '../resource.ts';

/** Something about an object that people want to be told once. */
export interface Happening {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  /** What tells it from others of its object: it is told once for each, by whichever process. Without it, each time. */
  id?: string;
}

export interface RecorderOptions {
  cluster: Cluster;
  /** Who tells it: `baton-controller`. */
  component: string;
  /** Where, if it is on one node. */
  node?: string;
  /** Wall-clock milliseconds. */
  now: () => number;
  /** Told of an event that was given up. */
  onLost: (error: unknown) => void;
  clock?: Clock;
}

/** Tells of objects in Kubernetes' events; see {@link createRecorder}. */
export interface Recorder {
  /** Returns at once. */
  record(resource: Resource, object: { metadata: ObjectMeta }, happening: Happening): void;
  /** Ends when the events being written now are; those that wait are lost. */
  stop(): Promise<void>;
}

/** How many events wait at most, as long as the API server takes none; and how long each of them, in milliseconds. */
const LIMITS = { waiting: 1000, ms: 300_000 };
const WORKERS = 2;

/** Writes events behind the back of what they are about, which never waits for them and never fails by them. */
export function createRecorder(options: RecorderOptions): Recorder {
  const { cluster, component, node, now, onLost, clock = systemClock } = options;
  const waiting = new Map<string, { event: KubernetesObject; until: number }>();

  const write = async (key: string): Promise<undefined> => {
    const entry = waiting.get(key);
    if (!entry) return;
    try {
      await cluster.create(events, entry.event);
    } catch (error) {
      const code = error instanceof ApiError ? error.code : undefined;
      if (code === 'ERR_BATON_UNAVAILABLE' && clock.now() < entry.until) throw error;
      if (code !== 'ERR_BATON_EXISTS') onLost(error);
    }
    waiting.delete(key);
  };
  // What fails for now is tried again by the queue itself.
  const queue = createQueue({ work: write, workers: WORKERS, onFailure: () => undefined, clock });

  return {
    record(resource, object, happening) {
      if (waiting.size >= LIMITS.waiting) {
        onLost(new ApiError('ERR_BATON_UNAVAILABLE', `${waiting.size} events wait already`));
        return;
      }
      const event = eventOf(resource, object, happening, {
        component,
        ...(node !== undefined && { node }),
        now: now(),
      });
      const key = `${event.metadata.namespace ?? ''}/${event.metadata.name ?? ''}`;
      waiting.set(key, { event, until: clock.now() + LIMITS.ms });
      queue.add(key);
    },
    stop: () => queue.stop(),
  };
}

/**
 * The Event object; those of objects without a namespace are kept in `default`.
 *
 * @param by.now - milliseconds since the epoch
 */
export function eventOf(
  resource: Resource,
  { metadata }: { metadata: ObjectMeta },
  { type, reason, message, id }: Happening,
  { component, node, now }: { component: string; node?: string; now: number },
): KubernetesObject & Record<string, unknown> {
  const { name = '', uid = '', resourceVersion } = metadata;
  // Objects without a namespace have none to say.
  const place = metadata.namespace === undefined ? {} : { namespace: metadata.namespace };
  const suffix = id === undefined ? randomUUID() : createHash('sha256').update(`${uid} ${reason} ${id}`).digest('hex');
  const time = printTime(now);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { namespace: 'default', ...place, name: `${name.slice(0, 200)}.${suffix.slice(0, 16)}` },
    involvedObject: { apiVersion: apiVersionOf(resource), kind: resource.kind, ...place, name, uid, resourceVersion },
    type,
    reason,
    message: message.slice(0, 1024),
    count: 1,
    firstTimestamp: time,
    lastTimestamp: time,
    source: { component, ...(node !== undefined && { host: node }) },
    reportingComponent: component,
    reportingInstance: node ?? '',
  };
}
