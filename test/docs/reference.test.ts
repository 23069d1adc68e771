import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parseMessage } from '../../sdk/messages.ts';
import { pages } from './blocks.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const sources = ['sdk', 'native', 'api', 'cluster', 'controller', 'agent', 'cli', 'local']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(folder, file)),
  )
  .filter((file) => file.endsWith('.ts'));

test('every error code is documented, and every documented one exists', (t) => {
  const inSource = new Set(sources.flatMap((file) => read(file).match(/ERR_BATON_[A-Z_]*[A-Z]/g) ?? []));
  const inDocs = new Set(
    [...read('docs/reference/errors.md').matchAll(/^\| `(ERR_BATON_\w+)`/gm)].map(([, code]) => code),
  );
  t.deepEqual(
    [...inSource].filter((code) => !inDocs.has(code)),
    [],
    'not documented',
  );
  t.deepEqual(
    [...inDocs].filter((code) => !inSource.has(code ?? '')),
    [],
    'not in the source',
  );
});

test('the protocol page has a row for every message type', (t) => {
  const documented = [
    ...read('docs/reference/protocol.md').matchAll(/^\| (?:successor|predecessor|either) +\| `(\w+)`/gm),
  ];
  const types = documented.map(([, type]) => type ?? '');
  t.true(types.length > 10);
  for (const type of types) {
    const error = t.throws(() => parseMessage({ type: `${type}?` }));
    t.regex(error.message, /unknown message type/);
    t.notThrows(() => {
      try {
        parseMessage({ type });
      } catch (cause) {
        if (/unknown/.test(String(cause))) throw cause;
      }
    }, type);
  }
  const source = /export type Message =([\s\S]*?);\n\n/.exec(read('sdk/messages.ts'))?.[1] ?? '';
  const known = [...source.matchAll(/type: '(\w+)'/g)].map(([, type]) => type ?? '');
  t.deepEqual(new Set(types), new Set(known));
});

test("the reasons of the agent's events are documented, and every documented one exists", (t) => {
  const source = read('agent/events.ts');
  const problems = [...read('agent/chronicle.ts').matchAll(/what: '(\w+)'/g)].map(([, what]) => `HotUpgrade${what}`);
  const reasons = new Set(
    [...(source.match(/\bHotUpgrade\w+/g) ?? []), ...problems].filter((name) => name !== 'HotUpgrade'),
  );
  const rows = [...read('docs/agent.md').matchAll(/^\| `(HotUpgrade\w+)`/gm)].map(([, reason]) => reason ?? '');
  t.true(reasons.size > 10);
  t.deepEqual(rows.sort(), [...reasons].sort());
});

test('the reasons of all conditions are documented, and every documented one exists', (t) => {
  const source = read('controller/rollout/conditions.ts');
  const named = [...source.matchAll(/(?:stands\(|reason: |^ +\[)'([A-Z]\w+)'/gm)].map(([, reason]) => reason);
  // What says that all is well is in no need of words.
  const reasons = new Set(named.filter((reason) => reason !== 'BelowThreshold' && reason !== 'AsExpected'));
  const rows = read('docs/controller.md').matchAll(/^\| (?:`\w+`)? +\| (`[^|]+)\|/gm);
  const documented = [...rows].flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)`/g)].map(([, reason]) => reason));
  t.true(reasons.size > 10 && named.includes('Upgrading'));
  t.deepEqual(documented.sort(), [...reasons].sort());
});

test("the README's sidecar is the smallest example", (t) => {
  const code = /```js\n([\s\S]*?)```/.exec(read('README.md'))?.[1];
  t.is(code, read('examples/smallest/sidecar.js'));
});

test('links in the documentation lead somewhere', (t) => {
  const anchor = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .trim()
      .replaceAll(' ', '-');
  for (const page of pages) {
    for (const [, target = ''] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = '', fragment] = target.split('#');
      const path = join(page, '..', file);
      t.notThrows(() => readdirSync(join(root, path, '..')), `${page}: ${target}`);
      const found = file === '' || readdirSync(join(root, path, '..')).includes(path.split('/').at(-1) ?? '');
      t.true(found, `${page}: ${target}`);
      if (fragment)
        t.true(
          [...read(file === '' ? page : path).matchAll(/^#+ (.*)$/gm)].some(
            ([, heading = '']) => anchor(heading) === fragment,
          ),
          `${page}: #${fragment}`,
        );
    }
  }
});
