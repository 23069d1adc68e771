import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import test from 'ava';
import fc from 'fast-check';
import { parse } from 'yaml';
import { generated } from '../../api/crd/generate.ts';
import { withDefaults } from '../../api/defaults.ts';
import * as schemas from '../../api/generated/schemas.ts';
import { parseJson } from '../../api/json.ts';
import { fieldProblems, withSchemaDefaults, type FieldProblem, type Schema } from '../../api/schema.ts';
import { sidecarSets } from '../helpers/sidecar-sets.ts';

const setOf = (spec: object, version = 'v1beta1'): object => ({
  apiVersion: `apps.kruise.io/${version}`,
  kind: 'SidecarSet',
  metadata: { name: 's' },
  spec,
});
const texts = (problems: FieldProblem[]): string[] =>
  problems.map(({ severity, path, message }) => `${severity} ${path}: ${message}`);
const inContainer = (fields: object): string[] =>
  texts(fieldProblems(setOf({ containers: [{ name: 'c', ...fields }] }))).map((text) =>
    text.replace('spec.containers[0].', ''),
  );

test('what is generated from the CRD is up to date; if not: npm run generate', async (t) => {
  for (const [path, text] of await generated()) t.is(readFileSync(path, 'utf8'), text, path);
});

test('a well-formed set has no problems', (t) => {
  const container = { name: 'c', image: 'i', resources: { limits: { cpu: 1, memory: '1Gi' } }, env: null };
  t.deepEqual(fieldProblems(setOf({ selector: { matchLabels: { a: 'b' } }, containers: [container] })), []);
  t.deepEqual(fieldProblems(setOf({ namespace: 'n' }, 'v1alpha1')), []);
});

test('an unknown field is an error, with the name that was probably meant', (t) => {
  t.deepEqual(texts(fieldProblems(setOf({ updateStrategy: { maxUnavailble: 1 }, namespace: 'n', x: 1 }))), [
    'error spec.updateStrategy.maxUnavailble: unknown field; is maxUnavailable meant?',
    'error spec.namespace: unknown field',
    'error spec.x: unknown field',
  ]);
  t.deepEqual(texts(fieldProblems({ ...setOf({}), metadata: { lables: {} } })), [
    'error metadata.lables: unknown field; is labels meant?',
  ]);
});

test('Q26: in containers and volumes an unknown field is a warning', (t) => {
  t.deepEqual(inContainer({ lifecycle: { stopSignal: 'SIGTERM' }, Image: 'x' }), [
    'warning lifecycle.stopSignal: unknown field',
    'warning Image: unknown field; is image meant?',
  ]);
  t.deepEqual(texts(fieldProblems(setOf({ volumes: [{ name: 'v', newer: {} }] }))), [
    'warning spec.volumes[0].newer: unknown field',
  ]);
});

test('a wrong type is an error that says what the value is', (t) => {
  t.deepEqual(
    inContainer({ image: 5, command: 'x', ports: [{ containerPort: 2 ** 31 }], resources: { limits: { cpu: '1x' } } }),
    [
      'error image: must be a string, not 5',
      'error command: must be a list, not "x"',
      'error ports[0].containerPort: must be an integer of 32 bits, not 2147483648',
      'error resources.limits[cpu]: "1x" is not a quantity: it must look like 100m, 0.5, 2Gi or 1e3',
    ],
  );
  t.deepEqual(texts(fieldProblems(setOf({ updateStrategy: { partition: 1.5, paused: 'yes' }, containers: {} }))), [
    'error spec.containers: must be a list, not an object',
    'error spec.updateStrategy.paused: must be true or false, not "yes"',
    'error spec.updateStrategy.partition: must be an integer of 32 bits or a string, not 1.5',
  ]);
  const big = parseJson('{"containers":[{"securityContext":{"runAsUser":9223372036854775808}}]}') as object;
  t.deepEqual(texts(fieldProblems(setOf(big))), [
    'error spec.containers[0].securityContext.runAsUser: must be an integer of 64 bits, not 9223372036854775808',
  ]);
});

test('enumerations, required fields and minima', (t) => {
  t.deepEqual(
    inContainer({
      upgradeStrategy: { rollback: 'Maybe', soakSeconds: -1 },
      resourcesPolicy: { targetContainersMode: 'x' },
    }),
    [
      'error upgradeStrategy.soakSeconds: must be 0 or more, not -1',
      'error upgradeStrategy.rollback: must be Automatic or Never, not "Maybe"',
      'error resourcesPolicy.resourcesExpr: must be set',
      'error resourcesPolicy.targetContainersMode: must be sum or max, not "x"',
    ],
  );
  t.deepEqual(texts(fieldProblems(setOf({ updateStrategy: { scatterStrategy: [{ key: 'k' }] } }))), [
    'error spec.updateStrategy.scatterStrategy[0].value: must be set',
  ]);
});

test('what is no SidecarSet is refused', (t) => {
  t.deepEqual(texts(fieldProblems([])), ['error : must be an object']);
  t.deepEqual(texts(fieldProblems({ apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: {} })), [
    'error apiVersion: must be apps.kruise.io/v1beta1 or apps.kruise.io/v1alpha1',
    'error kind: must be SidecarSet',
  ]);
});

test("the API server's defaults", (t) => {
  const set = setOf({
    injectionStrategy: { revision: { customVersion: 'v', policy: null } },
    imagePullSecrets: [{}],
    containers: [
      { name: 'c', resourcesPolicy: {} },
      { name: 'd', newer: 1 },
    ],
    updateStrategy: 'wrong',
  });
  const copy = structuredClone(set);
  t.deepEqual(
    withSchemaDefaults(set),
    setOf({
      injectionStrategy: { revision: { customVersion: 'v', policy: 'Always' } },
      imagePullSecrets: [{ name: '' }],
      containers: [
        { name: 'c', resourcesPolicy: { targetContainersNameRegex: '.*' } },
        { name: 'd', newer: 1 },
      ],
      updateStrategy: 'wrong',
    }),
  );
  t.deepEqual(set, copy);
});

interface Crd {
  spec: { versions: { name: string; storage: boolean; schema: { openAPIV3Schema: Schema } }[] };
}
const crd = parse(
  readFileSync(new URL('../../api/crd/apps.kruise.io_sidecarsets.yaml', import.meta.url), 'utf8'),
) as Crd;

/** Paths of all fields that the CRD has. */
function pathsOf(schema: Schema, path = ''): string[] {
  if (schema.items) return pathsOf(schema.items, `${path}[0]`);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const inner = path === '' ? name : `${path}.${name}`;
    return [inner, ...pathsOf(field, inner)];
  });
}

const sample = (schema: Schema): unknown => {
  if (schema.items) return [sample(schema.items)];
  if (schema['x-kubernetes-int-or-string'] || schema.type === 'integer') return 1;
  if (schema.type === 'boolean') return true;
  if (schema.type === 'string') return schema.enum?.[0] ?? 'x';
  if (schema.additionalProperties) return { x: 'x' };
  return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, field]) => [name, sample(field)]));
};

for (const { name, schema } of crd.spec.versions) {
  test(`${name}: the code knows each field of the CRD, with its type`, (t) => {
    t.true(pathsOf(schema.openAPIV3Schema).length > 90);
    const set = {
      ...(sample(schema.openAPIV3Schema) as object),
      apiVersion: `apps.kruise.io/${name}`,
      kind: 'SidecarSet',
    };
    t.deepEqual(fieldProblems(set), []);
    t.deepEqual(new Ajv({ strict: false }).compile(schema.openAPIV3Schema)(set), true);
  });
}

test('the CRD has each field of the code: what the defaults write is known to it', (t) => {
  const unknownTo = (schema: Schema, value: unknown, path: string): string[] => {
    if (Array.isArray(value)) return value.flatMap((item) => unknownTo(schema.items ?? {}, item, `${path}[]`));
    if (typeof value !== 'object' || value === null) return [];
    if (schema['x-kubernetes-preserve-unknown-fields'] || schema.additionalProperties || path === '.metadata')
      return [];
    return Object.entries(value).flatMap(([key, field]) => {
      const known = schema.properties?.[key];
      return known ? unknownTo(known, field, `${path}.${key}`) : [`${path}.${key}`];
    });
  };
  fc.assert(
    fc.property(sidecarSets, (set) => {
      t.deepEqual(unknownTo(schemas.v1beta1, withDefaults(set), ''), []);
    }),
  );
});

test('property: no object makes it throw', (t) => {
  fc.assert(
    fc.property(fc.anything(), fc.anything(), (spec, metadata) => {
      t.true(
        Array.isArray(fieldProblems({ apiVersion: 'apps.kruise.io/v1beta1', kind: 'SidecarSet', metadata, spec })),
      );
    }),
  );
});
