/** Says what is being done; called as often as one likes. */
export type Progress = (text: string) => void;

const INTERVAL_MS = 5_000;

/** Writes the first text at once and then at most one every five seconds, each with the seconds since the first. */
export function startProgress(write: (line: string) => void, now: () => number = () => performance.now()): Progress {
  let first: number | undefined;
  let last = -Infinity;
  return (text) => {
    first ??= now();
    if (now() - last < INTERVAL_MS) return;
    last = now();
    write(`# ${text} (${Math.round((last - first) / 1000)} s)\n`);
  };
}
