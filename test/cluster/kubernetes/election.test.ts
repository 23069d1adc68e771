import test from 'ava';
import * as fc from 'fast-check';
import type { Cluster } from '../../../cluster/cluster.ts';
import { createMemoryCluster } from '../../../cluster/memory/cluster.ts';
import { contend, type ElectionReport } from '../../../cluster/kubernetes/election.ts';
import { DURATIONS, type Lease } from '../../../cluster/kubernetes/lease.ts';
import { leases, namespaces } from '../../../cluster/resource.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';
import { behind, type Link } from './link.ts';

const key = { namespace: 'baton-system', name: 'controller' };

interface Contender {
  link: Link;
  reports: ElectionReport['type'][];
  /** Ends it in good order. */
  stop: () => void;
  over: Promise<void>;
}

interface Scene {
  clock: FakeClock;
  cluster: Cluster;
  /** Who leads now. */
  leaders: Set<string>;
  /** How many led at once at most. */
  most: { count: number };
  /** Who began to lead, and when. */
  history: { name: string; at: number }[];
  join: (
    name: string,
    options?: { rate?: number; offset?: number; endTakes?: number; link?: Partial<Link> },
  ) => Contender;
  lease: () => Promise<Lease>;
}

async function scene(): Promise<Scene> {
  const clock = createFakeClock();
  const cluster = createMemoryCluster({ now: () => clock.now() });
  await cluster.create(namespaces, { metadata: { name: key.namespace } });
  const leaders = new Set<string>();
  const most = { count: 0 };
  const history: Scene['history'] = [];
  return {
    clock,
    cluster,
    leaders,
    most,
    history,
    join(name, { rate = 1, offset = 0, endTakes = 0, link: bad } = {}) {
      const link: Link = { isCut: false, delay: 0, timeout: 3000, ...bad };
      const abort = new AbortController();
      const reports: Contender['reports'] = [];
      const own = clock.skewed(rate, offset);
      const contendAs = (identity: string): ReturnType<typeof contend> =>
        contend({
          cluster: behind(cluster, link, clock),
          key,
          identity,
          signal: abort.signal,
          clock: own,
          // What a wall clock says is of no weight, so it may be wrong by years.
          now: () => clock.now() + offset * 1e6,
          random: () => 0.5,
          report: ({ type }) => reports.push(type),
          lead: (signal) =>
            new Promise((resolve) => {
              leaders.add(name);
              most.count = Math.max(most.count, leaders.size);
              history.push({ name, at: clock.now() });
              const end = (): void => {
                leaders.delete(name);
                resolve();
              };
              const stop = (): void => {
                if (endTakes === 0) end();
                else clock.after(endTakes, end);
              };
              if (signal.aborted) stop();
              else signal.addEventListener('abort', stop);
            }),
        });
      // As its container: a process that lost the lease ends, and the next one begins.
      const run = async (): Promise<void> => {
        for (
          let restarts = 1;
          (await contendAs(restarts === 1 ? name : `${name}.${restarts}`)) === 'lost';
          restarts += 1
        );
      };
      const over = run();
      return { link, reports, stop: () => abort.abort(), over };
    },
    lease: () => cluster.get<Lease>(leases, key),
  };
}

test('of two contenders one leads, and the other takes over within a second of a clean stop', async (t) => {
  const { clock, leaders, history, join, lease } = await scene();
  const [a, b] = [join('a'), join('b')];
  await clock.pass(60_000);
  t.deepEqual([...leaders], ['a']);
  t.is((await lease()).spec?.holderIdentity, 'a');
  a.stop();
  await clock.pass(1000);
  await a.over;
  t.deepEqual(history, [
    { name: 'a', at: 0 },
    { name: 'b', at: 60_000 },
  ]);
  t.deepEqual(a.reports, ['leading', 'released']);
  t.is((await lease()).spec?.leaseTransitions, 2);
  b.stop();
  await clock.pass(0);
  await b.over;
  t.is((await lease()).spec?.holderIdentity, '');
});

test('who stops keeps the lease until its work has ended', async (t) => {
  const { clock, history, join } = await scene();
  const a = join('a', { endTakes: 30_000 });
  join('b');
  await clock.pass(10_000);
  a.stop();
  await clock.pass(60_000);
  t.deepEqual(history, [
    { name: 'a', at: 0 },
    { name: 'b', at: 40_000 },
  ]);
});

test('a leader that is gone without a word is followed within ten seconds', async (t) => {
  const { clock, cluster, leaders, history, join } = await scene();
  const a = join('a');
  join('b');
  join('c');
  // Just after a renewal.
  await clock.pass(DURATIONS.renew * 15);
  a.link.isCut = true;
  leaders.delete('a');
  await clock.pass(60_000);
  t.is(history.length, 2);
  t.true((history[1]?.at ?? Infinity) - 30_000 <= DURATIONS.lease + 100, JSON.stringify(history));
  t.is((await cluster.list(leases)).items.length, 1);
});

test('a leader that cannot renew stops before another begins; its successor leads when it can', async (t) => {
  const { clock, leaders, join } = await scene();
  const a = join('a');
  const b = join('b');
  await clock.pass(10_000);
  a.link.isCut = true;
  await clock.pass(DURATIONS.giveUp);
  t.deepEqual([...leaders], []);
  await clock.pass(DURATIONS.lease);
  t.deepEqual([...leaders], ['b']);
  a.link.isCut = false;
  await clock.pass(60_000);
  b.stop();
  await clock.pass(1000);
  t.deepEqual([...leaders], ['a']);
  t.is(a.reports.filter((type) => type === 'lost').length, 1);
});

test('an API server that is away for as long as a restart takes changes nothing', async (t) => {
  const { clock, history, join } = await scene();
  const contenders = [join('a'), join('b'), join('c')];
  for (let times = 0; times < 10; times += 1) {
    await clock.pass(7300);
    for (const { link } of contenders) link.isCut = true;
    await clock.pass(DURATIONS.giveUp - DURATIONS.renew - DURATIONS.retry - 100);
    for (const { link } of contenders) link.isCut = false;
  }
  t.deepEqual(history, [{ name: 'a', at: 0 }]);
});

test('somebody else who writes the Lease does not end the leadership; who takes it does, and at once', async (t) => {
  const { clock, cluster, leaders, join } = await scene();
  const a = join('a');
  await clock.pass(5000);
  await cluster.patch(leases, key, { metadata: { labels: { seen: 'yes' } } });
  await clock.pass(30_000);
  t.deepEqual([...leaders], ['a']);
  await cluster.patch(leases, key, { spec: { holderIdentity: 'thief' } });
  await clock.pass(DURATIONS.renew);
  t.deepEqual([...leaders], []);
  t.true(a.reports.includes('lost'));
  await clock.pass(DURATIONS.lease);
  t.deepEqual([...leaders], ['a'], 'the thief does not renew');
});

test('a Lease that is deleted ends the leadership', async (t) => {
  const { clock, cluster, leaders, join } = await scene();
  const a = join('a');
  await clock.pass(5000);
  await cluster.delete(leases, key);
  await clock.pass(DURATIONS.renew + 10);
  t.true(a.reports.includes('lost'));
  await clock.pass(DURATIONS.lease);
  t.deepEqual([...leaders], ['a']);
});

test('a Lease that a stranger took for an hour holds nobody up once it is deleted', async (t) => {
  const { clock, cluster, leaders, join } = await scene();
  const spec = { holderIdentity: 'stranger', leaseDurationSeconds: 3600 };
  await cluster.create<Lease>(leases, { metadata: key, spec });
  const a = join('a');
  await clock.pass(20_000);
  t.deepEqual([...leaders], []);
  await cluster.delete(leases, key);
  await clock.pass(DURATIONS.lease + 1000);
  t.deepEqual([...leaders], ['a']);
  a.stop();
  await clock.pass(1000);
  await a.over;
});

test('a lease that was granted too late is not begun with, but asked for again', async (t) => {
  const { clock, leaders, join, lease } = await scene();
  const a = join('a', { link: { delay: DURATIONS.giveUp / 2 + 1, timeout: 60_000 } });
  await clock.pass(DURATIONS.giveUp * 2 + 10);
  t.is((await lease()).spec?.holderIdentity, 'a');
  t.deepEqual([...leaders], []);
  a.link.delay = 1;
  await clock.pass(DURATIONS.giveUp * 2);
  t.deepEqual([...leaders], ['a']);
  t.deepEqual(a.reports, ['leading']);
});

test('a leader that was suspended knows before any timer that it leads no more, and asks for no renewal', async (t) => {
  const { clock, cluster } = await scene();
  const asleep = { ms: 0 };
  let holds = (): boolean => false;
  const over = contend({
    cluster,
    key,
    identity: 'sleeper',
    signal: new AbortController().signal,
    // Its clock jumps, and only then its timers fire.
    clock: { now: () => clock.now() + asleep.ms, after: (ms, act) => clock.after(ms, act) },
    lead: (signal, stillHolds) =>
      new Promise((resolve) => {
        holds = stillHolds;
        signal.addEventListener('abort', () => resolve());
      }),
  });
  await clock.pass(DURATIONS.renew - 10);
  t.true(holds());
  const before = await cluster.get<Lease>(leases, key);
  asleep.ms = DURATIONS.giveUp;
  t.false(holds());
  await clock.pass(20);
  t.is(await over, 'lost');
  t.deepEqual(await cluster.get<Lease>(leases, key), before);
});

test('what lead throws ends the contest, and lets another lead', async (t) => {
  const { clock, cluster, leaders, join } = await scene();
  const over = contend({
    cluster,
    key,
    identity: 'broken',
    signal: new AbortController().signal,
    clock,
    lead: () => Promise.reject(new Error('broken')),
  });
  const thrown = t.throwsAsync(over, { message: 'broken' });
  await clock.pass(10);
  await thrown;
  join('a');
  await clock.pass(1000);
  t.deepEqual([...leaders], ['a']);
});

test('never two leaders at once by the true clock, whatever the links and the clocks do; at last there is one', async (t) => {
  const event = fc.record({
    who: fc.nat(2),
    what: fc.oneof(
      fc.record({ isCut: fc.boolean() }),
      fc.record({ delay: fc.nat(2500) }),
      fc.constant('restart' as const),
    ),
    wait: fc.nat(6000),
  });
  const skews = fc.tuple(
    ...[0, 1, 2].map(() => fc.record({ rate: fc.double({ min: 0.85, max: 1.15, noNaN: true }), offset: fc.nat(1e6) })),
  );
  await fc.assert(
    fc.asyncProperty(skews, fc.array(event, { maxLength: 25 }), async (clocks, events) => {
      const { clock, leaders, most, join } = await scene();
      const contenders = clocks.map((skew, index) => join(`${index}`, skew));
      for (const [index, { who, what, wait }] of events.entries()) {
        const contender = contenders[who];
        if (!contender) continue;
        if (what === 'restart') {
          contender.stop();
          contenders[who] = join(`${who}-${index}`, clocks[who] ?? {});
        } else {
          Object.assign(contender.link, what);
        }
        await clock.pass(wait);
      }
      t.true(most.count <= 1, 'two leaders');
      for (const { link } of contenders) Object.assign(link, { isCut: false, delay: 1 });
      await clock.pass(60_000);
      t.true(most.count <= 1, 'two leaders');
      t.is(leaders.size, 1);
      for (const { stop } of contenders) stop();
      await clock.pass(10_000);
      await Promise.all(contenders.map(({ over }) => over));
    }),
    { numRuns: 50 },
  );
});
