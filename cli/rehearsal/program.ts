import { chmodSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How to start this very program again: Node and what comes before the program's own arguments. */
export interface Program {
  node: string;
  /** Node's own options; only needed when run from source. */
  nodeOptions: string[];
  file: string;
}

/** The bundle that this code is in, or `cli/baton.ts` through tsx when it runs from source. */
export function thisProgram(): Program {
  const self = fileURLToPath(import.meta.url);
  if (!self.endsWith('.ts')) return { node: process.execPath, nodeOptions: [], file: self };
  return {
    node: process.execPath,
    nodeOptions: ['--import', import.meta.resolve('tsx')],
    file: join(dirname(self), '..', 'baton.ts'),
  };
}

/** Makes the program `baton` in `directory`, so that a hook that names it gets this very one. */
export function writeShim(directory: string, program: Program): void {
  const words = [program.node, ...program.nodeOptions, program.file].map(quote).join(' ');
  const path = join(directory, 'baton');
  writeFileSync(path, `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(path, 0o755);
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
