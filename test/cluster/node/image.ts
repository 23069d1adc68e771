import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { writeImages, type Image } from '../../../deploy/image/image.ts';
import type { Files } from '../../../deploy/image/files.ts';
export { nodeLayer } from '../../../deploy/image/baton.ts';
import { temporaryDirectory, type Scope } from '../../helpers/processes.ts';
import { containerdAt } from './containerd.ts';

/** Static, so alone it is enough: `/bin/busybox sh -c ...`. */
export const busyboxLayer: Files = { '/bin/busybox': '/bin/busybox' };

/** A name of the test's own is given to it, unless it has one. */
export type TestImage = Omit<Image, 'name'> & { name?: string };

/**
 * Makes images and imports them into a node's containerd, all at once: no registry. They are there until the node goes; pods
 * use their names, and nothing is pulled.
 *
 * @param node where; its socket is enough
 * @returns their names, by the given keys
 */
export async function addImages<Key extends string>(
  t: Scope,
  node: { socket: string },
  images: Readonly<Record<Key, TestImage>>,
): Promise<Record<Key, string>> {
  const named = (Object.entries(images) as [Key, TestImage][]).map(
    ([key, { name = `baton.test/${randomBytes(4).toString('hex')}:1`, ...image }]) =>
      [key, { name, ...image }] as const,
  );
  const archive = join(temporaryDirectory(t), 'images.tar');
  writeImages(
    archive,
    named.map(([, image]) => image),
  );
  await containerdAt(node.socket).importImage(archive);
  return Object.fromEntries(named.map(([key, { name }]) => [key, name])) as Record<Key, string>;
}

/** {@link addImages} with one; its name. */
export const addImage = async (t: Scope, node: { socket: string }, image: TestImage): Promise<string> =>
  (await addImages(t, node, { image })).image;
