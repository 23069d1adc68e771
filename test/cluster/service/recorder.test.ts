import test from 'ava';
import { ApiError } from '../../../api/error.ts';
import type { Cluster, KubernetesObject } from '../../../cluster/cluster.ts';
import { clusterError } from '../../../cluster/errors.ts';
import { createMemoryCluster } from '../../../cluster/memory/cluster.ts';
import { events, namespaces, pods, sidecarSets } from '../../../cluster/resource.ts';
import { createRecorder, eventOf, type Recorder } from '../../../cluster/service/recorder.ts';
import { until } from '../../helpers/processes.ts';

type WireEvent = KubernetesObject & { reason: string };
const pod = { metadata: { namespace: 'test', name: 'p', uid: 'u', resourceVersion: '7' } };
const NOW = 0;

/** A recorder on a cluster whose writes fail with what `fails` gives. */
async function world(fails: () => ApiError | undefined = () => undefined): Promise<{
  cluster: Cluster;
  recorder: Recorder;
  lost: unknown[];
  told: () => Promise<string[]>;
}> {
  const cluster = createMemoryCluster({ now: () => NOW });
  for (const name of ['test', 'default']) await cluster.create(namespaces, { metadata: { name } });
  const lost: unknown[] = [];
  const failing: Cluster = {
    ...cluster,
    create(resource, object) {
      const error = fails();
      return error ? Promise.reject(error) : cluster.create(resource, object);
    },
  };
  const onLost = (error: unknown): void => void lost.push(error);
  const recorder = createRecorder({ cluster: failing, component: 'baton-test', now: () => NOW, onLost });
  const told = async (): Promise<string[]> =>
    (await cluster.list<WireEvent>(events)).items.map(({ reason }) => reason).sort();
  return { cluster, recorder, lost, told };
}

test('an event is about its object, where that is', (t) => {
  const by = { component: 'baton-test', node: 'n', now: NOW };
  const message = 'x'.repeat(2000);
  const event = eventOf(pods, pod, { type: 'Warning', reason: 'R', message }, by);
  t.like(event, {
    metadata: { namespace: 'test' },
    involvedObject: { apiVersion: 'v1', kind: 'Pod', namespace: 'test', name: 'p', uid: 'u', resourceVersion: '7' },
    firstTimestamp: '1970-01-01T00:00:00Z',
    source: { component: 'baton-test', host: 'n' },
    message: 'x'.repeat(1024),
  });
  t.regex(event.metadata.name ?? '', /^p\.[0-9a-f-]{16}$/);
  const ofSet = eventOf(sidecarSets, { metadata: { name: 's' } }, { type: 'Normal', reason: 'R', message }, by);
  t.like(ofSet, { metadata: { namespace: 'default' }, involvedObject: { kind: 'SidecarSet', name: 's' } });
});

test('what has an id is told once, by whichever process', async (t) => {
  const { recorder, lost, told } = await world();
  const happening = { type: 'Normal', reason: 'Done', message: '', id: '1' } as const;
  recorder.record(pods, pod, happening);
  await until('told', async () => (await told()).length === 1);
  recorder.record(pods, pod, happening);
  recorder.record(pods, pod, { ...happening, id: '2' });
  await until('the other one too', async () => (await told()).length === 2);
  await recorder.stop();
  t.deepEqual(lost, []);
});

test('an API server that is away gets it later; what it refuses is lost, and said', async (t) => {
  let failures = 3;
  const away = await world(() => (failures-- > 0 ? clusterError('ServiceUnavailable', 'away') : undefined));
  away.recorder.record(pods, pod, { type: 'Normal', reason: 'Late', message: '' });
  await until('it is told', async () => (await away.told())[0] === 'Late');
  t.deepEqual(away.lost, []);

  const refused = await world(() => clusterError('Forbidden', 'no'));
  refused.recorder.record(pods, pod, { type: 'Normal', reason: 'Refused', message: '' });
  await until('it is lost', () => refused.lost.length === 1);
  await refused.recorder.stop();
});

test('no more than a thousand wait', async (t) => {
  const { recorder, lost } = await world(() => clusterError('ServiceUnavailable', 'away'));
  for (let index = 0; index < 1001; index += 1) {
    recorder.record(pods, pod, { type: 'Normal', reason: 'R', message: '' });
  }
  t.is(lost.length, 1);
  await recorder.stop();
});
