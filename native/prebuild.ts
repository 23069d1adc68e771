/*
 * `add` puts the built addon where the package carries it, `remove` takes it away again: in a checkout it would hide the
 * next build. Run by `npm pack`, before and after. The addon is N-API, so one binary serves every version of Node.js.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const folder = new URL(`prebuilds/${process.platform}-${process.arch}/`, root);

if (process.argv[2] === 'add') {
  mkdirSync(folder, { recursive: true });
  const target = new URL('baton.node', folder);
  copyFileSync(new URL('build/Release/baton.node', root), target);
  // Smaller without its symbols; where there is no strip, larger and as good.
  spawnSync('strip', ['--strip-unneeded', fileURLToPath(target)]);
} else {
  rmSync(new URL('prebuilds', root), { recursive: true, force: true });
}
