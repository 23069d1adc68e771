import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { certificate } from '../../test/helpers/certificate.ts';
import { freePort, startSidecar, temporaryDirectory, untilPhase, type Scope } from '../../test/helpers/processes.ts';
import type { Protocol } from './clients.ts';
import { figuresOf, type Figures, type Upgrade } from './figures.ts';
import type { Seen } from './load.ts';

/** How much of it. */
export interface Conditions {
  upgrades: number;
  connections: number;
  /** Questions per second, over all connections. */
  rate: number;
  /** How long the clients are looked at, just before each upgrade and from its start; longer when the drain is. */
  stretchMs: number;
}

/** After each upgrade, outside of what is measured. */
const SETTLE_MS = 300;

/** What `npm run bench` takes. */
export const usual: Conditions = { upgrades: 5, connections: 100, rate: 500, stretchMs: 1500 };

/** The same upgrades for one protocol, with real processes: a load generator, and a sidecar through its versions. */
export async function measure(protocol: Protocol, conditions: Conditions): Promise<Figures> {
  const acts: (() => unknown)[] = [];
  const scope: Scope = { teardown: (act) => acts.push(act) };
  try {
    return await run(scope, protocol, conditions);
  } finally {
    for (const act of acts.reverse()) await act();
  }
}

async function run(scope: Scope, protocol: Protocol, conditions: Conditions): Promise<Figures> {
  const { upgrades: count, stretchMs } = conditions;
  const directory = temporaryDirectory(scope);
  const port = await freePort();
  const env = { PROTOCOL: protocol, ...certificate(scope) };
  const start = (version: number, alternative: number): ReturnType<typeof startSidecar> =>
    startSidecar(scope, { version, alternative, directory, port, script: 'bench/protocols/sidecar.js', env });

  let old = start(1, 0);
  await untilPhase(old, 'serving');
  const load = await startLoad(scope, protocol, port, conditions);
  const upgrades: Upgrade[] = [];
  for (let version = 2; version <= count + 1; version += 1) {
    await delay(SETTLE_MS);
    const quiet = Date.now();
    await delay(stretchMs);
    const from = Date.now();
    const next = start(version, version - 1);
    const { servingAt = NaN } = await untilPhase(next, 'serving');
    const { drainedAt = NaN, counters } = await untilPhase(old, 'drained');
    await delay(from + stretchMs - Date.now());
    const drainMs = Math.max(0, drainedAt - servingAt);
    upgrades.push({ quiet, from, to: Date.now(), moved: counters.moved, drainMs });
    old.kill('SIGTERM');
    await old.exited;
    old = next;
  }
  return figuresOf(upgrades, await load.stop());
}

async function startLoad(
  scope: Scope,
  protocol: Protocol,
  port: number,
  { connections, rate }: Conditions,
): Promise<{ stop(): Promise<Seen> }> {
  const child = fork(
    fileURLToPath(new URL('load.ts', import.meta.url)),
    [protocol, ...[port, connections, rate].map(String)],
    { execArgv: ['--import', 'tsx'] },
  );
  scope.teardown(() => child.kill('SIGKILL'));
  await messageOf(child);
  return {
    stop() {
      child.send('stop');
      return messageOf(child) as Promise<Seen>;
    },
  };
}

async function messageOf(child: ChildProcess): Promise<unknown> {
  const over = new AbortController();
  const ended = once(child, 'exit', over).then(([code]) => {
    throw new Error(`the load generator ended with ${String(code)}`);
  });
  try {
    const [message] = (await Promise.race([once(child, 'message', over), ended])) as unknown[];
    return message;
  } finally {
    over.abort();
    ended.catch(() => undefined);
  }
}
