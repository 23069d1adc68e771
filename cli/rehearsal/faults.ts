import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Image } from '../../local/container.ts';

/** The faults of a scenario; `docs/reference/rehearsal.md` says what each does and what a client sees. */
export const faults = [
  'crash-before-ready',
  'crash-after-ready',
  'hang',
  'hang-after-ready',
  'predecessor-crash',
  'postStart-fails',
  'bad-command',
] as const;
export type Fault = (typeof faults)[number];

/** A process ends or freezes itself at one frame of the handover protocol. */
interface Trap {
  direction: 'sent' | 'received';
  type: string;
  signal: 'SIGKILL' | 'SIGSTOP';
}

const traps: Partial<Record<Fault, Trap>> = {
  'crash-before-ready': { direction: 'received', type: 'offer', signal: 'SIGKILL' },
  'crash-after-ready': { direction: 'sent', type: 'ready', signal: 'SIGKILL' },
  hang: { direction: 'received', type: 'offer', signal: 'SIGSTOP' },
  'hang-after-ready': { direction: 'sent', type: 'ready', signal: 'SIGSTOP' },
  'predecessor-crash': { direction: 'sent', type: 'stopped', signal: 'SIGKILL' },
};

/** What an upgrade with this fault ends as, unless the scenario says otherwise. */
export function usualResult(fault: Fault | undefined): 'done' | 'rolled-back' {
  return fault === undefined || fault === 'predecessor-crash' ? 'done' : 'rolled-back';
}

/** True for faults that cost clients something by their nature: what a dead process had in hand is lost. */
export function losesRequests(fault: Fault | undefined): boolean {
  return fault === 'predecessor-crash';
}

/** The images of a rehearsal with their faults in them. */
export interface Armed {
  images: Image[];
  /** To be called when the upgrade with this index begins: from now on its predecessor may fall into the trap. */
  begin(index: number): void;
  /** Whether the fault of the upgrade with this index happened. */
  happened(index: number): boolean;
}

/**
 * Puts the faults in: `images[0]` is the first version, `images[n + 1]` that of the upgrade with index n and the fault
 * `plan[n]`. What the faults need is written to `directory`; nothing in the SDK knows of them.
 */
export function armImages(images: readonly Image[], plan: readonly (Fault | undefined)[], directory: string): Armed {
  const armed = images.map((image) => ({ image, preloads: [] as string[] }));
  const begun = (index: number) => join(directory, `${index}.begun`);
  const happened = (index: number) => join(directory, `${index}.happened`);
  plan.forEach((fault, index) => {
    const successor = armed[index + 1];
    if (fault === undefined || !successor) return;
    const trap = traps[fault];
    if (trap) {
      const file = join(directory, `${index}.mjs`);
      writeFileSync(file, preload(fault, trap, happened(index), begun(index)));
      // After a roll-back the predecessor is an earlier version, so each of them gets it.
      const victims = fault === 'predecessor-crash' ? armed.slice(0, index + 1) : [successor];
      for (const victim of victims) victim.preloads.push(pathToFileURL(file).href);
    } else if (fault === 'bad-command') {
      successor.image = { ...successor.image, command: ['/nonexistent/bad-command'] };
      writeFileSync(happened(index), '');
    } else {
      successor.image = {
        ...successor.image,
        postStart: failingHook(successor.image.postStart ?? [], happened(index)),
      };
    }
  });
  return {
    images: armed.map(({ image, preloads }) => withPreloads(image, preloads)),
    begin: (index) => writeFileSync(begun(index), ''),
    happened: (index) => existsSync(happened(index)),
  };
}

/** The faults that an image itself can have; a hook is the container's. */
export const imageFaults = faults.filter((fault) => fault !== 'postStart-fails');
export type ImageFault = (typeof imageFaults)[number];

/** An image whose processes all have the fault. `directory` is for what that needs, and for no other image. */
export function armImage<T extends Runnable>(
  image: T,
  fault: ImageFault,
  directory: string,
): { image: T; happened: () => boolean } {
  const mark = join(directory, 'happened');
  const happened = (): boolean => existsSync(mark);
  const trap = traps[fault];
  if (!trap) {
    writeFileSync(mark, '');
    return { image: { ...image, command: ['/nonexistent/bad-command'] }, happened };
  }
  const file = join(directory, 'fault.mjs');
  writeFileSync(file, preload(fault, trap, mark));
  return { image: withPreloads(image, [pathToFileURL(file).href]), happened };
}

type Runnable = Pick<Image, 'command' | 'env'>;

function withPreloads<T extends Runnable>(image: T, preloads: readonly string[]): T {
  if (preloads.length === 0) return image;
  const own = image.env?.['NODE_OPTIONS'] ?? process.env['NODE_OPTIONS'];
  const options = [...(own === undefined ? [] : [own]), ...preloads.map((url) => `--import=${url}`)];
  return { ...image, env: { ...image.env, NODE_OPTIONS: options.join(' ') } };
}

/** The scenario's own hook runs first, so that the copy has taken over when it fails. */
function failingHook(hook: readonly string[], happened: string): string[] {
  const script =
    'mark=$1; shift; [ $# -eq 0 ] || "$@"; : > "$mark"; echo "baton rehearse: fault postStart-fails" >&2; exit 1';
  return ['/bin/sh', '-c', script, 'postStart', happened, ...hook];
}

/** The SDK publishes every frame right after it was written and before a received one is acted on. */
function preload(fault: Fault, { direction, type, signal }: Trap, happened: string, begun = ''): string {
  const note = `baton rehearse: fault ${fault}: ${signal} at ${direction} ${type}\n`;
  return `import { subscribe } from 'node:diagnostics_channel';
import { existsSync, writeFileSync, writeSync } from 'node:fs';
subscribe('baton:frame', (frame) => {
  if (frame.direction !== ${JSON.stringify(direction)} || frame.type !== ${JSON.stringify(type)}) return;
  if (${JSON.stringify(begun)} !== '' && !existsSync(${JSON.stringify(begun)})) return;
  writeFileSync(${JSON.stringify(happened)}, '');
  writeSync(2, ${JSON.stringify(note)});
  process.kill(process.pid, ${JSON.stringify(signal)});
});
`;
}
