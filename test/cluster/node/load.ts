import { fileURLToPath } from 'node:url';
import { startLoad, type RunningLoad } from '../../../cli/rehearsal/load.ts';
import type { Bucket, HttpLoad, TcpLoad } from '../../../cli/rehearsal/load-types.ts';
import type { Scope } from '../../helpers/processes.ts';
import { inNetworkOf } from './container.ts';

const file = fileURLToPath(new URL('../../../cli/baton.ts', import.meta.url));

/**
 * The rehearsal's load generator in the network of a process's container: it calls `127.0.0.1` there. It is ended with the
 * test; `stop()` has the figures.
 */
export async function startLoadIn(
  t: Scope,
  pid: number,
  load: HttpLoad | TcpLoad,
  port: number,
  onBucket: (bucket: Bucket) => void = () => undefined,
): Promise<RunningLoad> {
  const [node, ...enter] = inNetworkOf(pid);
  // The pod may go: what holds its network is the process itself.
  const program = { file, node, nodeOptions: [...enter, process.execPath, '--import=tsx'] };
  const running = await startLoad(load, [{ host: '127.0.0.1', port }], program, onBucket);
  t.teardown(() => running.kill());
  return running;
}
