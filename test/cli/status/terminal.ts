import { Writable } from 'node:stream';
import type { Terminal } from '../../../cli/status/screen.ts';

/** A terminal that knows the codes that Baton writes; `shown` is what stands on it. Any other code fails. */
export function playedTerminal({ columns = 80, rows = 24 } = {}): { terminal: Terminal; shown: () => string } {
  const lines = [''];
  let row = 0;
  const play = (text: string): void => {
    // Terminals' codes begin with one.
    // eslint-disable-next-line no-control-regex
    for (const [part, up] of text.matchAll(/\x1b\[(\d+)A|\x1b\[J|[^\x1b]|\x1b/g)) {
      if (up !== undefined) row -= Number(up);
      else if (part === '\x1b[J') lines.splice(row, Infinity, '');
      else if (part === '\n') lines[(row += 1)] ??= '';
      else if (part === '\x1b') throw new Error(`an unknown code in ${JSON.stringify(text)}`);
      // The cursor goes back to a line's beginning only where the line is cleared next.
      else if (part !== '\r') lines[row] = `${lines[row] ?? ''}${part}`;
    }
  };
  const terminal: Terminal = new Writable({
    write(chunk, _encoding, done) {
      play(String(chunk));
      done();
    },
  });
  return { terminal: Object.assign(terminal, { isTTY: true, columns, rows }), shown: () => lines.join('\n') };
}
