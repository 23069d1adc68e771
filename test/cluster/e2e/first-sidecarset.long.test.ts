// docs/first-sidecarset.md, as it is written, with images that are made here.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blocksOf } from '../../docs/blocks.ts';
import { temporaryDirectory, until } from '../../helpers/processes.ts';
import { sidecarSets } from '../../../cluster/resource.ts';
import { addImages } from '../node/image.ts';
import { nodeTest } from '../node/node-test.ts';
import { run } from '../node/run.ts';
import { nodeScene } from '../node/scene.ts';
import { echoImage } from './images.ts';
import type { WireSet } from './scene.ts';
import { installedCluster } from './system.ts';

const TEST_TIMEOUT_MS = 300_000;
/** For both pods, one after the other. */
const ROLLOUT_MS = 60_000;

const programs = ['busybox', 'sh', 'wget', 'date', 'sleep'];
const busybox = {
  layers: [Object.fromEntries(programs.map((name) => [`/bin/${name}`, '/bin/busybox']))],
  entrypoint: ['sh'],
};

nodeTest('the first SidecarSet: cold, hot, and cold again; the application sees no failure', async (t) => {
  const facts = await installedCluster(t);
  t.timeout(TEST_TIMEOUT_MS);
  const { cluster, node } = await nodeScene(t, facts);
  await addImages(t, node, {
    one: { name: 'registry.example/echo:1', ...echoImage('hello') },
    two: { name: 'registry.example/echo:2', ...echoImage('hi') },
    // The sidecar's own under a second tag: the same ID.
    empty: { name: 'registry.example/echo:empty', ...echoImage('hello') },
    old: { name: 'docker.io/library/busybox:1.36', ...busybox },
    new: { name: 'docker.io/library/busybox:1.37', ...busybox, env: { NEW: '1' } },
    newest: { name: 'docker.io/library/busybox:1.38', ...busybox, env: { NEW: '2' } },
  });

  const folder = temporaryDirectory(t);
  const kubectl = (...args: string[]): Promise<string> =>
    run('kubectl', '--kubeconfig', facts.kubeconfigs['admin'] ?? '', ...args);
  const page = new Map(
    blocksOf('docs/first-sidecarset.md', 'yaml').map(({ text }) => [/^# (\S+)/.exec(text)?.[1] ?? '', text]),
  );
  const apply = async (name: string, text = page.get(name) ?? ''): Promise<void> => {
    writeFileSync(join(folder, name), text);
    await kubectl('apply', '--filename', join(folder, name));
  };
  const publish = async (text: string): Promise<void> => {
    await apply('set.yaml', text);
    let last: WireSet | undefined;
    const isComplete = async (): Promise<boolean> => {
      const { metadata, status } = (last = await cluster.get<WireSet>(sidecarSets, { name: 'web' }));
      const progress = status?.conditions?.find(({ type }) => type === 'Progressing');
      return progress?.observedGeneration === metadata.generation && progress?.reason === 'Complete';
    };
    await until('the rollout is complete', isComplete, ROLLOUT_MS).catch((error: unknown) => {
      throw new Error(JSON.stringify(last?.status), { cause: error });
    });
  };
  t.teardown(() => kubectl('delete', 'deployment/web', 'sidecarset/web', '--ignore-not-found'));

  let set = page.get('set.yaml') ?? '';
  await apply('set.yaml');
  await apply('web.yaml');
  await kubectl('rollout', 'status', 'deployment', 'web', '--timeout', '60s');
  for (const [from, to] of [
    ['busybox:1.36', 'busybox:1.37'],
    ['echo:1', 'echo:2'],
    ['busybox:1.37', 'busybox:1.38'],
  ] as const) {
    t.true(set.includes(from));
    set = set.replace(from, to);
    await publish(set);
  }
  const list = JSON.parse(await kubectl('get', 'pods', '--selector', 'app=web', '--output', 'json')) as {
    items: { metadata: { name: string }; spec: { containers: { name: string; image: string }[] } }[];
  };
  t.is(list.items.length, 2);
  for (const { metadata, spec } of list.items) {
    t.deepEqual(
      spec.containers.map(({ name, image }) => [name, image]),
      [
        ['clock', 'busybox:1.38'],
        ['echo-1', 'registry.example/echo:empty'],
        ['echo-2', 'registry.example/echo:2'],
        ['app', 'busybox:1.36'],
      ],
    );
    const log = await kubectl('logs', metadata.name, '--container', 'app');
    t.regex(log, /^hello from version 1:/m);
    t.regex(log, /^hi from version \d+:/m);
    t.notRegex(log, /FAILED/);
  }
});
