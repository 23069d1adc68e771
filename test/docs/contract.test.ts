import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { env } from '../../api/pod-contract.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(join(root, 'docs/reference/annotations.md'), 'utf8');

test('every key in metadata is documented, and every documented one exists', (t) => {
  const sources = readdirSync(join(root, 'api'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(root, 'api', file), 'utf8'));
  const keys = sources.flatMap((source) => [
    ...source.matchAll(/['`]([a-z.]*(?:kruise\.io|baton\.dev|kubernetes\.io\/hash)[a-z./-]*)(?=\$|'|`)/g),
  ]);
  const isKey = (key: string): boolean => key.includes('/') && !/\/v1(alpha|beta)?/.test(key);
  const exist = new Set(keys.map(([, key = '']) => key).filter(isKey));
  const documented = [...page.matchAll(/^\| `([^`]+\/[^`]*)`/gm)].map(([, key = '']) => key.replace('<container>', ''));
  t.true(exist.size > 10);
  t.deepEqual([...new Set(documented)].sort(), [...exist].sort());
});

test('every variable of injected containers is documented, and every documented one exists', (t) => {
  const documented = [...page.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name]) => name);
  t.deepEqual(documented.sort(), Object.values(env).sort());
});
