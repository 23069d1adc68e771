import test from 'ava';
import * as fc from 'fast-check';
import { ApiError } from '../../../api/error.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { createMemoryCluster } from '../../../cluster/memory/cluster.ts';
import type { Report } from '../../../cluster/kubernetes/follow.ts';
import { createReflector, type Reflector } from '../../../cluster/kubernetes/reflector.ts';
import { unavailable } from '../../../cluster/kubernetes/status.ts';
import { configMaps, namespaces } from '../../../cluster/resource.ts';
import { createFakeClock, type FakeClock } from './fake-clock.ts';

type ConfigMap = KubernetesObject & { data?: Record<string, string>; other?: string };

/** What is kept of one. */
interface Kept {
  name: string;
  value: string;
}

/** What the next requests meet. */
interface Faults {
  list?: () => Promise<void>;
  /** Before each event of a watch. */
  event?: () => Promise<void>;
  /** At the beginning of a watch. */
  watch?: () => void;
}

interface Scene {
  clock: FakeClock;
  cluster: Cluster;
  faults: Faults;
  reflector: Reflector<Kept>;
  /** `+name value`, `name old>new`, `-name value`. */
  told: string[];
  reports: Report[];
  stop: () => void;
  put: (name: string, value: string) => Promise<unknown>;
  remove: (name: string) => Promise<void>;
  shown: () => string[];
}

const named = (name: string, value: string): ConfigMap => ({
  metadata: { namespace: 'test', name },
  data: { value },
  other: 'not kept',
});
const failure = (): ApiError => unavailable('it', new Error('cut'));

async function scene(
  names: string[] = [],
  {
    history = 1000,
    handlers = {},
    faults = {},
  }: { history?: number; handlers?: { added?: (kept: Kept) => void }; faults?: Faults } = {},
): Promise<Scene> {
  const clock = createFakeClock();
  const cluster = createMemoryCluster({ history });
  await cluster.create(namespaces, { metadata: { name: 'test' } });
  for (const name of names) await cluster.create(configMaps, named(name, '0'));
  const told: string[] = [];
  const reports: Report[] = [];
  const abort = new AbortController();
  const reflector = createReflector<ConfigMap, Kept>({
    cluster: {
      ...cluster,
      async list(resource, query) {
        await faults.list?.();
        return cluster.list(resource, query);
      },
      async *watch(resource, query) {
        faults.watch?.();
        for await (const event of cluster.watch<never>(resource, query)) {
          await faults.event?.();
          if (query.signal.aborted) return;
          yield event;
        }
      },
    },
    resource: configMaps,
    query: { namespace: 'test' },
    keep: ({ metadata, data }) => ({ name: metadata.name ?? '', value: data?.['value'] ?? '' }),
    handlers: {
      added: ({ name, value }) => told.push(`+${name} ${value}`),
      updated: ({ name, value }, old) => told.push(`${name} ${old.value}>${value}`),
      deleted: ({ name, value }) => told.push(`-${name} ${value}`),
      ...handlers,
    },
    indexes: { value: ({ value }) => [value] },
    signal: abort.signal,
    report: (report) => reports.push(report),
    pageSize: 3,
    clock,
    random: () => 0.5,
  });
  return {
    clock,
    cluster,
    faults,
    reflector,
    told,
    reports,
    stop: () => abort.abort(),
    put: (name, value) =>
      cluster
        .patch(configMaps, { namespace: 'test', name }, { data: { value } })
        .catch(() => cluster.create(configMaps, named(name, value))),
    remove: (name) => cluster.delete(configMaps, { namespace: 'test', name }),
    shown: () =>
      reflector
        .list()
        .map(({ name, value }) => `${name} ${value}`)
        .sort(),
  };
}

test('a list page by page, then every change; only what is wanted is kept', async (t) => {
  const { clock, reflector, told, reports, put, remove, stop } = await scene(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  let synced: boolean | undefined;
  void reflector.synced.then((value) => (synced = value));
  await clock.pass(0);
  t.true(synced);
  t.deepEqual(told, ['+a 0', '+b 0', '+c 0', '+d 0', '+e 0', '+f 0', '+g 0']);
  t.deepEqual(reports, [{ type: 'listed', objects: 7, pages: 3, ms: 0 }]);
  t.deepEqual(reflector.get({ namespace: 'test', name: 'a' }), { name: 'a', value: '0' });
  told.length = 0;
  await put('a', '1');
  await put('h', '1');
  await remove('b');
  await clock.pass(0);
  t.deepEqual(told, ['a 0>1', '+h 1', '-b 0']);
  t.is(reflector.list().length, 7);
  t.deepEqual(
    reflector.by('value', '1').map(({ name }) => name),
    ['a', 'h'],
  );
  t.is(reflector.by('value', '0').length, 5);
  t.deepEqual(reflector.by('value', 'none'), []);
  stop();
  await reflector.done;
});

test('a watch that is cut goes on where it was: nothing is lost and nothing told twice', async (t) => {
  const { clock, faults, told, reports, put } = await scene(['a']);
  await clock.pass(0);
  let events = 0;
  faults.event = () => {
    events += 1;
    return events % 3 === 0 ? Promise.reject(failure()) : Promise.resolve();
  };
  for (let value = 1; value <= 10; value += 1) await put('a', `${value}`);
  await clock.pass(10_000);
  t.deepEqual(told, ['+a 0', ...Array.from({ length: 10 }, (_, index) => `a ${index}>${index + 1}`)]);
  t.is(reports.filter(({ type }) => type === 'listed').length, 1);
  t.true(reports.filter(({ type }) => type === 'failed').length >= 3);
});

test('what was missed for too long is made up by a list: new, changed, gone, and made again under its name', async (t) => {
  const { clock, faults, told, reports, put, remove, shown } = await scene(['a', 'b', 'c', 'd'], { history: 3 });
  await clock.pass(0);
  faults.event = () => Promise.reject(failure());
  told.length = 0;
  await put('a', '1');
  await remove('b');
  await remove('c');
  await put('c', '0');
  for (let value = 1; value < 20; value += 1) await put('e', `${value}`);
  await clock.pass(1000);
  delete faults.event;
  await clock.pass(60_000);
  t.deepEqual(told.sort(), ['+c 0', '+e 19', '-b 0', '-c 0', 'a 0>1'].sort());
  t.true(told.indexOf('-c 0') >= 0);
  t.deepEqual(shown(), ['a 1', 'c 0', 'd 0', 'e 19']);
  t.is(reports.filter(({ type }) => type === 'listed').length, 2);
});

test('a moment forgotten during a long outage is made up at once, not after the long pause that the outage ended with', async (t) => {
  const { clock, faults, told, reports, put } = await scene(['a'], { history: 1 });
  await clock.pass(0);
  faults.watch = faults.event = () => {
    throw failure();
  };
  for (let value = 1; value < 5; value += 1) await put('a', `${value}`);
  await clock.pass(300_000);
  delete faults.watch;
  delete faults.event;
  await clock.pass(30_000);
  const pauses = reports.flatMap((told) => (told.type === 'failed' ? [[told.error.code, told.retryIn]] : []));
  t.deepEqual(pauses.slice(-2), [
    ['ERR_BATON_UNAVAILABLE', 22_500],
    ['ERR_BATON_GONE', 375],
  ]);
  t.is(told.at(-1), 'a 0>4');
});

test('a list that fails, or expires between two pages, begins again', async (t) => {
  let lists = 0;
  const faults: Faults = {};
  const { clock, cluster, reflector, shown, told } = await scene(['a', 'b', 'c', 'd', 'e'], { faults });
  faults.list = async () => {
    lists += 1;
    if (lists === 1) throw failure();
    // Before the second page: so many others that the server forgets this list.
    if (lists === 3) for (let times = 0; times < 100; times += 1) await cluster.list(configMaps, { limit: 1 });
  };
  await clock.pass(10_000);
  t.true(await reflector.synced);
  t.is(lists, 5);
  t.is(told.length, 5);
  t.is(shown().length, 5);
});

test('nothing heard for two minutes and a half: the watch begins anew, where it was', async (t) => {
  const { clock, told, reports, put } = await scene(['a']);
  for (let value = 1; value < 10; value += 1) {
    await clock.pass(140_000);
    await put('a', `${value}`);
  }
  t.is(reports.filter(({ type }) => type === 'stalled').length, 0);
  await clock.pass(150_000);
  t.is(reports.filter(({ type }) => type === 'stalled').length, 1);
  await put('a', '10');
  await clock.pass(1000);
  t.is(told.at(-1), 'a 9>10');
  t.is(reports.filter(({ type }) => type === 'listed').length, 1);
});

test('failures are tried again for ever, with pauses up to half a minute', async (t) => {
  const faults: Faults = { list: () => Promise.reject(failure()) };
  const { clock, reports, reflector } = await scene(['a'], { faults });
  await clock.pass(3_600_000);
  const pauses = reports.map((report) => (report.type === 'failed' ? report.retryIn : 0));
  t.deepEqual(pauses.slice(0, 7), [375, 750, 1500, 3000, 6000, 12_000, 22_500]);
  t.true(pauses.length > 150);
  delete faults.list;
  await clock.pass(30_000);
  t.true(await reflector.synced);
});

test('watches that end at once do not become a storm of requests', async (t) => {
  const { clock, faults } = await scene(['a']);
  let watches = 0;
  faults.watch = () => {
    watches += 1;
    throw failure();
  };
  await clock.pass(60_000);
  t.true(watches > 3 && watches < 15, `${watches}`);
});

test('a handler that throws ends it, and says so; nothing is tried again behind its back', async (t) => {
  const handlers = {
    added: () => {
      throw new ApiError('ERR_BATON_ARGUMENT', 'a bug');
    },
  };
  const { clock, reflector } = await scene(['a'], { handlers });
  const thrown = t.throwsAsync(reflector.done, { message: 'a bug' });
  await clock.pass(60_000);
  await thrown;
  t.false(await reflector.synced);
});

test('stopped before its first list, it says that it never had one', async (t) => {
  const faults: Faults = { list: () => Promise.reject(failure()) };
  const { clock, reflector, stop } = await scene(['a'], { faults });
  await clock.pass(10_000);
  stop();
  t.false(await reflector.synced);
  await reflector.done;
});

test('whatever is written and whatever fails: at last it shows what there is, and its handlers told a story that holds', async (t) => {
  const step = fc.oneof(
    fc.record({ put: fc.constantFrom('a', 'b', 'c', 'd'), value: fc.constantFrom('1', '2', '3') }),
    fc.record({ remove: fc.constantFrom('a', 'b', 'c', 'd') }),
    fc.record({ fault: fc.constantFrom('list', 'event', 'watch', 'none') }),
    fc.record({ wait: fc.nat(40_000) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 20 }), async (steps, history) => {
      const { clock, faults, told, put, remove, shown, stop, reflector, cluster } = await scene(['a'], { history });
      for (const each of steps) {
        if ('put' in each) await put(each.put, each.value);
        else if ('remove' in each) await remove(each.remove).catch(() => undefined);
        else if ('wait' in each) await clock.pass(each.wait);
        else {
          for (const which of ['list', 'event', 'watch'] as const) Reflect.deleteProperty(faults, which);
          if (each.fault === 'watch') {
            faults.watch = () => {
              throw failure();
            };
          } else if (each.fault !== 'none') {
            faults[each.fault as 'list'] = () => Promise.reject(failure());
          }
        }
      }
      for (const which of ['list', 'event', 'watch'] as const) Reflect.deleteProperty(faults, which);
      await clock.pass(100_000);
      const { items } = await cluster.list<ConfigMap>(configMaps);
      const there = items.map(({ metadata, data }) => `${metadata.name ?? ''} ${data?.['value'] ?? ''}`).sort();
      t.deepEqual(shown(), there);
      const story = new Map<string, string>();
      for (const line of told) {
        const [, sign = '', name = '', value = ''] = /^([+-]?)(\w+) (.*)$/.exec(line) ?? [];
        const [from = '', to = ''] = sign === '' ? value.split('>') : sign === '+' ? ['', value] : [value, ''];
        t.is(story.get(name) ?? '', from, line);
        if (to === '') story.delete(name);
        else story.set(name, to);
      }
      t.deepEqual([...story].map(([name, value]) => `${name} ${value}`).sort(), there);
      stop();
      await reflector.done;
    }),
    { numRuns: 60 },
  );
});
