/** Tells a person what is going on. */
export interface Progress {
  step(text: string): void;
  /** Clears what a terminal still shows; later output begins on a fresh line. */
  end(): void;
}

/** A stream that may be a terminal. */
export type Output = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

/** One line per step; on a terminal each line replaces the one before. */
export function makeProgress(stream: Output): Progress {
  const terminal = stream.isTTY === true;
  if (!terminal) return { step: (text) => void stream.write(`${text}\n`), end: () => undefined };
  return {
    step(text) {
      stream.write(`\r\u001b[K${text.slice(0, Math.max(20, (stream.columns ?? 80) - 1))}`);
    },
    end: () => void stream.write('\r\u001b[K'),
  };
}
