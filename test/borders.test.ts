import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../', import.meta.url));

/** Who may import whom, besides themselves (docs/adr/0001-source-folders.md). */
const ALLOWED: Record<string, readonly string[]> = {
  native: [],
  api: [],
  cluster: ['api'],
  controller: ['api', 'cluster'],
  agent: ['api', 'cluster'],
  local: ['api', 'cluster'],
  sdk: ['native'],
  cli: ['native', 'api', 'cluster', 'controller', 'agent', 'local', 'sdk'],
  examples: [],
};

const sourcesOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|js)$/.test(file))
    .map((file) => join(folder, file));

const importsOf = (file: string): string[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
    ([, name]) => name ?? '',
  );

const existing = Object.keys(ALLOWED).filter((folder) => readdirSync(root).includes(folder));

for (const folder of existing) {
  test(`${folder} imports only what it may`, (t) => {
    const files = sourcesOf(folder);
    t.true(files.length > 0);
    for (const file of files) {
      for (const name of importsOf(file).filter((name) => name.startsWith('.'))) {
        const target = relative(root, join(root, dirname(file), name)).split('/')[0] ?? '';
        t.true(target === folder || ALLOWED[folder]?.includes(target), `${file} imports ${name}`);
      }
    }
  });
}

test('the SDK and the addon import nothing but Node, so that the published package has no dependencies', (t) => {
  for (const file of [...sourcesOf('sdk'), ...sourcesOf('native').filter((name) => !name.endsWith('build.ts'))]) {
    for (const name of importsOf(file)) t.regex(name, /^(\.|node:)/, `${file} imports ${name}`);
  }
});

test('examples import the published package, Node, and of others only ws, whose sockets move', (t) => {
  for (const file of sourcesOf('examples')) {
    for (const name of importsOf(file)) t.regex(name, /^(\.|node:|baton-sidecar|ws$)/, `${file} imports ${name}`);
  }
});

test('no folder is left out of the table', (t) => {
  const others = ['test', 'bench', 'docs', 'deploy'];
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .filter(
      (name) => !['node_modules', 'build', 'dist', 'prebuilds', 'coverage', 'demo-report', ...others].includes(name),
    );
  t.deepEqual(
    folders.filter((name) => !(name in ALLOWED)),
    [],
  );
});
