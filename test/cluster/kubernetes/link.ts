import type { Cluster } from '../../../cluster/cluster.ts';
import { sleep, type Clock } from '../../../cluster/kubernetes/clock.ts';
import { unavailable } from '../../../cluster/kubernetes/status.ts';

/** How the way to a cluster is at the moment. */
export interface Link {
  isCut: boolean;
  /** Milliseconds for each way. */
  delay: number;
  /** Milliseconds after which a request is given up. */
  timeout: number;
}

/** A cluster behind a link: an answer may be lost though the request came through, and one that is given up may still come through. */
export function behind(cluster: Cluster, link: Link, clock: Clock): Cluster {
  const fail = (): never => {
    throw unavailable('it', new Error('cut'));
  };
  const way = async (): Promise<void> => {
    if (link.delay > 0) await sleep(clock, link.delay);
    if (link.isCut) fail();
  };
  const call = async <T>(act: () => Promise<T>): Promise<T> => {
    const done = new AbortController();
    const request = async (): Promise<T> => {
      await way();
      const answer = await act();
      await way();
      return answer;
    };
    const late = sleep(clock, link.timeout, done.signal).then(fail);
    late.catch(() => undefined);
    return Promise.race([request(), late]).finally(() => done.abort());
  };
  return {
    get: (...args) => call(() => cluster.get(...args)),
    list: (...args) => call(() => cluster.list(...args)),
    create: (...args) => call(() => cluster.create(...args)),
    patch: (...args) => call(() => cluster.patch(...args)),
    delete: (...args) => call(() => cluster.delete(...args)),
    async *watch(resource, query) {
      await way();
      for await (const event of cluster.watch<never>(resource, query)) {
        await way();
        yield event;
      }
    },
  };
}
