import type { Copy, Index, Setting, World } from './world.ts';
import { ended, names, phaseOf, withCopy } from './world.ts';

// What may happen in the world besides the agent's steps.

const indexes: readonly Index[] = [0, 1];
const other = (index: Index): Index => (index === 0 ? 1 : 0);

/** A process that serves, or would at once if the other one were gone. */
export function canServe({ process }: Copy): boolean {
  return process === 'serving' || process === 'draining' || process === 'drained';
}

/** The kubelet will stop it. */
export const isDoomed = ({ runs, want }: Copy): boolean => runs !== want;

/** What goes on by itself: kubelet, processes, pulls, time. Fairness means that each of these happens in the end. */
export function progress(world: World, setting: Setting): World[] {
  return [
    ...indexes.flatMap((index) => [...kubelet(world, index, setting), ...processes(world, index, setting)]),
    ...pulls(world),
    ...time(world),
  ];
}

/** What may or may not happen: crashes, hangs, an agent that dies, another grant. */
export function faults(world: World, setting: Setting): World[] {
  const next: World[] = [];
  for (const index of indexes) {
    const copy = world.copies[index];
    const { process } = copy;
    if (copy.runs !== '' && process !== 'idle' && (setting.sdk || isKnown(world)))
      next.push(withCopy(world, index, ended(copy)));
    if (setting.sdk && ['starting', 'waiting', 'serving', 'draining', 'drained'].includes(process)) {
      next.push(withCopy(world, index, { ...copy, process: 'hung' }));
    }
    if (copy.runs === '' && !copy.backOff) next.push(withCopy(world, index, { ...copy, backOff: true, veil: 'down' }));
    if (setting.runtime && copy.runs !== '' && !copy.shown && !copy.stuck && isUpgraded(world, index)) {
      next.push(withCopy(world, index, { ...copy, stuck: true }));
    }
  }
  for (const grant of setting.grants) {
    if (grant !== world.grant) next.push({ ...world, grant });
  }
  // A new agent process does not know what became of the pulls, and the kubelet may have removed an image that nobody ran.
  const images = Object.entries(world.images);
  const forgotten = images.map(([image, state]) => [image, state === 'there' ? 'there' : 'missing'] as const);
  if (images.some(([, state]) => state !== 'there' && state !== 'missing')) {
    next.push({ ...world, images: Object.fromEntries(forgotten) });
  }
  for (const [image, state] of images) {
    if (state === 'there') next.push({ ...world, images: { ...world.images, [image]: 'missing' } });
  }
  return next;
}

/** Without the SDK nothing tells whether an old copy was restarted before anybody wrote down which life it was. */
const isKnown = ({ record, copies }: World): boolean => record !== '' || copies.some(({ want }) => want === 'E');

/** A hook that hangs in a copy that is not upgraded is nobody's doing, and nothing here can help. */
const isUpgraded = ({ working, copies }: World, index: Index): boolean =>
  working === names[index] && copies[other(index)].want !== 'E';

function kubelet(world: World, index: Index, setting: Setting): World[] {
  const copy = world.copies[index];
  // A running hook blocks the pod's worker.
  const isBlocked = world.copies.some(({ runs, shown }) => runs !== '' && !shown);
  if (copy.runs !== '' && !copy.shown) {
    // The SDK's hook has a time limit of its own.
    const isHopeless = setting.sdk && world.copies[other(index)].process === 'hung';
    const returns = !copy.stuck && (copy.process !== 'starting' || isHopeless);
    return returns ? [withCopy(world, index, { ...copy, shown: true })] : [];
  }
  if (isBlocked) return [];
  if (copy.runs !== '' && isDoomed(copy)) return [withCopy(world, index, ended(copy, true))];
  if (copy.runs !== '') return [];
  const version = world.versions[index];
  const isStale = BigInt(version) < BigInt(world.alts[index] === '' ? '0' : world.alts[index]);
  const process = copy.want === 'E' ? 'idle' : isStale ? (setting.sdk ? 'waiting' : 'idle') : 'starting';
  const shown = process === 'idle';
  return [
    withCopy(world, index, {
      ...copy,
      runs: copy.want,
      process,
      version,
      isNew: true,
      isYoung: true,
      shown,
      backOff: false,
    }),
  ];
}

function processes(world: World, index: Index, { sdk }: Setting): World[] {
  const copy = world.copies[index];
  const rival = world.copies[other(index)];
  const become = (process: Copy['process']): World => withCopy(world, index, { ...copy, process });
  switch (copy.process) {
    case 'starting': {
      if (!sdk) return [become('serving')];
      if (rival.process === 'hung') return [];
      const after = become('serving');
      return [rival.process === 'serving' ? withCopy(after, other(index), { ...rival, process: 'draining' }) : after];
    }
    case 'waiting':
      return rival.process === 'none' || rival.process === 'idle' ? [become('serving')] : [];
    case 'draining':
      return rival.process === 'serving' ? [become('drained')] : [become('serving')];
    case 'drained':
      return rival.process === 'serving' ? [] : [become('serving')];
    default:
      return [];
  }
}

function pulls(world: World): World[] {
  return Object.entries(world.images)
    .filter(([, state]) => state === 'running')
    .flatMap(([image]) =>
      (['there', 'absent', 'unclear'] as const).map((state) => ({
        ...world,
        images: { ...world.images, [image]: state },
      })),
    );
}

function time(world: World): World[] {
  const phase = phaseOf(world.record);
  const { passed } = world;
  const later = (change: Partial<World['passed']>): World => ({ ...world, passed: { ...passed, ...change } });
  const next: World[] = [];
  const isEnding = phase === 'RollingBack' || (phase === 'Resetting' && world.copies.some(isDoomed));
  if (isEnding && !passed.patience) next.push(later({ patience: true }));
  const hasDeadline = phase === 'Pulling' || phase === 'Upgrading' || phase === 'Failed';
  if (hasDeadline && !passed.deadline) next.push(later({ deadline: true }));
  return next;
}
