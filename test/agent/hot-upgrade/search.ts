import { decide } from '../../../agent/hot-upgrade/decide.ts';
import type { Decision } from '../../../agent/hot-upgrade/decide.ts';
import type { Step } from '../../../agent/hot-upgrade/step.ts';
import type { Memory, View } from '../../../agent/hot-upgrade/view.ts';
import { canServe, faults, isDoomed, progress } from './nature.ts';
import { seen } from './scene.ts';
import type { Copy, Setting, World } from './world.ts';
import { formOf, keyOf, stepped, viewOf, worldOf } from './world.ts';

const copy = (want: string, changes: Partial<Copy>): Copy => ({
  want,
  runs: want,
  process: want === 'E' ? 'idle' : 'serving',
  version: '0',
  isNew: true,
  isYoung: false,
  lost: false,
  shown: true,
  veil: 'before',
  stuck: false,
  backOff: false,
  ...changes,
});

const injected = (setting: Setting): World => ({
  copies: [copy('v1', { version: '1' }), copy('E', {})],
  working: 'm-1',
  versions: ['1', '0'],
  alts: ['0', '1'],
  hash: 'h1',
  record: '',
  grant: 'none',
  passed: { patience: false, deadline: false },
  images: Object.fromEntries(setting.pulled.map((image) => [image, image === 'E' ? 'there' : 'missing'])),
});

/** Half-way, as OpenKruise leaves a pod: after its upgrade, also after it "went back" without doing anything (Q1). */
const left = (setting: Setting, hash: string, working = 'm-2'): World => ({
  ...injected(setting),
  copies: [copy('v1', { version: '1' }), copy('v2', { version: '2', runs: '', process: 'none', shown: false })],
  working,
  versions: ['1', '2'],
  alts: ['2', '1'],
  hash,
});

/** The worlds in which it begins. */
const initial = (setting: Setting): World[] =>
  setting.found ? [left(setting, 'h2'), left(setting, 'h1'), left(setting, 'h2', 'm-7')] : [injected(setting)];

export type Decide = (view: View, memory: Memory) => Decision;

type Violation = (what: string, world: World, step: Step) => void;

export interface Found {
  worlds: World[];
  steps: Step[];
  /** Where each world may go by itself or by the agent's hand, and whether the agent patches on the way. */
  next: number[][];
  patches: (number | undefined)[];
}

/** Every world that can be reached, whatever happens; the agent may take its step, or be dead, at any time. */
export function explore(setting: Setting, violation: Violation, deciding: Decide = decide): Found {
  const search: Found = { worlds: [], steps: [], next: [], patches: [] };
  const indexes = new Map<string, number>();
  const forms = new Map<string, Map<string, number>>();
  const indexOf = (world: World): number => {
    // Most worlds come again in the very form in which they came before, and that is cheap to see.
    let known = forms.get(world.record);
    if (!known) forms.set(world.record, (known = new Map<string, number>()));
    const form = formOf(world);
    let index = known.get(form);
    if (index === undefined) {
      const key = keyOf(world, setting);
      index = indexes.get(key) ?? search.worlds.push(worldOf(key)) - 1;
      indexes.set(key, index);
      known.set(form, index);
    }
    return index;
  };
  for (const start of initial(setting)) indexOf(start);
  for (let index = 0; index < search.worlds.length; index++) {
    const world = search.worlds[index] as World;
    const view = viewOf(world, setting);
    const { step } = deciding(view, seen);
    const after = stepped(world, view, step);
    if (after) judge(world, after, step, setting, violation);
    const natural = progress(world, setting).map(indexOf);
    for (const fault of faults(world, setting)) indexOf(fault);
    const taken = after && indexOf(after);
    if (taken === index) violation('a step that changes nothing', world, step);
    search.steps.push(step);
    search.next.push(taken === undefined ? natural : [...natural, taken]);
    search.patches.push(step.do === 'patch' ? taken : undefined);
  }
  return search;
}

/**
 * No step of the agent leaves nothing that can serve, where something could and would have lived. Without the SDK a copy whose
 * hook runs is seen by the container runtime alone, and at the deadline it cannot be told from one that never serves.
 */
function judge(before: World, after: World, step: Step, setting: Setting, violation: Violation): void {
  const isKnown = (its: Copy): boolean => setting.sdk || its.shown || (setting.runtime && !before.passed.deadline);
  // A process that started with another version than it should have now is to be replaced already.
  const lives = (world: World): boolean[] =>
    world.copies.map(
      (its, index) => canServe(its) && !isDoomed(its) && isKnown(its) && its.version === before.versions[index],
    );
  if (lives(before).includes(true) && !lives(after).includes(true)) violation('nothing can serve', before, step);
}

/** The worlds from which no end can be reached although everything that can happen by itself does. */
export function stuckIn({ worlds, steps, next }: Found): number[] {
  const before: number[][] = worlds.map(() => []);
  next.forEach((targets, index) => targets.forEach((target) => before[target]?.push(index)));
  const ends = worlds.flatMap((_, index) => {
    const step = steps[index];
    if (!(next[index] ?? []).every((target) => target === index)) return [];
    const isToldOf = step?.do === 'wait' && step.because.startsWith('the empty image cannot be had');
    return isToldOf || step?.do === 'nothing' || step?.do === 'degraded' ? [index] : [];
  });
  const reached = new Set(ends);
  for (const end of reached) for (const index of before[end] ?? []) reached.add(index);
  return worlds.flatMap((_, index) => (reached.has(index) ? [] : [index]));
}

/** A patch that the agent would write again and again without any fault: the patch's both ends lie on one cycle. */
export function cyclesIn({ worlds, next, patches }: Found): number[] {
  const component = components(next);
  return worlds.flatMap((_, index) => {
    const target = patches[index];
    return target !== undefined && component[target] === component[index] ? [index] : [];
  });
}

/** Tarjan's strongly connected components, without recursion. */
function components(next: readonly number[][]): number[] {
  const order = new Array<number>(next.length).fill(-1);
  const low = new Array<number>(next.length).fill(0);
  const component = new Array<number>(next.length).fill(-1);
  const open: number[] = [];
  let time = 0;
  let count = 0;
  for (let root = 0; root < next.length; root++) {
    if (order[root] !== -1) continue;
    const path: { node: number; edge: number }[] = [{ node: root, edge: 0 }];
    while (path.length > 0) {
      const at = path[path.length - 1] as { node: number; edge: number };
      const { node } = at;
      if (at.edge === 0) {
        order[node] = low[node] = time++;
        open.push(node);
      }
      const target = next[node]?.[at.edge++];
      if (target !== undefined) {
        if (order[target] === -1) path.push({ node: target, edge: 0 });
        else if (component[target] === -1) low[node] = Math.min(low[node] as number, order[target] as number);
        continue;
      }
      path.pop();
      const parent = path.at(-1)?.node;
      if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[node] as number);
      if (low[node] !== order[node]) continue;
      for (let member = open.pop(); member !== undefined; member = open.pop()) {
        component[member] = count;
        if (member === node) break;
      }
      count++;
    }
  }
  return component;
}
