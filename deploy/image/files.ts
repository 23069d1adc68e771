import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from './tar.ts';

/** What a layer has: absolute path in the image -> a file or folder of this machine, or the content itself. */
export type Files = Readonly<Record<string, string | { content: string; mode?: number }>>;

/** Where images keep what is not theirs. */
const FOLDERS: readonly (readonly [path: string, mode: number])[] = [
  ...['dev', 'etc', 'proc', 'run', 'sys'].map((path) => [path, 0o755] as const),
  ['tmp', 0o1777],
];

/**
 * The entries of a layer, in order, with the folders that they lie in. A dynamically linked program brings the libraries
 * that `ldd` names; links are followed.
 */
export function entriesOf(files: Files): Entry[] {
  const found = new Map<string, Entry>();
  const add = (path: string, mode: number, content: Buffer): void => void found.set(path, { path, mode, content });
  const addPath = (path: string, source: string): void => {
    const status = statSync(source);
    if (status.isDirectory()) {
      for (const name of readdirSync(source)) addPath(`${path}/${name}`, join(source, name));
      return;
    }
    const isProgram = (status.mode & 0o111) !== 0;
    add(path, isProgram ? 0o755 : 0o644, readFileSync(source));
    for (const library of isProgram ? librariesOf(source) : []) add(library.slice(1), 0o755, readFileSync(library));
  };
  for (const [path, what] of Object.entries(files)) {
    if (!path.startsWith('/')) throw new Error(`the path of a file in an image is absolute: ${path}`);
    if (typeof what === 'string') addPath(path.slice(1), what);
    else add(path.slice(1), what.mode ?? 0o644, Buffer.from(what.content));
  }
  const folders = new Map<string, Entry>(FOLDERS.map(([path, mode]) => [path, { path, mode }]));
  for (const path of found.keys()) {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (!folders.has(folder)) folders.set(folder, { path: folder, mode: 0o755 });
    }
  }
  return [...folders.values(), ...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/** Absolute paths of what the dynamic linker loads, itself included. */
function librariesOf(program: string): string[] {
  if (!isElf(program)) return [];
  let text: string;
  try {
    text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    // That is how ldd calls a static program, with status 1.
    if (/not a dynamic executable/.test(String((error as { stderr?: string }).stderr))) return [];
    throw error;
  }
  const missing = /^\s*(\S+) => not found/m.exec(text);
  if (missing) throw new Error(`${program} needs ${missing[1] ?? ''}, which is not here`);
  return text.split(/\s+/).filter((word) => word.startsWith('/'));
}

function isElf(file: string): boolean {
  const head = Buffer.alloc(4);
  const descriptor = openSync(file, 'r');
  readSync(descriptor, head);
  closeSync(descriptor);
  return head.toString('latin1') === '\x7fELF';
}
