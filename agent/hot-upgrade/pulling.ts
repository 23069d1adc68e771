import type { Plan } from './plan.ts';
import type { Pull, View } from './view.ts';

/** Where a plan's images are. */
export type Images =
  | { state: 'there' }
  /** Not on the node, and not asked for yet. */
  | { state: 'missing'; image: string }
  | { state: 'pulling'; image: string; since: number }
  /** The registry knows no such image, or its name is none. */
  | { state: 'absent'; message: string };

/** Looks for all images that a plan needs, the empty ones too. What went wrong for another reason is not conclusive: go on. */
export function imagesFor(view: View, { pairs, cold }: Plan): Images {
  const needed = new Set(cold.values());
  for (const { what, image, settings } of pairs) {
    if (what === 'none') continue;
    if (what === 'upgrade') needed.add(image);
    needed.add(settings.emptyImage);
  }
  return worst([...needed].map((image) => imageOn(view, image)));
}

/**
 * Looks for an empty image before a copy gets it: it must still be there, since nothing is rolled back from a reset that cannot
 * have it. Where the kubelet will ask the registry (`imagePullPolicy: Always`), the registry must have it, asked within the last
 * minute; what went wrong for another reason than that is then not conclusive.
 */
export function emptyImageFor(view: View, image: string, asksRegistry: boolean): Images {
  if (!view.images) return { state: 'there' };
  const isThere = view.images.present.has(image);
  if (!asksRegistry || !isThere) {
    const pull = view.images.pulls.get(image);
    const isUnclear = !isThere && pull?.state === 'unclear';
    return isUnclear ? { state: 'absent', message: `${image}: ${pull.message}` } : imageOn(view, image);
  }
  const pull = view.images.pulls.get(image);
  return !pull || (pull.state !== 'running' && view.now - pull.since > 60_000)
    ? { state: 'missing', image }
    : imageAfter(pull, image);
}

function imageOn({ images }: View, image: string): Images {
  if (!images || images.present.has(image)) return { state: 'there' };
  const pull = images.pulls.get(image);
  return pull ? imageAfter(pull, image) : { state: 'missing', image };
}

function imageAfter(pull: Pull, image: string): Images {
  if (pull.state === 'running') return { state: 'pulling', image, since: pull.since };
  return pull.state === 'absent' ? { state: 'absent', message: `${image}: ${pull.message}` } : { state: 'there' };
}

export function worst(all: readonly Images[]): Images {
  for (const state of ['absent', 'missing', 'pulling'] as const) {
    const found = all.find((images) => images.state === state);
    if (found) return found;
  }
  return { state: 'there' };
}
