import type { ClientUnaryCall, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { credentials, loadPackageDefinition, status } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { ApiError } from '../../api/error.ts';
import type { ImageNames, RuntimeContainer } from '../hot-upgrade/view.ts';
import { containersFrom } from './containers.ts';
import { labels, runtimeProtocol, type WireContainer, type WireImage, type WireStatus } from './protocol.ts';

/** The node's container runtime, through its CRI socket. Every call has a deadline and rejects with `ERR_BATON_RUNTIME`. */
export interface Runtime {
  /** What answers, for example `containerd 1.6.20`. */
  version(): Promise<string>;
  /** A pod's containers by name: their newest lives, and the ends of those before. */
  containersOf(podUid: string): Promise<Map<string, RuntimeContainer>>;
  /**
   * An image that the node has, named as pods name it: its ID and its digests. Undefined without it, and for a name that cannot
   * be one.
   */
  image(name: string): Promise<ImageNames | undefined>;
  /** Pulls without credentials, also an image that is there. The deadline is {@link pullTimeout}. */
  pullImage(image: string): Promise<void>;
  /**
   * SIGTERM, and after {@link stopGrace} SIGKILL. A container that is gone is as good as stopped.
   *
   * @throws ApiError `ERR_BATON_NOT_FOUND` for a container that is not the pod's
   */
  stopContainer(podUid: string, id: string): Promise<void>;
  /** Ends the calls that wait, with it the pulls: the runtime abandons them. */
  close(): void;
}

/** How long the runtime may take to tell something, in milliseconds. */
const queryTimeout = 10_000;
/** How long a pull may take, in milliseconds. The runtime itself gives up one that makes no progress. */
export const pullTimeout = 600_000;
/** Between SIGTERM and SIGKILL, in seconds: enough for a new copy to give connections back. */
export const stopGrace = 5;

/**
 * Speaks runtime.v1 over a Unix socket. Connects at the first call, and again by itself when the runtime was restarted.
 *
 * @param socket - its path, at most 107 bytes
 */
export function connectRuntime(socket: string): Runtime {
  const services = load();
  const options = {
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
  };
  const [containers, images] = [services.RuntimeService, services.ImageService].map(
    (Service) => new Service(`unix:${socket}`, credentials.createInsecure(), options),
  );

  const pending = new Set<ClientUnaryCall>();

  const call = <T>(client: typeof containers, method: string, request: object, timeout = queryTimeout): Promise<T> =>
    new Promise((resolve, reject) => {
      const send = client?.[method] as Unary<T>;
      const sent = send.call(client, request, { deadline: Date.now() + timeout }, (error, answer) => {
        pending.delete(sent);
        if (error) reject(runtimeError(socket, method, error));
        else resolve(answer as T);
      });
      pending.add(sent);
    });

  const statusOf = async (containerId: string): Promise<WireStatus | undefined> => {
    try {
      const answer = await call<{ status: WireStatus | null }>(containers, 'ContainerStatus', { containerId });
      return answer.status ?? undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  };

  return {
    async version() {
      const { runtimeName, runtimeVersion } = await call<{ runtimeName: string; runtimeVersion: string }>(
        containers,
        'Version',
        {},
      );
      return `${runtimeName} ${runtimeVersion}`;
    },
    async containersOf(podUid) {
      const filter = { labelSelector: { [labels.podUid]: podUid } };
      const listed = await call<{ containers: WireContainer[] }>(containers, 'ListContainers', { filter });
      const lives = await Promise.all(
        listed.containers.map(async ({ id, imageRef }) => {
          const life = await statusOf(id);
          // containerd tells the image's ID here only.
          return life && { ...life, image: [imageRef, life.imageRef, life.imageId].filter(Boolean) };
        }),
      );
      // Some may be gone since.
      return containersFrom(lives.filter((life) => life !== undefined));
    },
    async image(name) {
      // containerd 1.6 answers "yes" to no name at all.
      if (name === '') return undefined;
      try {
        const answer = await call<{ image: WireImage | null }>(images, 'ImageStatus', { image: { image: name } });
        return answer.image ? [answer.image.id, ...answer.image.repoDigests] : undefined;
      } catch (error) {
        if (isBadName(error)) return undefined;
        throw error;
      }
    },
    async pullImage(image) {
      await call(images, 'PullImage', { image: { image } }, pullTimeout);
    },
    async stopContainer(podUid, containerId) {
      const life = await statusOf(containerId);
      if (!life) return;
      if (life.labels[labels.podUid] !== podUid) {
        throw new ApiError(
          'ERR_BATON_NOT_FOUND',
          `container ${containerId} is not of pod ${podUid}: it is left alone`,
          {
            facts: { container: containerId, pod: podUid },
          },
        );
      }
      const timeout = stopGrace * 1000 + queryTimeout;
      await call(containers, 'StopContainer', { containerId, timeout: stopGrace }, timeout);
    },
    close() {
      // The library's own close lets calls go on.
      for (const sent of pending) sent.cancel();
      containers?.close();
      images?.close();
    },
  };
}

type Unary<T> = (
  request: object,
  options: { deadline: number },
  callback: (error: ServiceError | null, answer?: T) => void,
) => ClientUnaryCall;

function load(): Record<'RuntimeService' | 'ImageService', ServiceClientConstructor> {
  const loaded = loadPackageDefinition(fromJSON(runtimeProtocol, { longs: String, enums: String, defaults: true }));
  const { v1 } = loaded['runtime'] as unknown as {
    v1: Record<'RuntimeService' | 'ImageService', ServiceClientConstructor>;
  };
  return v1;
}

/** `facts.status` is the name of the gRPC status. */
function runtimeError(socket: string, method: string, cause: ServiceError): ApiError {
  const name = status[cause.code];
  const isAway = cause.code === status.UNAVAILABLE || cause.code === status.DEADLINE_EXCEEDED;
  const advice = isAway ? `. Does the container runtime run, and serve the CRI at ${socket}?` : '';
  return new ApiError('ERR_BATON_RUNTIME', `${method}: ${cause.details || cause.message}${advice}`, {
    facts: { socket, method, status: name, details: cause.details },
    cause,
  });
}

const factOf = (error: unknown, fact: string): unknown => (error instanceof ApiError ? error.facts[fact] : undefined);

const isNotFound = (error: unknown): boolean => factOf(error, 'status') === 'NOT_FOUND';

/** Runtimes have no status of their own for a name that they cannot read. */
function isBadName(error: unknown): boolean {
  return /failed to parse image reference|invalid reference format/.test(String(factOf(error, 'details')));
}

/**
 * Whether a failed pull proves that there is no such image: the registry does not know it, or the name is none. All else (no
 * credentials, an unreachable registry, a time-out, no runtime) may be otherwise for the kubelet, or later.
 */
export function isConclusive(error: unknown): boolean {
  return isNotFound(error) || isBadName(error) || /manifest unknown/.test(String(factOf(error, 'details')));
}
