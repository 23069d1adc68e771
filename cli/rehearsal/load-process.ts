import { httpClient } from './http-load.ts';
import type { LoadNews, LoadOrder } from './load-types.ts';
import { makeRecorder } from './recorder.ts';
import { tcpClient } from './tcp-load.ts';

const bucketMs = 100;

/**
 * The load generator's main: a process of its own, so that the runner's work does not disturb its measuring. It takes
 * orders over Node's IPC channel and ends with it.
 */
export async function driveLoad(): Promise<number> {
  if (!process.send) return 2;
  const tell = (news: LoadNews) => void process.send?.(news, () => undefined);
  const stop = new AbortController();
  process.once('disconnect', () => process.exit(0));
  await new Promise<void>((resolve) => {
    let recorder: ReturnType<typeof makeRecorder> | undefined;
    let clients: Promise<unknown> = Promise.resolve();
    let ticker: NodeJS.Timeout | undefined;
    process.on('message', (order: LoadOrder) => {
      if (order.type === 'start') {
        const { load: each, targets } = order;
        const load = { ...each, connections: each.connections * targets.length };
        const places = targets.flatMap((target) => Array.from({ length: each.connections }, () => target));
        const record = (recorder = makeRecorder(Date.now()));
        ticker = setInterval(() => tell({ type: 'bucket', bucket: record.bucket(Date.now()) }), bucketMs);
        clients = Promise.all(
          places.map((target, index) =>
            load.kind === 'http'
              ? httpClient(load, target, index, record, stop.signal)
              : tcpClient(load, target, index, record, stop.signal),
          ),
        );
      } else if (order.type === 'window') {
        const latency = recorder?.enter(order.window) ?? { p50: null, p99: null };
        tell({ type: 'window', latency });
      } else {
        stop.abort();
        void clients.then(() => {
          clearInterval(ticker);
          const record = recorder ?? makeRecorder(Date.now());
          tell({ type: 'bucket', bucket: record.bucket(Date.now()) });
          tell({ type: 'summary', summary: record.summary() });
          resolve();
        });
      }
    });
    tell({ type: 'ready' });
  });
  // The runner closes the channel when it has the summary.
  await new Promise<void>((resolve) => process.once('disconnect', () => resolve()));
  return 0;
}
