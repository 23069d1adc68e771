import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('every difference from OpenKruise names a test that exists', (t) => {
  const page = readFileSync(join(root, 'docs/reference/openkruise-differences.md'), 'utf8');
  const named = [...page.matchAll(/^\|.*\| `(.+)` +\|$/gm)].map(([, title = '']) => title);
  const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(root, 'test', file), 'utf8'))
    .join('\n')
    .replaceAll('\\', '');
  t.true(named.length > 10);
  t.deepEqual(
    named.filter((title) => !tests.includes(title)),
    [],
  );
});
