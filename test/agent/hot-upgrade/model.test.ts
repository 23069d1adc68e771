import test from 'ava';
import type { Step } from '../../../agent/hot-upgrade/step.ts';
import { cyclesIn, explore, stuckIn } from './search.ts';
import type { Setting, World } from './world.ts';

const any: Setting['grants'] = ['none', 'h1', 'h2', 'h3'];
const settings: Record<string, Setting> = {
  'SDK, container runtime': { sdk: true, runtime: true, rollback: 'Automatic', grants: any, pulled: [] },
  'SDK, no container runtime': { sdk: true, runtime: false, rollback: 'Automatic', grants: any, pulled: [] },
  'SDK, never rolled back': { sdk: true, runtime: false, rollback: 'Never', grants: any, pulled: [] },
  'no SDK': { sdk: false, runtime: true, rollback: 'Automatic', grants: any, pulled: [] },
  'no SDK, images to be pulled': {
    sdk: false,
    runtime: false,
    rollback: 'Automatic',
    grants: ['none', 'h1', 'h2'],
    pulled: ['v2', 'E'],
  },
};

for (const [title, setting] of Object.entries(settings)) {
  test(`whatever happens, a copy that can serve remains and the upgrade ends: ${title}`, (t) => {
    t.timeout(120_000);
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
