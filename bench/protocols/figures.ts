import { median } from '../table.ts';
import type { Seen } from './load.ts';

/** One upgrade; times in milliseconds since the epoch. */
export interface Upgrade {
  /** The quiet stretch before it began here, and ended where the upgrade began: with the start of the new process. */
  quiet: number;
  from: number;
  to: number;
  /** Connections that moved, and how many milliseconds after the new process served the old one had nothing left. */
  moved: number;
  drainMs: number;
}

/** How the upgrades of one protocol went: medians over the upgrades, in milliseconds; and counts over the whole run. */
export interface Figures {
  /** The longest wait of any client. */
  pause: { before: number; during: number };
  p99: { before: number; during: number };
  /** Undefined where nothing moved. */
  movedPerSecond: number | undefined;
  drainMs: number;
  answered: number;
  failures: string[];
  retried: number;
  closed: number;
}

/** What the clients saw before and during upgrades; a wait belongs to the stretch in which its question was due. */
export function figuresOf(upgrades: readonly Upgrade[], seen: Seen): Figures {
  const { waits, ...counts } = seen;
  const within = (from: number, to: number): number[] =>
    waits.flatMap(([due, ms]) => (due >= from && due < to ? [ms] : [])).sort((a, b) => a - b);
  const before = upgrades.map(({ quiet, from }) => within(quiet, from));
  const during = upgrades.map(({ from, to }) => within(from, to));
  const both = (rank: number): { before: number; during: number } => ({
    before: median(before.map((own) => percentile(own, rank))),
    during: median(during.map((own) => percentile(own, rank))),
  });
  return {
    pause: both(1),
    p99: both(0.99),
    // A drain is timed in whole milliseconds.
    movedPerSecond: upgrades.some(({ moved }) => moved > 0)
      ? median(upgrades.map(({ moved, drainMs }) => (moved / Math.max(drainMs, 1)) * 1000))
      : undefined,
    drainMs: median(upgrades.map(({ drainMs }) => drainMs)),
    answered: waits.length,
    ...counts,
  };
}

/** Nearest rank; NaN of nothing. */
const percentile = (sorted: readonly number[], rank: number): number =>
  sorted[Math.ceil(sorted.length * rank) - 1] ?? NaN;
