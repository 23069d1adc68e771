import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { Step } from '../../../agent/hot-upgrade/step.ts';
import { cyclesIn, explore, stuckIn } from './search.ts';
import type { Setting, World } from './world.ts';

const usual: Omit<Setting, 'sdk' | 'runtime'> = {
  rollback: 'Automatic',
  // Two publishes and no grant; a third one adds worlds, and `npm run test:long` goes through them.
  grants: process.env['BATON_MODEL'] === 'large' ? ['none', 'h1', 'h2', 'h3'] : ['none', 'h1', 'h2'],
  pulled: [],
  found: false,
};
const settings: Record<string, Setting> = {
  'SDK and container runtime': { ...usual, sdk: true, runtime: true },
  'SDK, no container runtime': { ...usual, sdk: true, runtime: false, grants: ['none', 'h1', 'h2'] },
  'no SDK': { ...usual, sdk: false, runtime: true },
  'no SDK, no container runtime': { ...usual, sdk: false, runtime: false },
  'no SDK, left half-way by OpenKruise': {
    ...usual,
    sdk: false,
    runtime: false,
    found: true,
    grants: ['none', 'h1', 'h2'],
  },
  'no SDK, the new image to be pulled': { ...usual, sdk: false, runtime: true, grants: ['none', 'h2'], pulled: ['v2'] },
  'no SDK, the empty image to be pulled': {
    ...usual,
    sdk: false,
    runtime: false,
    grants: ['none', 'h2'],
    pulled: ['E'],
  },
};

for (const [title, setting] of Object.entries(settings)) {
  test.serial(`whatever happens, a copy that can serve remains and the upgrade ends: ${title}`, async (t) => {
    t.timeout(120_000);
    // A search holds the event loop: between two of them ava hears that the file goes on.
    await turn();
    const began = performance.now();
    const violations: string[] = [];
    const report = (what: string, world: World, step: Step) => {
      if (violations.length < 3) violations.push(`${what}: ${JSON.stringify(step)} in ${JSON.stringify(world)}`);
    };
    const found = explore(setting, report);
    const describe = (index: number) => report('', found.worlds[index] as World, found.steps[index] as Step);
    const patchCount = found.patches.filter((target) => target !== undefined).length;
    t.log(`${found.worlds.length} worlds, ${patchCount} patches, ${Math.round(performance.now() - began)} ms`);
    t.deepEqual(violations, []);
    const stuck = stuckIn(found);
    stuck.forEach(describe);
    t.deepEqual(violations, [], `${stuck.length} worlds without a way to an end`);
    const cycles = cyclesIn(found);
    cycles.forEach(describe);
    t.deepEqual(violations, [], `${cycles.length} patches on a cycle`);
  });
}
