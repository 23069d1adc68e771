import { basename, delimiter, dirname, join } from 'node:path';
import { buildHelm, findGo } from './build.ts';
import { cacheFolder, hasProgram, helmFolder } from './folder.ts';
import { fillOnce } from './get.ts';
import type { Progress } from './progress.ts';

/** A Helm that is there, one that Go can build, or why there is none. */
export type HelmSource = { program: string } | { go: string; folder: string } | { reason: string };

/** What {@link findHelm} asks of the machine; Go last, which is slow. */
export interface HelmMachine {
  environment: Readonly<Record<string, string | undefined>>;
  /** Whether it can be executed. */
  has: (path: string) => boolean;
  go: () => Promise<{ program: string } | { reason: string }>;
}

/**
 * `HELM`, else the one in the PATH, else what an earlier run built, else a Go module.
 *
 * @throws Error when `HELM` is no program: to take another would test something else
 */
export async function findHelm({ environment, has, go }: HelmMachine): Promise<HelmSource> {
  const named = environment['HELM'];
  if (named) {
    if (!has(named)) throw new Error(`HELM=${named}: is no executable file; correct or unset it`);
    return { program: named };
  }
  const folder = helmFolder(cacheFolder(environment));
  const folders = [...(environment['PATH'] ?? '').split(delimiter).filter(Boolean), folder];
  const program = folders.map((path) => join(path, 'helm')).find(has);
  if (program !== undefined) return { program };
  const toolchain = await go();
  return 'program' in toolchain ? { go: toolchain.program, folder } : toolchain;
}

/** This machine's. */
export const helmHere = (environment = process.env): Promise<HelmSource> =>
  findHelm({
    environment,
    has: (path) => hasProgram(dirname(path), basename(path)),
    go: () => findGo(environment, undefined, ['helm']),
  });

/**
 * The program, built where that is its source.
 *
 * @throws Error when that fails, or there is no source
 */
export async function getHelm(source: HelmSource, tell: Progress): Promise<string> {
  if ('reason' in source) throw new Error(`no Helm: ${source.reason}`);
  if ('program' in source) return source.program;
  await fillOnce(source.folder, ['helm'], (partial) => buildHelm(source.go, partial, tell), tell);
  return join(source.folder, 'helm');
}
