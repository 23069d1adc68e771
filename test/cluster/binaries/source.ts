import { readdirSync } from 'node:fs';
import { builtFolder, BUILT, cacheFolder, downloadedFolder, missingIn, NEEDED } from './folder.ts';
import type { Archive } from './release.ts';

/** Where the binaries of a control plane come from. */
export type Source =
  | { kind: 'folder'; folder: string }
  | { kind: 'build'; go: string; folder: string }
  | { kind: 'download'; archive: Archive; folder: string }
  | { kind: 'none'; reason: string };

/** What {@link findSource} asks of the machine. The last two are slow, and asked only when nothing is there. */
export interface Machine {
  environment: Readonly<Record<string, string | undefined>>;
  /** Of these programs, those that the folder does not have. */
  missing: (folder: string, names: readonly string[]) => string[];
  /** The names in the cache folder; none where there is no such folder. */
  cached: (cache: string) => string[];
  /** A Go that can build them, and the modules within reach. */
  go: () => Promise<{ program: string } | { reason: string }>;
  /** A release archive for this machine. */
  release: () => Promise<Archive | { reason: string }>;
}

/**
 * `KUBEBUILDER_ASSETS`, else what an earlier run built or downloaded, else Go modules, else a release archive.
 *
 * @throws Error when `KUBEBUILDER_ASSETS` names a folder without them: to take others would test something else
 */
export async function findSource({ environment, missing, cached, go, release }: Machine): Promise<Source> {
  const assets = environment['KUBEBUILDER_ASSETS'];
  if (assets) {
    const [first] = missing(assets, NEEDED);
    if (first !== undefined)
      throw new Error(`KUBEBUILDER_ASSETS=${assets}: ${assets}/${first} is no executable file; correct or unset it`);
    return { kind: 'folder', folder: assets };
  }
  const cache = cacheFolder(environment);
  const built = builtFolder(cache);
  if (missing(built, BUILT).length === 0) return { kind: 'folder', folder: built };
  const toolchain = await go();
  if ('program' in toolchain) return { kind: 'build', go: toolchain.program, folder: built };
  const downloaded = cached(cache)
    .filter((name) => name.startsWith('envtest-') && missing(`${cache}/${name}`, NEEDED).length === 0)
    .toSorted(new Intl.Collator('en', { numeric: true }).compare)
    .at(-1);
  if (downloaded !== undefined) return { kind: 'folder', folder: `${cache}/${downloaded}` };
  const archive = await release();
  if ('address' in archive) return { kind: 'download', archive, folder: downloadedFolder(cache, archive.version) };
  return { kind: 'none', reason: `${toolchain.reason}; ${archive.reason}` };
}

/** This machine's own answers to the quick questions. */
export const quickly: Pick<Machine, 'missing' | 'cached'> = {
  missing: missingIn,
  cached(cache) {
    try {
      return readdirSync(cache);
    } catch {
      return [];
    }
  },
};
