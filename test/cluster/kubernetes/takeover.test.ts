import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { until } from '../../helpers/processes.ts';
import { clusterTest, controlPlane } from '../cluster-test.ts';
import { makeNamespace } from '../control-plane/namespace.ts';

const program = fileURLToPath(new URL('contender.ts', import.meta.url));

interface Contender {
  child: ChildProcess;
  /** When each line came that it printed. */
  lines: { line: string; at: number }[];
}

function start(t: ExecutionContext, ...args: string[]): Contender {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines: Contender['lines'] = [];
  child.stdout.on('data', (data: Buffer) => {
    for (const line of data.toString().trim().split('\n')) lines.push({ line, at: performance.now() });
  });
  return { child, lines };
}

const leadingAt = ({ lines }: Contender): number | undefined => lines.find(({ line }) => line === 'leading')?.at;

clusterTest(
  'another leads within ten seconds after the leader was killed, and within one after a clean stop',
  async (t) => {
    const facts = await controlPlane(t);
    const namespace = await makeNamespace(t, facts);
    const contenders: Contender[] = [];
    for (const name of ['a', 'b', 'c']) {
      contenders.push(start(t, facts.kubeconfigs['admin'] ?? '', namespace, name));
    }
    const leaders = (): Contender[] => contenders.filter(leadingAt);
    await until('all are there', () => contenders.every(({ lines }) => lines.length > 0), 60_000);
    const [first] = await until('the first leader', () => (leaders().length > 0 ? leaders() : undefined), 30_000);
    // The others have seen its renewals for a while.
    await until('they wait', () => performance.now() - (leadingAt(first as Contender) ?? Infinity) > 3000);
    t.is(leaders().length, 1);
    const killedAt = performance.now();
    first?.child.kill('SIGKILL');
    const second = await until('the second leader', () => leaders().find((one) => one !== first), 15_000);
    const afterKill = (leadingAt(second) ?? Infinity) - killedAt;
    t.true(afterKill <= 10_000, `${afterKill} ms after kill -9`);
    const stoppedAt = performance.now();
    second.child.kill('SIGTERM');
    const third = await until('the third leader', () => leaders().find((one) => one !== first && one !== second));
    const afterStop = (leadingAt(third) ?? Infinity) - stoppedAt;
    t.true(afterStop <= 1000, `${afterStop} ms after a clean stop`);
    if (second.child.exitCode === null) await once(second.child, 'exit');
    t.is(second.child.exitCode, 0);
    t.log(`another led ${Math.round(afterKill)} ms after kill -9, ${Math.round(afterStop)} ms after a clean stop`);
  },
);
