import { setTimeout as delay } from 'node:timers/promises';
import ava, { type ExecutionContext } from 'ava';
import type { ControllerRevision, Namespace, Pod } from '../../api/kubernetes.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import type { Cluster, KubernetesObject, WatchEvent } from '../../cluster/cluster.ts';
import { controllerRevisions, namespaces, pods, sidecarSets } from '../../cluster/resource.ts';

type Revision = ControllerRevision & KubernetesObject;
type WirePod = Pod & KubernetesObject;

/** What the suite needs of an adapter. */
export interface Subject {
  cluster: Cluster;
  /** Unique to this run: the suite may meet its own leftovers on a real server. */
  namespace: string;
}

const pod = (namespace: string, name: string, more: Partial<Pod['metadata']> = {}, node?: string): WirePod => ({
  metadata: { namespace, name, ...more },
  spec: {
    containers: [
      { name: 'app', image: 'app:1' },
      { name: 'proxy', image: 'proxy:1' },
    ],
    ...(node !== undefined && { nodeName: node }),
  },
});

const revision = (namespace: string, name: string, more: Record<string, unknown> = {}): Revision => ({
  metadata: { namespace, name, ...more },
  revision: 1,
  data: { spec: { big: 1 } },
});

const set = (name: string): SidecarSet => ({
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    containers: [{ name: 'proxy', image: 'proxy:1' }],
  },
});

/** Reads from a watch until `enough` says so, at most 10 seconds. */
async function collect<T>(
  watch: AsyncIterable<WatchEvent<T>>,
  enough: (events: WatchEvent<T>[]) => boolean,
  abort: AbortController,
): Promise<WatchEvent<T>[]> {
  const events: WatchEvent<T>[] = [];
  const timer = setTimeout(() => abort.abort(), 10_000);
  for await (const event of watch) {
    events.push(event);
    if (enough(events)) break;
  }
  clearTimeout(timer);
  abort.abort();
  return events;
}

const told = (events: WatchEvent<WirePod>[]): string[] =>
  events.flatMap((event) => (event.type === 'BOOKMARK' ? [] : [`${event.type} ${event.object.metadata.name ?? ''}`]));

/**
 * What controller and agent rely on in a cluster, run against every adapter. `start` gives a cluster where SidecarSets are
 * served and the namespace exists, and no other writer.
 *
 * @param test `clusterTest` where a real control plane is needed
 */
export function conformance(
  name: string,
  start: (t: ExecutionContext) => Promise<Subject>,
  test: (title: string, run: (t: ExecutionContext) => Promise<void>) => void = ava,
): void {
  const titled = (title: string): string => `${name}: ${title}`;

  test(titled('what is created is read back, with what the server adds'), async (t) => {
    const { cluster, namespace } = await start(t);
    const made = await cluster.create<WirePod>(pods, { ...pod(namespace, 'a'), status: { phase: 'Running' } });
    t.truthy(made.metadata.uid);
    t.truthy(made.metadata.resourceVersion);
    t.regex(made.metadata.creationTimestamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    t.is(made.status?.phase, 'Pending', 'a creator has no say in the status');
    t.deepEqual(await cluster.get<WirePod>(pods, { namespace, name: 'a' }), made);
    t.is(made.kind, 'Pod');
  });

  test(titled('a name is made where only its beginning is given'), async (t) => {
    const { cluster, namespace } = await start(t);
    const made = await cluster.create<Revision>(controllerRevisions, {
      ...revision(namespace, ''),
      metadata: { namespace, generateName: 'set-' },
    });
    t.regex(made.metadata.name ?? '', /^set-.{5}$/);
  });

  test(titled('errors are told apart by code'), async (t) => {
    const { cluster, namespace } = await start(t);
    await cluster.create(pods, pod(namespace, 'b'));
    await t.throwsAsync(cluster.create(pods, pod(namespace, 'b')), { code: 'ERR_BATON_EXISTS' });
    await t.throwsAsync(cluster.get(pods, { namespace, name: 'nobody' }), { code: 'ERR_BATON_NOT_FOUND' });
    await t.throwsAsync(cluster.patch(pods, { namespace, name: 'nobody' }, {}), { code: 'ERR_BATON_NOT_FOUND' });
    await t.throwsAsync(cluster.delete(pods, { namespace, name: 'nobody' }), { code: 'ERR_BATON_NOT_FOUND' });
    await t.throwsAsync(cluster.create(pods, pod(`${namespace}-none`, 'b')), { code: 'ERR_BATON_NOT_FOUND' });
  });

  test(titled('a patch on an older state is a conflict and changes nothing'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'c' };
    const first = await cluster.create<WirePod>(pods, pod(namespace, 'c', { annotations: { n: '0' } }));
    const seen = { resourceVersion: first.metadata.resourceVersion ?? '' };
    const second = await cluster.patch<WirePod>(pods, key, { metadata: { annotations: { n: '1' } } }, seen);
    t.not(second.metadata.resourceVersion, first.metadata.resourceVersion);
    for (const patch of [
      { metadata: { annotations: { n: '2' } } },
      [{ op: 'replace' as const, path: '/metadata/annotations/n', value: '2' }],
    ]) {
      await t.throwsAsync(cluster.patch(pods, key, patch, seen), { code: 'ERR_BATON_CONFLICT' });
    }
    t.deepEqual(await cluster.get(pods, key), second);
  });

  test(titled('a patch that changes nothing writes nothing'), async (t) => {
    const { cluster, namespace } = await start(t);
    const first = await cluster.create<WirePod>(pods, pod(namespace, 'd', { labels: { x: 'y' } }));
    const again = await cluster.patch<WirePod>(pods, { namespace, name: 'd' }, { metadata: { labels: { x: 'y' } } });
    t.is(again.metadata.resourceVersion, first.metadata.resourceVersion);
  });

  test(titled('JSON patches: escaped paths, tests, and operations that do not fit'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'e' };
    await cluster.create(pods, pod(namespace, 'e', { annotations: { 'a.dev/b': 'old' } }));
    const patched = await cluster.patch<WirePod>(pods, key, [
      { op: 'test', path: '/metadata/annotations/a.dev~1b', value: 'old' },
      { op: 'replace', path: '/metadata/annotations/a.dev~1b', value: 'new' },
      { op: 'add', path: '/metadata/annotations/more', value: 'yes' },
    ]);
    t.deepEqual(patched.metadata.annotations, { 'a.dev/b': 'new', more: 'yes' });
    for (const path of ['/metadata/annotations/a.dev~1b', '/metadata/nothing/here']) {
      await t.throwsAsync(cluster.patch(pods, key, [{ op: 'test', path, value: 'old' }]), {
        code: 'ERR_BATON_INVALID',
      });
    }
    await t.throwsAsync(cluster.patch(pods, key, [{ op: 'remove', path: '/metadata/annotations/none' }]), {
      code: 'ERR_BATON_INVALID',
    });
  });

  test(titled("of a pod's spec only images change"), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'f' };
    await cluster.create(pods, pod(namespace, 'f'));
    const patched = await cluster.patch<WirePod>(pods, key, [
      { op: 'replace', path: '/spec/containers/1/image', value: 'proxy:2' },
    ]);
    t.is(patched.spec?.containers[1]?.image, 'proxy:2');
    for (const [path, value] of [
      ['/spec/containers/1/command', ['x']],
      ['/spec/containers/1/name', 'other'],
      ['/spec/hostNetwork', true],
      ['/spec/containers/-', { name: 'third', image: 'x' }],
    ] as const) {
      await t.throwsAsync(cluster.patch(pods, key, [{ op: 'add', path, value }]), { code: 'ERR_BATON_INVALID' }, path);
    }
  });

  test(titled('the status is written apart from the rest'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'g' };
    await cluster.create(pods, pod(namespace, 'g'));
    const both = { metadata: { annotations: { seen: 'yes' } }, status: { message: 'hello' } };
    const main = await cluster.patch<WirePod>(pods, key, both);
    t.is(main.status?.message, undefined);
    t.is(main.metadata.annotations?.['seen'], 'yes');
    const status = await cluster.patch<WirePod>(pods, key, { status: { message: 'hello' } }, { subresource: 'status' });
    t.is(status.status?.message, 'hello');
    t.is(status.metadata.annotations?.['seen'], 'yes');
    t.is(status.spec?.containers[0]?.image, 'app:1');
  });

  test(titled('the status has the same precondition as the rest'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'gs' };
    const made = await cluster.create<WirePod>(pods, pod(namespace, 'gs', { labels: { a: 'b' } }));
    const old = { resourceVersion: made.metadata.resourceVersion ?? '', subresource: 'status' as const };
    const write = { status: { message: 'hello' } };
    const written = await cluster.patch<WirePod>(pods, key, write, old);
    t.is(written.status?.message, 'hello');
    const replace = [{ op: 'replace' as const, path: '/status/message', value: 'again' }];
    for (const patch of [write, replace]) {
      await t.throwsAsync(cluster.patch(pods, key, patch, old), { code: 'ERR_BATON_CONFLICT' });
    }
    const { resourceVersion = '' } = written.metadata;
    const again = await cluster.patch<WirePod>(pods, key, replace, { resourceVersion, subresource: 'status' });
    t.is(again.status?.message, 'again');
    t.deepEqual(again.metadata.labels, { a: 'b' });
  });

  test(titled('a merge patch takes away what is null, also in what is being deleted'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'n' };
    await cluster.create(pods, pod(namespace, 'n', { annotations: { a: '1', b: '2' } }, 'node-a'));
    await cluster.delete(pods, key, { gracePeriodSeconds: 5 });
    const patched = await cluster.patch<WirePod>(pods, key, { metadata: { annotations: { a: null, c: '3' } } });
    t.deepEqual(patched.metadata.annotations, { b: '2', c: '3' });
    t.is(patched.metadata.deletionGracePeriodSeconds, 5);
    await cluster.delete(pods, key, { gracePeriodSeconds: 0 });
  });

  test(titled("a SidecarSet's generation counts its specs, not its annotations or status"), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { name: `${namespace}-h` };
    const made = await cluster.create<SidecarSet>(sidecarSets, set(key.name));
    t.is(made.metadata.generation, 1);
    const annotated = await cluster.patch<SidecarSet>(sidecarSets, key, { metadata: { annotations: { a: 'b' } } });
    t.is(annotated.metadata.generation, 1);
    const counted = await cluster.patch<SidecarSet>(
      sidecarSets,
      key,
      { status: { matchedPods: 1, updatedPods: 0, readyPods: 0 } },
      { subresource: 'status' },
    );
    t.is(counted.metadata.generation, 1);
    t.is(counted.status?.matchedPods, 1);
    const changed = await cluster.patch<SidecarSet>(sidecarSets, key, { spec: { revisionHistoryLimit: 3 } });
    t.is(changed.metadata.generation, 2);
    t.is(changed.status?.matchedPods, 1);
    await cluster.delete(sidecarSets, key);
  });

  test(titled('lists select by labels, fields and namespace, in order, page by page'), async (t) => {
    const { cluster, namespace } = await start(t);
    for (const name of ['l3', 'l1', 'l2', 'l4']) {
      await cluster.create(pods, pod(namespace, name, { labels: { list: name === 'l4' ? 'no' : 'yes' } }, 'node-a'));
    }
    const query = { namespace, labels: { matchLabels: { list: 'yes' } } };
    const all = await cluster.list<WirePod>(pods, query);
    t.deepEqual(
      all.items.map(({ metadata }) => metadata.name),
      ['l1', 'l2', 'l3'],
    );
    t.is(all.next, undefined);
    const first = await cluster.list<WirePod>(pods, { ...query, limit: 2 });
    t.is(first.items.length, 2);
    const rest = await cluster.list<WirePod>(pods, { ...query, limit: 2, next: first.next ?? '' });
    t.deepEqual(
      rest.items.map(({ metadata }) => metadata.name),
      ['l3'],
    );
    t.is(rest.next, undefined);
    t.deepEqual(
      all.items.map(({ apiVersion, kind }) => `${apiVersion ?? ''} ${kind ?? ''}`),
      ['v1 Pod', 'v1 Pod', 'v1 Pod'],
    );
    const byNode = await cluster.list<WirePod>(pods, { ...query, fields: { 'spec.nodeName': 'node-b' } });
    t.is(byNode.items.length, 0);
    const expression = {
      namespace,
      labels: { matchExpressions: [{ key: 'list', operator: 'NotIn' as const, values: ['yes'] }] },
      fields: { 'metadata.name': 'l4' },
    };
    t.is((await cluster.list(pods, expression)).items.length, 1);
    await t.throwsAsync(cluster.list(pods, { ...query, next: 'made-up' }), { any: true });
  });

  test(titled('a watch tells what came after a list, once each and in order'), async (t) => {
    const { cluster, namespace } = await start(t);
    await cluster.create(pods, pod(namespace, 'w0', { labels: { watch: 'yes' } }));
    const { resourceVersion } = await cluster.list(pods, { namespace });
    await cluster.create(pods, pod(namespace, 'w1', { labels: { watch: 'yes' } }));
    const abort = new AbortController();
    const query = { namespace, labels: { matchLabels: { watch: 'yes' } } };
    const events = collect(
      cluster.watch<WirePod>(pods, { ...query, resourceVersion, signal: abort.signal }),
      (seen) => told(seen).length >= 7,
      abort,
    );
    const relabel = (name: string, value: string): Promise<KubernetesObject> =>
      cluster.patch(pods, { namespace, name }, { metadata: { labels: { watch: value } } });
    await relabel('w1', 'no');
    await relabel('w1', 'yes');
    await cluster.patch(pods, { namespace, name: 'w0' }, { metadata: { annotations: { x: '1' } } });
    await cluster.create(pods, pod(namespace, 'w2'));
    await cluster.delete(pods, { namespace, name: 'w0' });
    await relabel('w2', 'yes');
    t.deepEqual(
      told(await events),
      // A pod that is deleted is marked first, also where nothing waits for it.
      ['ADDED w1', 'DELETED w1', 'ADDED w1', 'MODIFIED w0', 'MODIFIED w0', 'DELETED w0', 'ADDED w2'],
    );
    const versions = (await events).map((event) =>
      Number(event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata.resourceVersion),
    );
    t.deepEqual(
      versions,
      [...versions].sort((a, b) => a - b),
    );
  });

  test(titled('a watch that is aborted ends without an error'), async (t) => {
    const { cluster, namespace } = await start(t);
    const { resourceVersion } = await cluster.list(pods, { namespace });
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 20);
    t.deepEqual(
      await collect(
        cluster.watch(pods, { namespace, resourceVersion, signal: abort.signal }),
        () => false,
        new AbortController(),
      ).then((events) => events.filter(({ type }) => type !== 'BOOKMARK')),
      [],
    );
  });

  test(titled('a watch ends by itself when its time is over'), async (t) => {
    const { cluster, namespace } = await start(t);
    const { resourceVersion } = await cluster.list(pods, { namespace });
    const abort = new AbortController();
    const watch = cluster.watch(pods, { namespace, resourceVersion, timeoutSeconds: 1, signal: abort.signal });
    await collect(watch, () => false, new AbortController());
    t.false(abort.signal.aborted);
  });

  test(titled('a pod on a node is marked first, and gone when its kubelet says so'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'x' };
    await cluster.create(pods, pod(namespace, 'x', {}, 'node-a'));
    await cluster.delete(pods, key);
    const dying = await cluster.get<WirePod>(pods, key);
    t.truthy(dying.metadata.deletionTimestamp);
    t.is(dying.metadata.deletionGracePeriodSeconds, 30);
    await cluster.delete(pods, key, { gracePeriodSeconds: 0 });
    await t.throwsAsync(cluster.get(pods, key), { code: 'ERR_BATON_NOT_FOUND' });
  });

  test(titled('an object with finalizers stays until the last is taken away'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'y' };
    await cluster.create(controllerRevisions, revision(namespace, 'y', { finalizers: ['baton.dev/test'] }));
    await cluster.delete(controllerRevisions, key);
    t.truthy((await cluster.get(controllerRevisions, key)).metadata.deletionTimestamp);
    await cluster.patch(controllerRevisions, key, { metadata: { finalizers: null } });
    await t.throwsAsync(cluster.get(controllerRevisions, key), { code: 'ERR_BATON_NOT_FOUND' });
  });

  test(titled('a deletion can be meant for one object only'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'z' };
    const made = await cluster.create<Revision>(controllerRevisions, revision(namespace, 'z'));
    const other = '00000000-0000-4000-8000-000000000000';
    await t.throwsAsync(cluster.delete(controllerRevisions, key, { uid: other }), { code: 'ERR_BATON_CONFLICT' });
    await cluster.delete(controllerRevisions, key, { uid: made.metadata.uid ?? '' });
    await t.throwsAsync(cluster.get(controllerRevisions, key), { code: 'ERR_BATON_NOT_FOUND' });
  });

  test(titled('what comes out is the caller’s own copy'), async (t) => {
    const { cluster, namespace } = await start(t);
    const made = await cluster.create<WirePod>(pods, pod(namespace, 'own', { labels: { a: 'b' } }));
    (made.metadata.labels ?? {})['a'] = 'changed';
    await delay(1);
    t.is((await cluster.get(pods, { namespace, name: 'own' })).metadata.labels?.['a'], 'b');
  });

  test(titled('one of two writers at once wins a patch on the same state'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'race' };
    const made = await cluster.create<WirePod>(pods, pod(namespace, 'race'));
    const seen = { resourceVersion: made.metadata.resourceVersion ?? '' };
    const results = await Promise.allSettled(
      ['1', '2', '3', '4'].map((n) => cluster.patch(pods, key, { metadata: { annotations: { n } } }, seen)),
    );
    t.is(results.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  test(titled('an image is never taken away, nor made empty'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'bare' };
    const made = await cluster.create(pods, pod(namespace, 'bare'));
    const path = '/spec/containers/1/image';
    await t.throwsAsync(cluster.patch(pods, key, [{ op: 'replace', path, value: '' }]), { code: 'ERR_BATON_INVALID' });
    await t.throwsAsync(cluster.patch(pods, key, [{ op: 'remove', path }]), { code: 'ERR_BATON_INVALID' });
    t.deepEqual(await cluster.get(pods, key), made);
  });

  test(titled('metadata is what it must be: names, texts, and the very kind'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { namespace, name: 'meta' };
    const made = await cluster.create(controllerRevisions, revision(namespace, 'meta'));
    const wrong: Record<string, unknown>[] = [
      { metadata: { annotations: { a: 1 } } },
      { metadata: { labels: { a: true } } },
      { metadata: null },
      { metadata: { name: 'other' } },
      { kind: 'Pod' },
    ];
    for (const patch of wrong) {
      await t.throwsAsync(
        cluster.patch(controllerRevisions, key, patch),
        { code: 'ERR_BATON_INVALID' },
        JSON.stringify(patch),
      );
    }
    for (const [name, more] of [
      ['Upper', {}],
      ['-dash', {}],
      ['has_underscore', {}],
      ['numbers', { annotations: { a: 1 } }],
    ] as const) {
      await t.throwsAsync(
        cluster.create(controllerRevisions, revision(namespace, name, more)),
        { code: 'ERR_BATON_INVALID' },
        name,
      );
    }
    // The API server answers this with 500.
    const versioned = revision(namespace, 'versioned', { resourceVersion: '1' });
    await t.throwsAsync(cluster.create(controllerRevisions, versioned), { code: 'ERR_BATON_UNAVAILABLE' });
    t.deepEqual(await cluster.get(controllerRevisions, key), made);
  });

  test(titled('what is being deleted counts a generation, and takes no new finalizers'), async (t) => {
    const { cluster, namespace } = await start(t);
    const key = { name: `${namespace}-fin` };
    const first = set(key.name);
    await cluster.create<SidecarSet>(sidecarSets, {
      ...first,
      metadata: { ...first.metadata, finalizers: ['baton.dev/a', 'baton.dev/b'] },
    });
    await cluster.delete(sidecarSets, key);
    const marked = await cluster.get<SidecarSet>(sidecarSets, key);
    t.truthy(marked.metadata.deletionTimestamp);
    t.is(marked.metadata.deletionGracePeriodSeconds, 0);
    t.is(marked.metadata.generation, 2);
    await cluster.delete(sidecarSets, key);
    t.deepEqual(await cluster.get<SidecarSet>(sidecarSets, key), marked);
    const finalizers = ['baton.dev/a', 'baton.dev/c'];
    await t.throwsAsync(cluster.patch(sidecarSets, key, { metadata: { finalizers } }), { code: 'ERR_BATON_INVALID' });
    await cluster.patch(sidecarSets, key, { metadata: { finalizers: ['baton.dev/b'] } });
    await cluster.patch(sidecarSets, key, { metadata: { finalizers: [] } });
    await t.throwsAsync(cluster.get(sidecarSets, key), { code: 'ERR_BATON_NOT_FOUND' });
  });

  test(titled('a limit of 0 is none'), async (t) => {
    const { cluster, namespace } = await start(t);
    for (const name of ['a', 'b']) await cluster.create(controllerRevisions, revision(namespace, name));
    const { items, next } = await cluster.list(controllerRevisions, { namespace, limit: 0 });
    t.is(items.length, 2);
    t.is(next, undefined);
  });

  test(titled('a watch from no resourceVersion is refused'), async (t) => {
    const { cluster, namespace } = await start(t);
    const { signal } = new AbortController();
    const watch = cluster.watch(pods, { namespace, resourceVersion: 'abc', timeoutSeconds: 1, signal });
    await t.throwsAsync(watch[Symbol.asyncIterator]().next(), { code: 'ERR_BATON_UNAVAILABLE' });
  });

  test(titled('namespaces are objects too'), async (t) => {
    const { cluster, namespace } = await start(t);
    const found = await cluster.get<Namespace & KubernetesObject>(namespaces, { name: namespace });
    t.is(found.metadata.name, namespace);
  });
}
