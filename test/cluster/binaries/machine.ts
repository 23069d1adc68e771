import { findGo } from './build.ts';
import { findArchive } from './release.ts';
import { findSource, quickly, type Source } from './source.ts';

/** Where this machine's binaries come from; see {@link findSource}. */
export const sourceHere = (environment = process.env): Promise<Source> =>
  findSource({ ...quickly, environment, go: () => findGo(environment), release: () => findArchive() });
