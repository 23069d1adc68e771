import test from 'ava';
import { checkAll, usual } from './checked.ts';
import type { Setting } from './world.ts';

const settings: Record<string, Setting> = {
  'SDK, left half-way by OpenKruise': { ...usual, sdk: true, runtime: true, found: true, grants: ['none', 'h2'] },
  'no SDK': { ...usual, sdk: false, runtime: true },
  'no SDK, no container runtime': { ...usual, sdk: false, runtime: false },
  'no SDK, left half-way by OpenKruise': {
    ...usual,
    sdk: false,
    runtime: false,
    found: true,
    grants: ['none', 'h1', 'h2'],
  },
  // What images are on the node is seen through the container runtime.
  'no SDK, the new image to be pulled': { ...usual, sdk: false, runtime: true, grants: ['none', 'h2'], pulled: ['v2'] },
  'no SDK, the empty image to be pulled': {
    ...usual,
    sdk: false,
    runtime: true,
    grants: ['none', 'h2'],
    pulled: ['E'],
  },
};

for (const [title, setting] of Object.entries(settings)) {
  test.serial(`whatever happens, a copy that can serve remains and the upgrade ends: ${title}`, async (t) => {
    await checkAll(t, setting);
  });
}
