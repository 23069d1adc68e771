import { readFileSync } from 'node:fs';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { toBeta } from '../../api/conversion.ts';
import { withDefaults } from '../../api/defaults.ts';
import type { Pod } from '../../api/kubernetes.ts';
import { fieldProblems, withSchemaDefaults } from '../../api/schema.ts';
import type { SidecarSet } from '../../api/sidecar-set.ts';
import { validate } from '../../api/validation/validate.ts';
import { whitelistOf } from '../../controller/admission.ts';
import { inject } from '../../controller/inject/inject.ts';
import { blocksOf, pages, root } from './blocks.ts';

interface Manifest {
  kind?: string;
  metadata?: { name?: string };
}

/** What each page, and each example, has of Kubernetes' objects. */
const manifests = pages.flatMap((page) =>
  blocksOf(page, 'yaml').flatMap(({ line, text }) =>
    parseAllDocuments(text).map((document) => ({
      where: `${page}:${line}`,
      page,
      errors: document.errors,
      object: document.toJS() as Manifest | null,
    })),
  ),
);

test('what is said to be YAML is YAML', (t) => {
  t.true(manifests.length > 10);
  t.deepEqual(
    manifests.filter(({ errors }) => errors.length > 0).map(({ where, errors }) => [where, String(errors[0])]),
    [],
  );
});

const ofKind = (kind: string, page?: string) =>
  manifests.filter((one) => one.object?.kind === kind && (page === undefined || one.page === page));

/** As the webhooks do it, with the whitelist that the same page has. */
function admitted({ object, page }: (typeof manifests)[number]): { set: SidecarSet; problems: string[] } {
  const whitelist = ofKind('ConfigMap', page)
    .map((one) => whitelistOf(one.object as { data?: Record<string, string> }))
    .find((text) => text !== undefined);
  const problems = fieldProblems(object).map(({ path, message }) => `${path}: ${message}`);
  const set = withDefaults(toBeta(withSchemaDefaults(object as object)));
  const { errors, warnings } = validate({
    operation: 'CREATE',
    object: set,
    others: [],
    revisions: [],
    whitelist,
    featureGates: undefined,
  });
  return { set, problems: [...problems, ...[...errors, ...warnings].map((found) => JSON.stringify(found))] };
}

test('SidecarSets in the documentation are accepted without a warning', (t) => {
  t.true(ofKind('SidecarSet').length > 2);
  for (const manifest of ofKind('SidecarSet')) t.deepEqual(admitted(manifest).problems, [], manifest.where);
});

test('pods in the documentation get the sidecars of their page, without a warning', (t) => {
  const pods = ofKind('Deployment').map(({ page, where, object }) => ({
    page,
    where,
    pod: (object as unknown as { spec: { template: Pod } }).spec.template,
  }));
  t.true(pods.length > 0);
  for (const { page, where, pod } of pods) {
    const sidecarSets = ofKind('SidecarSet', page).map((manifest) => admitted(manifest).set);
    const namespaces = [{ metadata: { name: 'default', labels: { 'kubernetes.io/metadata.name': 'default' } } }];
    const injected = inject({ pod, sidecarSets, namespaces, revisions: [], now: 0, draw: () => 0 });
    t.deepEqual(
      injected.sidecarSets,
      sidecarSets.map(({ metadata }) => metadata.name ?? ''),
      where,
    );
    t.deepEqual(injected.warnings, [], where);
  }
});

test('files that commands in the documentation name are there, or are written on the page', (t) => {
  const named = pages.flatMap((page) =>
    blocksOf(page, 'sh').flatMap(({ text, line }) =>
      [...text.matchAll(/\bexamples\/\S+/g)].map(([file]) => ({ file, where: `${page}:${line}` })),
    ),
  );
  t.true(named.length > 3);
  for (const { file, where } of named) t.notThrows(() => readFileSync(`${root}${file}`), `${where}: ${file}`);
});
