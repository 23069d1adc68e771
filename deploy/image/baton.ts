import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Files } from './files.ts';
import type { Image } from './image.ts';
import { runtimeOf } from './runtime.ts';

/** How the images start Node: with a small heap that grows in small steps, which halves what the controller takes. */
export const nodeFlags = ['--max-semi-space-size=4', '--heap-growing-percent=30'];

/** The services that Baton has images of. */
export type Component = 'controller' | 'agent';

/** The major version of Node.js that every image has. */
const NODE = '24';

/**
 * Node.js as `/usr/local/bin/node`: this machine's where the major version is that of the images, else one from npm, kept in
 * `.cache/runtimes`. One object, so that images which are written together share it; read when the first of them is.
 */
export const nodeLayer: Files = {
  get '/usr/local/bin/node'() {
    if (process.versions.node.startsWith(`${NODE}.`)) return process.execPath;
    const runtime = runtimeOf(NODE);
    if ('program' in runtime) return runtime.program;
    throw new Error(`the images have Node.js ${NODE}, which npm cannot install here: ${runtime.reason}`);
  },
};

/**
 * The image of a service: Node.js and the bundle that `npm run build` made. As `deploy/Dockerfile` builds it, but from what is
 * here. The controller is a user without rights; the agent, which reads other users' volumes, is root.
 *
 * @param root the repository's folder
 * @throws Error when the bundle is not there
 */
export function batonImage(root: string, component: Component, name: string): Image {
  const dist = join(root, 'dist');
  if (!existsSync(join(dist, 'baton.js'))) throw new Error(`there is no ${dist}/baton.js: run npm run build first`);
  const bundle = readdirSync(dist).filter((entry) => ['baton.js', 'chunks', 'THIRD-PARTY.txt'].includes(entry));
  // The bundle finds its version, and the addon, by its package's name.
  const own = ['package.json', 'build/Release/baton.node', ...bundle.map((entry) => `dist/${entry}`)];
  const passwd = 'root:x:0:0::/:/sbin/nologin\nbaton:x:65532:65532::/:/sbin/nologin\n';
  return {
    name,
    layers: [
      nodeLayer,
      {
        '/etc/passwd': { content: passwd },
        ...Object.fromEntries(own.map((file) => [`/app/${file}`, join(root, file)])),
      },
    ],
    entrypoint: ['node', ...nodeFlags, '/app/dist/baton.js'],
    env: { NODE_ENV: 'production' },
    workingDir: '/app',
    user: component === 'controller' ? '65532:65532' : '0:0',
  };
}
