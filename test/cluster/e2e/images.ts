import { fileURLToPath } from 'node:url';
import type { Files } from '../../../deploy/image/files.ts';
import type { Image } from '../../../deploy/image/image.ts';
import { busyboxLayer, nodeLayer } from '../node/image.ts';

const at = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** A shell, and `baton-sidecar` as npm installs it, with its program in the PATH. */
const batonLayer: Files = {
  ...busyboxLayer,
  '/bin/sh': '/bin/busybox',
  ...Object.fromEntries(
    ['package.json', 'build/Release/baton.node', 'dist/baton.js', 'dist/chunks', 'dist/sdk', 'dist/native'].map(
      (path) => [`/app/node_modules/baton-sidecar/${path}`, at(path)],
    ),
  ),
  '/app/package.json': { content: '{ "type": "module" }' },
  '/usr/local/bin/baton': {
    content: '#!/bin/sh\nexec node /app/node_modules/baton-sidecar/dist/baton.js "$@"\n',
    mode: 0o755,
  },
};

const echoLayer: Files = {
  '/app/sidecar.js': at('examples/http-echo/sidecar.js'),
  '/migrate.sh': at('examples/http-echo/migrate.sh'),
};

/**
 * The image of the example `http-echo`, without a name; versions differ in their greeting.
 *
 * @param more files of a layer of its own, which may replace the example's: a `/migrate.sh` that fails, another `/app/sidecar.js`
 */
export const echoImage = (greeting: string, more?: Files): Omit<Image, 'name'> => ({
  layers: [nodeLayer, batonLayer, echoLayer, ...(more ? [more] : [])],
  entrypoint: ['node', '/app/sidecar.js'],
  env: { GREETING: greeting },
  workingDir: '/app',
  user: '65532:65532',
});

/** Calls its sidecars as apps do, and counts: see `app.js`. */
const appImage: Omit<Image, 'name'> = {
  layers: [nodeLayer, { '/app/app.mjs': at('test/cluster/e2e/app.js') }, busyboxLayer],
  entrypoint: ['node', '/app/app.mjs'],
};

/** The image of the example `haproxy`, without a name, with Debian's HAProxy; versions differ in a variable. */
export const haproxyImage = (version: string): Omit<Image, 'name'> => ({
  layers: [
    {
      ...busyboxLayer,
      ...Object.fromEntries(['sh', 'rm', 'sleep'].map((name) => [`/bin/${name}`, '/bin/busybox'])),
      '/usr/sbin/haproxy': '/usr/sbin/haproxy',
    },
    Object.fromEntries(
      ['start.sh', 'migrate.sh', 'haproxy.cfg'].map((file) => [`/${file}`, at(`examples/haproxy/${file}`)]),
    ),
  ],
  entrypoint: ['/bin/sh', '/start.sh'],
  env: { IMAGE: version },
  user: '65532:65532',
  stopSignal: 'SIGUSR1',
});

/** What every test has: three versions of a hot sidecar, its empty image, and an app. */
export const names = {
  v1: 'baton.test/echo:v1',
  v2: 'baton.test/echo:v2',
  v3: 'baton.test/echo:v3',
  /** The sidecar's own image under a second tag. */
  empty: 'baton.test/echo:empty',
  app: 'baton.test/app:1',
} as const;

export const sharedImages: readonly Image[] = [
  { name: names.v1, ...echoImage('v1') },
  { name: names.v2, ...echoImage('v2') },
  { name: names.v3, ...echoImage('v3') },
  { name: names.empty, ...echoImage('v1') },
  { name: names.app, ...appImage },
];
