import type { Space } from './draw.ts';

/** A terminal, or what Node says of one. */
export interface Terminal extends NodeJS.WritableStream {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

/** Where lines are drawn over those drawn before. */
export interface Screen {
  space: () => Space;
  draw: (lines: readonly string[]) => void;
}

/** Draws in place: below what the terminal shows already, which stays. */
export function createScreen(terminal: Terminal): Screen {
  let drawn = 0;
  return {
    // The last row stays free for the cursor.
    space: () => ({ columns: terminal.columns ?? 80, rows: (terminal.rows ?? 24) - 1 }),
    draw(lines) {
      const back = drawn > 0 ? `\x1b[${drawn}A` : '';
      terminal.write(`${back}\r\x1b[J${lines.map((line) => `${line}\n`).join('')}`);
      drawn = lines.length;
    },
  };
}
