import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { writeImage, type Image } from '../../../deploy/image/image.ts';
import type { Files } from '../../../deploy/image/files.ts';
import { temporaryDirectory, type Scope } from '../../helpers/processes.ts';
import { containerdAt } from './containerd.ts';

/** Node.js as `/usr/local/bin/node`: the first layer of images that run JavaScript. */
export const nodeLayer: Files = { '/usr/local/bin/node': process.execPath };
/** Static, so alone it is enough: `/bin/busybox sh -c ...`. */
export const busyboxLayer: Files = { '/bin/busybox': '/bin/busybox' };

/**
 * Makes an image and imports it into a node's containerd: no registry. Its name, which pods use (with
 * `imagePullPolicy: IfNotPresent`), is the test's own unless one is given. It is removed at the end of the test.
 *
 * @param node where; its socket is enough
 */
export async function addImage(
  t: Scope,
  node: { socket: string },
  { name = `baton.test/${randomBytes(4).toString('hex')}:1`, ...image }: Omit<Image, 'name'> & { name?: string },
): Promise<string> {
  const archive = join(temporaryDirectory(t), 'image.tar');
  writeImage(archive, { name, ...image });
  const { ctr, importImage } = containerdAt(node.socket);
  await importImage(archive);
  // The node may be gone before.
  t.teardown(() => ctr('images', 'rm', name).catch(() => undefined));
  return name;
}
