import { readFileSync } from 'node:fs';
import test from 'ava';
import { blocksOf, pages, root } from './blocks.ts';

const { scripts } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { scripts: Record<string, string> };
const reference = readFileSync(`${root}docs/reference/cli.md`, 'utf8');
const helpOf = new Map(
  [...reference.matchAll(/^## `baton (\w+)`\n([\s\S]*?)^```$/gm)].map(([, name, text]) => [name, text]),
);

/** Every command line of the documentation, without its comment. */
const commands = pages
  .filter((page) => !page.startsWith('docs/reference/cli.md'))
  .flatMap((page) => blocksOf(page, 'sh').map((block) => ({ ...block, text: block.text.replaceAll('\\\n', ' ') })))
  .flatMap(({ page, line, text }) =>
    text
      .split('\n')
      .map((command) => ({ where: `${page}:${line}`, command: command.replace(/(^|\s)#.*$/, '').trim() })),
  );

test('commands of baton in the documentation have the options that there are', (t) => {
  const uses = commands.flatMap(({ where, command }) => {
    // There it is the name of a release.
    if (command.startsWith('helm ')) return [];
    const [, name, rest = ''] = /(?:^|\s)baton (\w+)([^|&;]*)/.exec(command) ?? [];
    return name === undefined ? [] : [{ where, name, rest }];
  });
  t.true(uses.length > 10);
  for (const { where, name, rest } of uses) {
    const help = helpOf.get(name);
    t.not(help, undefined, `${where}: baton ${name}`);
    for (const [option] of rest.matchAll(/(?<=\s)--?[a-z][\w-]*/g)) {
      t.regex(help ?? '', new RegExp(`(?:^|[\\s[])${option}(?![\\w-])`, 'm'), `${where}: baton ${name} ${option}`);
    }
  }
});

test('the documentation names only npm scripts that exist', (t) => {
  const named = pages.flatMap((page) =>
    [...readFileSync(`${root}${page}`, 'utf8').matchAll(/npm run ([\w:]+)/g)].map(([, script = '']) => [page, script]),
  );
  t.true(named.length > 5);
  t.deepEqual(
    named.filter(([, script = '']) => !(script in scripts)),
    [],
  );
});
