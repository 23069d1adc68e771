import type { KubeConfig } from '@kubernetes/client-node';
import { ApiError } from '../../api/error.ts';
import { isObject, parseJson, printJson } from '../../api/json.ts';
import type { Cluster, JsonPatch, KubernetesObject, Page, Patch, Query, WatchEvent } from '../cluster.ts';
import { apiVersionOf, type Resource } from '../resource.ts';
import { pathOf, queryOf } from './address.ts';
import { sleep, systemClock, type Clock } from './clock.ts';
import { createRateLimit, type RateLimit } from './rate-limit.ts';
import { errorOf } from './status.ts';
import { createTransport, type Answer, type Request } from './transport.ts';

export interface KubernetesClusterOptions {
  /** Where the API server is and who asks: loaded by the caller from a kubeconfig or from the pod's service account. */
  config: KubeConfig;
  /** How the API server's logs call this program: `baton-controller/1.2.3`. */
  userAgent: string;
  /**
   * What all requests together may be, but for watches. Who must not wait behind others (leader election) has a cluster of
   * its own.
   */
  limit: RateLimit;
  /** Milliseconds for each request but watches; the default is 30 s. */
  timeout?: number;
  /** Connections at most, beside one for each watch; the default is 64. */
  connections?: number;
  /** Asked just before each write is sent: `false` fails it with `ERR_BATON_UNAVAILABLE`. */
  mayWrite?: () => boolean;
  /** Told of each request that ended; `status` is 0 where no answer came. For metrics. */
  onRequest?: (request: { method: Request['method']; resource: Resource; status: number; ms: number }) => void;
  clock?: Clock;
}

/** How often a request that the server refused as one too many (429) is sent again, and for how long it waits at most. */
const RETRIES = 5;
const LONGEST_RETRY = 30_000;

/** A real API server. Objects are raw JSON in and out: what Baton does not know survives. */
export function createKubernetesCluster(options: KubernetesClusterOptions): Cluster {
  const {
    config,
    userAgent,
    limit,
    timeout = 30_000,
    connections = 64,
    onRequest,
    mayWrite,
    clock = systemClock,
  } = options;
  const transport = createTransport({
    ...{ config, userAgent, timeout, connections, clock },
    ...(mayWrite && { mayWrite }),
  });
  const allowed = createRateLimit(limit, clock);

  const sendOnce = async (resource: Resource, request: Request): Promise<Answer> => {
    await allowed();
    const since = clock.now();
    let status = 0;
    try {
      const answer = await transport.send(request);
      status = answer.status;
      return answer;
    } finally {
      onRequest?.({ method: request.method, resource, status, ms: clock.now() - since });
    }
  };

  const send = async <T>(resource: Resource, request: Request): Promise<T> => {
    for (let retries = 0; ; retries += 1) {
      const { status, headers, body } = await sendOnce(resource, request);
      if (status >= 200 && status < 300) return read(body, request) as T;
      if (status !== 429 || retries === RETRIES) throw errorOf(status, body, `${request.method} ${request.path}`);
      await sleep(clock, Math.min(LONGEST_RETRY, (Number(headers['retry-after']) || 1) * 1000));
    }
  };

  return {
    get: (resource, key) => send(resource, { method: 'GET', path: pathOf(resource, key) }),

    async list<T extends KubernetesObject>(
      resource: Resource,
      { limit, next, ...query }: Query & { limit?: number; next?: string } = {},
    ): Promise<Page<T>> {
      const path = pathOf(resource, query) + queryOf(query, { limit, continue: next });
      const list = await send<{ metadata: { resourceVersion: string; continue?: string }; items: T[] | null }>(
        resource,
        { method: 'GET', path },
      );
      const { resourceVersion, continue: more } = list.metadata;
      // Of built-in kinds the server leaves these two to the list.
      const named = { apiVersion: apiVersionOf(resource), kind: resource.kind };
      const items = (list.items ?? []).map((item) => ({ ...named, ...item }));
      return { items, resourceVersion, ...(more && { next: more }) };
    },

    async *watch<T extends KubernetesObject>(
      resource: Resource,
      {
        resourceVersion,
        timeoutSeconds,
        signal,
        ...query
      }: Query & { resourceVersion: string; timeoutSeconds?: number; signal: AbortSignal },
    ): AsyncGenerator<WatchEvent<T>> {
      const parameters = { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds };
      const request: Request = {
        method: 'GET',
        path: pathOf(resource, query) + queryOf(query, parameters),
      };
      for await (const line of transport.lines(request, signal)) {
        const event = read(line, request) as { type: string; object: T };
        if (event.type === 'ERROR') throw errorOf(500, printJson(event.object), `GET ${request.path}`);
        if (event.type === 'BOOKMARK') {
          yield { type: 'BOOKMARK', resourceVersion: event.object.metadata.resourceVersion ?? '' };
        } else {
          yield event as WatchEvent<T>;
        }
      }
    },

    create: (resource, object) =>
      send(resource, {
        method: 'POST',
        path: pathOf(resource, object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
        body: printJson({ ...object, apiVersion: apiVersionOf(resource), kind: resource.kind }),
      }),

    patch: (resource, key, patch, { resourceVersion, subresource } = {}) =>
      send(resource, {
        method: 'PATCH',
        path: pathOf(resource, key, subresource),
        contentType: Array.isArray(patch) ? 'application/json-patch+json' : 'application/merge-patch+json',
        body: printJson(resourceVersion === undefined ? patch : withPrecondition(patch, resourceVersion)),
      }),

    async delete(resource, key, { gracePeriodSeconds, uid } = {}) {
      await send(resource, {
        method: 'DELETE',
        path: pathOf(resource, key),
        body: printJson({
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
          ...(uid !== undefined && { preconditions: { uid } }),
        }),
      });
    },
  };
}

/** Says in the patch itself which state it was made for: written rather than tested, so that the server answers with a conflict. */
function withPrecondition(patch: Patch, resourceVersion: string): Patch {
  if (Array.isArray(patch)) {
    const state: JsonPatch = [{ op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion }];
    return [...state, ...patch];
  }
  return { ...patch, metadata: { ...(isObject(patch['metadata']) && patch['metadata']), resourceVersion } };
}

function read(body: string, { method, path }: Request): unknown {
  try {
    return parseJson(body);
  } catch (cause) {
    throw new ApiError('ERR_BATON_UNAVAILABLE', `the answer to ${method} ${path} is no JSON`, {
      facts: { request: `${method} ${path}` },
      cause,
    });
  }
}
