// docs/images.md: a sidecar by the recipe, from the packed package, and the empty image that knows nothing of it.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostTarget } from '../../../native/addon.ts';
import { temporaryDirectory, type Scope } from '../../helpers/processes.ts';
import { addImages, busyboxLayer, nodeLayer, type TestImage } from '../node/image.ts';
import { nodeTest } from '../node/node-test.ts';
import { appIsUntouched, hotSide, startPodLoad, startScene } from './scene.ts';

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const dockerfile = readFileSync(at('deploy/sidecar/Dockerfile'), 'utf8');
const shell = {
  ...busyboxLayer,
  ...Object.fromEntries(['sh', 'sleep'].map((name) => [`/bin/${name}`, '/bin/busybox'])),
};

/** As `npm pack` and the Dockerfile's RUN make it; without the scripts, which would build anew under other tests. */
function baseOf(t: Scope): Pick<TestImage, 'layers' | 'env' | 'workingDir' | 'user'> {
  const folder = temporaryDirectory(t);
  const run = (cwd: string, ...args: string[]): string =>
    execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: 'pipe' });
  run(at('.'), 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  run(folder, 'install', '--prefix', folder, '--offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball);
  return {
    layers: [
      { ...nodeLayer, ...shell },
      {
        '/node_modules/baton-sidecar': join(folder, 'node_modules/baton-sidecar'),
        // Scripts would have put it there.
        [`/node_modules/baton-sidecar/prebuilds/${hostTarget()}/baton.node`]: at('build/Release/baton.node'),
        // npm makes a link, and an image of files has none.
        '/node_modules/.bin/baton': {
          content: '#!/bin/sh\nexec node /node_modules/baton-sidecar/dist/baton.js "$@"\n',
          mode: 0o755,
        },
        '/migrate.sh': at('deploy/sidecar/migrate.sh'),
      },
    ],
    env: { NODE_ENV: 'production', PATH: /^ENV PATH=(.+)$/m.exec(dockerfile)?.[1] ?? '' },
    workingDir: /^WORKDIR (.+)$/m.exec(dockerfile)?.[1] ?? '',
    user: /^USER (.+)$/m.exec(dockerfile)?.[1] ?? '',
  };
}

nodeTest('a sidecar on the base image is upgraded, and the empty image takes the old copy’s place', async (t) => {
  const scene = await startScene(t);
  const base = baseOf(t);
  const echo = (greeting: string): TestImage => ({
    ...base,
    layers: [
      ...base.layers,
      {
        '/app/sidecar.js': at('examples/http-echo/sidecar.js'),
        // The sidecar is an ES module, as its package.json would say.
        '/app/package.json': { content: '{ "type": "module" }' },
      },
    ],
    entrypoint: ['node', 'sidecar.js'],
    env: { ...base.env, GREETING: greeting },
  });
  const images = await addImages(t, scene.node, {
    v1: echo('v1'),
    v2: echo('v2'),
    empty: {
      layers: [
        shell,
        { '/empty.sh': at('deploy/sidecar/empty.sh'), '/migrate.sh': at('deploy/sidecar/empty-migrate.sh') },
      ],
      entrypoint: ['/empty.sh'],
      user: '65532:65532',
    },
  });
  const side = (image: string) => {
    const hot = hotSide(image);
    return { ...hot, upgradeStrategy: { ...hot.upgradeStrategy, hotUpgradeEmptyImage: images.empty } };
  };
  await scene.createSet({ containers: [side(images.v1)] });
  const before = await scene.startPod('pod');
  const load = await startPodLoad(t, scene, before);
  await scene.publish({ containers: [side(images.v2)] });
  const publishedAt = performance.now();
  const after = await scene.untilUpgraded('pod', images.v2, { empty: images.empty });
  const { requests, connections } = await load.stop();
  const seconds = Math.round((performance.now() - publishedAt) / 1000);
  t.log(`${requests.total} requests, ${connections.moved} connections moved, done after ${seconds} s`);
  t.deepEqual(requests.failures, {});
  t.like(connections, { refused: 0, closed: 0 });
  t.true(connections.moved > 0);
  appIsUntouched(t, before, after);
});
