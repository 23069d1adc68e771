import { readFileSync } from 'node:fs';
import test from 'ava';
import { generated } from '../../docs/reference/generate.ts';

const pages = await generated();

for (const [path, text] of pages) {
  const name = path.split('/').at(-1) ?? '';
  test(`${name} says what the code says; if not: npm run generate`, (t) => t.is(readFileSync(path, 'utf8'), text));
}

test('every command that `baton --help` names has its help text on the page, and no other', (t) => {
  const help = readFileSync(new URL('../../cli/baton.ts', import.meta.url), 'utf8');
  const [, list = ''] = /\nCommands:\n([\s\S]*?)\n\n/.exec(help) ?? [];
  const commands = [...list.matchAll(/^ {2}(\w+)/gm)].map(([, name]) => name);
  const page = [...pages].find(([path]) => path.endsWith('cli.md'))?.[1] ?? '';
  t.true(commands.length > 5);
  t.deepEqual(
    [...page.matchAll(/^## `baton (\w+)`$/gm)].map(([, name]) => name),
    commands,
  );
});
