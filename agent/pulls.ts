import type { Pull } from './hot-upgrade/view.ts';

/** What became of a pull, for metrics and events. Durations in milliseconds; waiting for a turn is not counted. */
export type PullReport =
  | { image: string; outcome: 'pulled'; ms: number }
  | { image: string; outcome: 'absent' | 'unclear'; ms: number; message: string };

export interface PullsOptions {
  pullImage: (image: string) => Promise<void>;
  /** Whether a failure proves that there is no such image. */
  isConclusive: (error: unknown) => boolean;
  now: () => number;
  /** Called at the end of each pull, whatever came of it: what waits for it can look again. */
  onPull: (report: PullReport) => void;
}

/** Pulls of one agent process: each image at most once at a time. */
export interface Pulls {
  /** Pulls in turn; nothing where the image is being pulled, or waits for its turn. */
  begin(image: string): void;
  /** The pulls that run or wait, and what became of those that ended within the last minute. */
  seen(): ReadonlyMap<string, Pull>;
}

/** How many pulls run at once: they share the node's network and disk with the pods that are served there. */
const maxAtOnce = 2;
/** How long an answer of the registry counts, in milliseconds: what it did not have may be there later. */
const memory = 60_000;
/** As much of a runtime's message as goes into a pod's annotation and events. */
const maxMessage = 500;

/**
 * Keeps count of pulls. Nothing is removed here: of a pull that failed or was abandoned, also by an agent that was killed, containerd
 * itself drops what had arrived; an image that is there and never used is the kubelet's to collect, as any other.
 */
export function createPulls({ pullImage, isConclusive, now, onPull }: PullsOptions): Pulls {
  const pulls = new Map<string, Pull>();
  const queue: string[] = [];
  let running = 0;

  const pull = async (image: string): Promise<void> => {
    const since = now();
    pulls.set(image, { state: 'running', since });
    try {
      await pullImage(image);
      pulls.set(image, { state: 'pulled', since: now() });
      onPull({ image, outcome: 'pulled', ms: now() - since });
    } catch (error) {
      const outcome = isConclusive(error) ? 'absent' : 'unclear';
      const message = (error instanceof Error ? error.message : String(error)).slice(0, maxMessage);
      pulls.set(image, { state: outcome, since: now(), message });
      onPull({ image, outcome, ms: now() - since, message });
    }
  };

  const next = (): void => {
    const image = running < maxAtOnce ? queue.shift() : undefined;
    if (image === undefined) return;
    running += 1;
    void pull(image).finally(() => {
      running -= 1;
      next();
    });
  };

  return {
    begin(image) {
      if (pulls.get(image)?.state === 'running') return;
      pulls.set(image, { state: 'running', since: now() });
      queue.push(image);
      next();
    },
    seen() {
      for (const [image, { state, since }] of pulls) {
        if (state !== 'running' && now() - since > memory) pulls.delete(image);
      }
      return pulls;
    },
  };
}
