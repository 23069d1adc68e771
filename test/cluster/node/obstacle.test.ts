import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { temporaryDirectory } from '../../helpers/processes.ts';
import { obstacle } from './obstacle.ts';

test('why a machine cannot be a node', (t) => {
  const folder = temporaryDirectory(t);
  const source = { kind: 'folder', folder } as const;
  t.is(obstacle({ kind: 'none', reason: 'no Go' }, {}, 0), 'no Go');
  t.is(obstacle(source, {}, 1000), 'a node needs root');
  t.is(obstacle(source, { PATH: folder }, 0), 'containerd is not installed');
  writeFileSync(join(folder, 'containerd'), '');
  chmodSync(join(folder, 'containerd'), 0o755);
  t.is(obstacle(source, { PATH: folder }, 0), 'containerd-shim-runc-v2 is not installed');
});
