import { spawn } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The shell commands of a page of `docs/`, by the headings above them. */
export const commandsOf = (page: string): Map<string, string> =>
  new Map(
    readFileSync(join(root, 'docs', page), 'utf8')
      .split(/^## /m)
      .map((section) => [
        section.split('\n')[0] ?? '',
        [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, code = '']) => code).join(''),
      ]),
  );

/** Runs a page's code as a person would, in this folder, to its first failure; resolves with its output. */
export function shell(folder: string, kubeconfig: string): (code: string) => Promise<string> {
  const baton = join(folder, 'baton');
  writeFileSync(baton, `#!/bin/sh\nexec ${process.execPath} ${join(root, 'dist/baton.js')} "$@"\n`);
  chmodSync(baton, 0o755);
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}`, KUBECONFIG: kubeconfig };
  return (code) =>
    new Promise((resolve, reject) => {
      const child = spawn('sh', ['-ec', code], { cwd: folder, env });
      let output = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
      child.on('error', reject);
      child.on('close', (status) => {
        if (status === 0) resolve(output);
        else reject(new Error(`${code}\n${output}`));
      });
    });
}
