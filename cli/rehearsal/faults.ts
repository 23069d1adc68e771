import { writeFileSync } from 'node:fs';
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

/**
 * Arms the images of a rehearsal: `images[0]` is the first version, `images[n]` that of the upgrade n with `plan[n - 1]`, its
 * fault. Version numbers are 1, 2, ... in that order. Preloads are written to `directory`.
 */
export function armImages(images: readonly Image[], plan: readonly (Fault | undefined)[], directory: string): Image[] {
  const armed = images.map((image) => ({ image, preloads: [] as string[] }));
  plan.forEach((fault, index) => {
    if (fault === undefined) return;
    const successor = armed[index + 1];
    if (!successor) return;
    const trap = traps[fault];
    if (fault === 'predecessor-crash' && trap) {
      // After a roll-back the predecessor is an earlier version, so every earlier one gets it, for this successor only.
      const preload = writePreload(directory, fault, trap, String(index + 2));
      for (const earlier of armed.slice(0, index + 1)) earlier.preloads.push(preload);
    } else if (trap) {
      successor.preloads.push(writePreload(directory, fault, trap));
    } else if (fault === 'bad-command') {
      successor.image = { ...successor.image, command: ['/nonexistent/bad-command'] };
    } else {
      successor.image = { ...successor.image, postStart: failingHook(successor.image.postStart ?? []) };
    }
  });
  return armed.map(({ image, preloads }) => withPreloads(image, preloads));
}

function withPreloads(image: Image, preloads: readonly string[]): Image {
  if (preloads.length === 0) return image;
  const own = image.env?.['NODE_OPTIONS'] ?? process.env['NODE_OPTIONS'];
  const options = [...(own === undefined ? [] : [own]), ...preloads.map((url) => `--import=${url}`)];
  return { ...image, env: { ...image.env, NODE_OPTIONS: options.join(' ') } };
}

/** The scenario's own hook runs first, so that the copy has taken over when it fails. */
function failingHook(hook: readonly string[]): string[] {
  const script = '[ $# -eq 0 ] || "$@"; echo "baton rehearse: fault postStart-fails" >&2; exit 1';
  return ['/bin/sh', '-c', script, 'postStart', ...hook];
}

function writePreload(directory: string, fault: Fault, trap: Trap, peer?: string): string {
  const path = join(directory, `${fault}${peer === undefined ? '' : `-${peer}`}.mjs`);
  writeFileSync(path, preload(fault, trap, peer));
  return pathToFileURL(path).href;
}

/** The SDK publishes every frame right after it was written and before a received one is acted on. */
function preload(fault: Fault, { direction, type, signal }: Trap, peer: string | undefined): string {
  const note = `baton rehearse: fault ${fault}: ${signal} at ${direction} ${type}\n`;
  return `import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
subscribe('baton:frame', (frame) => {
  if (frame.direction !== ${JSON.stringify(direction)} || frame.type !== ${JSON.stringify(type)}) return;
  ${peer === undefined ? '' : `if (String(frame.peer) !== ${JSON.stringify(peer)}) return;`}
  writeSync(2, ${JSON.stringify(note)});
  process.kill(process.pid, ${JSON.stringify(signal)});
});
`;
}
