import { setImmediate as turn } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Step } from '../../../agent/hot-upgrade/step.ts';
import { cyclesIn, explore, stuckIn } from './search.ts';
import type { Setting, World } from './world.ts';

/** What most settings have in common. */
export const usual: Omit<Setting, 'sdk' | 'runtime'> = {
  rollback: 'Automatic',
  // Two publishes and no grant; a third one adds worlds, and `npm run test:long` goes through them.
  grants: process.env['BATON_MODEL'] === 'large' ? ['none', 'h1', 'h2', 'h3'] : ['none', 'h1', 'h2'],
  pulled: [],
  found: false,
};

/** Walks through every world of a setting. Nothing in it waits: how long it takes is up to the machine alone. */
export async function checkAll(t: ExecutionContext, setting: Setting): Promise<void> {
  t.timeout(300_000);
  // A search holds the event loop: between two of them ava hears that the file goes on.
  await turn();
  const began = process.cpuUsage();
  const violations: string[] = [];
  const report = (what: string, world: World, step: Step) => {
    if (violations.length < 3) violations.push(`${what}: ${JSON.stringify(step)} in ${JSON.stringify(world)}`);
  };
  const found = explore(setting, report);
  const describe = (index: number) => report('', found.worlds[index] as World, found.steps[index] as Step);
  const patchCount = found.patches.filter((target) => target !== undefined).length;
  const milliseconds = Math.round(process.cpuUsage(began).user / 1000);
  t.log(`${found.worlds.length} worlds, ${patchCount} patches, ${milliseconds} ms of CPU`);
  t.deepEqual(violations, []);
  const stuck = stuckIn(found);
  stuck.forEach(describe);
  t.deepEqual(violations, [], `${stuck.length} worlds without a way to an end`);
  const cycles = cyclesIn(found);
  cycles.forEach(describe);
  t.deepEqual(violations, [], `${cycles.length} patches on a cycle`);
}
