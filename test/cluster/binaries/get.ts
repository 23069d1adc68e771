import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lock } from '../../../native/index.ts';
import { build } from './build.ts';
import { BUILT, missingIn, NEEDED } from './folder.ts';
import type { Progress } from './progress.ts';
import { download } from './release.ts';
import type { Source } from './source.ts';

/** Fills a folder that exists; throws when it cannot. */
export type Fill = (folder: string, tell: Progress) => Promise<void>;

/**
 * The folder with the binaries, after building or downloading them where that is their source.
 *
 * @throws Error when that fails, or there is no source
 */
export async function getBinaries(source: Source, tell: Progress): Promise<string> {
  if (source.kind === 'none') throw new Error(`no control plane: ${source.reason}`);
  if (source.kind === 'folder') return source.folder;
  const { folder } = source;
  if (source.kind === 'build') await fillOnce(folder, BUILT, (partial) => build(source.go, partial, tell), tell);
  else await fillOnce(folder, NEEDED, (partial) => download(source.archive, partial, tell), tell);
  return folder;
}

const PARTIAL = '.partial-';

/**
 * Has `folder` filled with those programs by one process at a time, unless they are there. It appears complete or not at
 * all: what an interrupted process left behind is removed by the next.
 */
export async function fillOnce(folder: string, names: readonly string[], fill: Fill, tell: Progress): Promise<void> {
  const parent = dirname(folder);
  mkdirSync(parent, { recursive: true });
  const descriptor = openSync(`${folder}.lock`, 'a');
  try {
    // A lock of the kernel's: it ends with the process that has it, however that ends.
    while (!lock(descriptor)) {
      tell(`waiting for another process that fills ${folder}`);
      await delay(200);
    }
    if (missingIn(folder, names).length === 0) return;
    const prefix = `${basename(folder)}${PARTIAL}`;
    for (const left of readdirSync(parent).filter((name) => name.startsWith(prefix)))
      rmSync(join(parent, left), { recursive: true, force: true });
    const partial = join(parent, `${prefix}${process.pid}`);
    mkdirSync(partial);
    await fill(partial, tell);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    closeSync(descriptor);
  }
}
