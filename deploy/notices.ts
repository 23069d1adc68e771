/*
 * Writes dist/THIRD-PARTY.txt: the packages whose code esbuild put into the bundle, with their licences. Part of `npm run build:cli`.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const metafile = join(root, 'dist/bundle.json');

interface Bundle {
  /** By their paths, in the repository. */
  inputs: Record<string, unknown>;
}

/** Folders of packages: of `node_modules/a/node_modules/@b/c/lib/d.js` the folder of `@b/c`. */
function packagesOf(inputs: readonly string[]): string[] {
  const folders = inputs.flatMap((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  return [...new Set(folders)].sort();
}

/** @throws Error for a package without a licence: it must not be shipped */
function noticeOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    string | undefined
  >;
  const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
  if (license === undefined && files.length === 0) throw new Error(`${folder} has no licence`);
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [`${name ?? ''} ${version ?? ''} (${license ?? 'see below'})`, ...texts].join('\n\n');
}

function main(): void {
  const { inputs } = JSON.parse(readFileSync(metafile, 'utf8')) as Bundle;
  const notices = packagesOf(Object.keys(inputs)).map((folder) => noticeOf(join(root, folder)));
  const line = `\n\n${'-'.repeat(100)}\n\n`;
  const head = 'The program `baton` contains code of these packages.';
  writeFileSync(join(root, 'dist/THIRD-PARTY.txt'), `${[head, ...notices].join(line)}\n`);
  rmSync(metafile);
}

main();
