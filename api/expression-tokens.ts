/** A word of an expression. Line and column are where its reading ended, from 1, counted in bytes. */
export interface Token {
  kind: 'number' | 'quantity' | 'name' | 'sign' | 'end';
  text: string;
  line: number;
  column: number;
}

const BLANK = /[\t-\r \u0085\u00a0]/;
const LETTER = 'A-Za-z\\u00aa\\u00b5\\u00ba\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u00ff';
const NAME = new RegExp(`[${LETTER}][${LETTER}0-9_]*`, 'y');
const LETTERS = `(?![eE])[${LETTER}]+`;
const EXPONENT = `[eE](?:[+-]\\d*(?:%|${LETTERS})?|\\d+(?:%|${LETTERS})?|%)?`;
/** Digits with at most one point, then an exponent or not, then a percent sign or a unit; what follows the digits may lack. */
const NUMBER = new RegExp(`(?:\\d+(?:\\.\\d*)?|\\.\\d*)(?:${EXPONENT}|%|${LETTERS})?`, 'y');
const UNIT = /^[\d.eE+-]+?(?:m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)$/;

/**
 * Cuts an expression into words, as OpenKruise's lexer does: byte by byte (a byte of a longer character counts as the Latin-1
 * character of its number), never failing. The last word is the end.
 */
export function readExpression(expression: string): Token[] {
  const bytes = Buffer.from(expression).toString('latin1');
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let lineStart = 0;
  const push = (kind: Token['kind'], text: string): void => {
    tokens.push({ kind, text: Buffer.from(text, 'latin1').toString(), line, column: at - lineStart + 1 });
  };
  for (;;) {
    for (; BLANK.test(bytes.charAt(at)); at += 1) {
      if (bytes[at] === '\n') [line, lineStart] = [line + 1, at + 1];
    }
    const first = bytes.charAt(at);
    if (first === '' || first === '\0') break;
    const number = read(NUMBER, bytes, at);
    const text = number ?? read(NAME, bytes, at) ?? first;
    at += text.length;
    push(number === undefined ? (text === first && !isLetter(first) ? 'sign' : 'name') : kindOf(number), text);
  }
  if (bytes[at] === '\0') at += 1;
  push('end', '');
  return tokens;
}

const isLetter = (character: string): boolean => new RegExp(`[${LETTER}]`).test(character);

const kindOf = (number: string): 'number' | 'quantity' => (UNIT.test(number) ? 'quantity' : 'number');

function read(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}
