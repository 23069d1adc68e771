import test from 'ava';
import { checkAll, usual } from './checked.ts';
import type { Setting } from './world.ts';

const settings: Record<string, Setting> = {
  'SDK and container runtime': { ...usual, sdk: true, runtime: true },
  'SDK, no container runtime': { ...usual, sdk: true, runtime: false, grants: ['none', 'h1', 'h2'] },
  'SDK, never rolled back': { ...usual, sdk: true, runtime: true, rollback: 'Never', grants: ['none', 'h1', 'h2'] },
};

for (const [title, setting] of Object.entries(settings)) {
  test.serial(`whatever happens, a copy that can serve remains and the upgrade ends: ${title}`, async (t) => {
    await checkAll(t, setting);
  });
}
