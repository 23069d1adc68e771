import { Writable } from 'node:stream';
import test from 'ava';
import { createScreen } from '../../../cli/status/screen.ts';
import { playedTerminal } from './terminal.ts';

test('what is drawn takes the place of what was drawn before, longer or shorter, and of nothing else', (t) => {
  const { terminal, shown } = playedTerminal();
  terminal.write('$ baton status\n');
  const screen = createScreen(terminal);
  screen.draw(['a', 'bbbb', 'c']);
  t.is(shown(), '$ baton status\na\nbbbb\nc\n');
  screen.draw(['x']);
  t.is(shown(), '$ baton status\nx\n');
  screen.draw([]);
  t.is(shown(), '$ baton status\n');
  screen.draw(['1', '2']);
  t.is(shown(), '$ baton status\n1\n2\n');
});

test('the last row is the cursor’s; a terminal that does not say its size has a usual one', (t) => {
  t.deepEqual(createScreen(playedTerminal({ columns: 100, rows: 30 }).terminal).space(), { columns: 100, rows: 29 });
  t.deepEqual(createScreen(new Writable()).space(), { columns: 80, rows: 23 });
});
