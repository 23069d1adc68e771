/** Tells a person what is going on. */
export interface Progress {
  step(text: string): void;
  /** A line that stays. */
  keep(text: string): void;
  /** Clears what a terminal still shows; later output begins on a fresh line. */
  end(): void;
}

/** A stream that may be a terminal. */
export type Output = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

/** One line per step; on a terminal each line replaces the one before. */
export function makeProgress(stream: Output): Progress {
  const line = (text: string) => void stream.write(`${text}\n`);
  if (stream.isTTY !== true) return { step: line, keep: line, end: () => undefined };
  const clear = '\r\u001b[K';
  return {
    step: (text) => void stream.write(`${clear}${text.slice(0, Math.max(20, (stream.columns ?? 80) - 1))}`),
    keep: (text) => line(`${clear}${text}`),
    end: () => void stream.write(clear),
  };
}
