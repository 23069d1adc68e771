import { readFileSync, writeFileSync } from 'node:fs';
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';
import { parse, stringify } from 'yaml';
import type { Schema } from '../schema.ts';

/*
 * `npm run generate`: writes from sidecar-set.yaml the CustomResourceDefinition as it is installed, the types of its stored
 * version, and both versions' schemas for the code. A test compares them with what this would write.
 */

const here = (path: string): string => new URL(path, import.meta.url).pathname;
const NOTE = 'Generated from api/crd/sidecar-set.yaml by `npm run generate`; do not edit.';

interface Crd {
  spec: { versions: { name: string; schema: { openAPIV3Schema: Schema } }[] };
}

/** The files that are generated, by path, with the text that they must have. */
export async function generated(): Promise<Map<string, string>> {
  const source = parse(readFileSync(here('sidecar-set.yaml'), 'utf8'), { merge: true }) as Record<string, unknown>;
  const crd = Object.fromEntries(Object.entries(source).filter(([key]) => !key.startsWith('x-'))) as unknown as Crd;
  const schemas = Object.fromEntries(crd.spec.versions.map(({ name, schema }) => [name, schema.openAPIV3Schema]));

  const files: [path: string, text: string][] = [
    [here('apps.kruise.io_sidecarsets.yaml'), `# ${NOTE}\n${stringify(crd, { aliasDuplicateObjects: false })}`],
    [here('../generated/sidecar-set.ts'), await typesOf(schemas['v1beta1'] ?? {})],
    [
      here('../generated/schemas.ts'),
      `// ${NOTE}\nimport type { Schema } from '../schema.ts';\n\n` +
        Object.entries(schemas)
          .map(([name, schema]) => `export const ${name}: Schema = ${JSON.stringify(schema, withoutTexts)};\n`)
          .join('\n'),
    ],
  ];
  const pretty = await Promise.all(
    files.map(async ([path, text]) => {
      const options = { ...(await resolveConfig(path)), filepath: path };
      return [path, await format(text, options)] as const;
    }),
  );
  return new Map(pretty);
}

const withoutTexts = (key: string, value: unknown): unknown =>
  (key === 'title' || key === 'description') && typeof value === 'string' ? undefined : value;

/** Every schema with a title becomes a type of that name. */
async function typesOf(schema: Schema): Promise<string> {
  const definitions: Record<string, JSONSchema> = {};
  const refer = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(refer);
    if (typeof node !== 'object' || node === null) return node;
    const copy = Object.fromEntries(Object.entries(node).map(([key, field]) => [key, refer(field)]));
    const { title } = copy;
    if (typeof title !== 'string') return copy;
    definitions[title] ??= copy;
    return { $ref: `#/definitions/${title}` };
  };
  refer(schema);
  const { SidecarSet: root, ...others } = definitions;
  const types = await compile({ ...root, definitions: others }, 'SidecarSet', {
    additionalProperties: false,
    bannerComment: `// ${NOTE}\n/* eslint-disable @typescript-eslint/no-empty-object-type */`,
    format: false,
    unreachableDefinitions: true,
  });
  return types
    .replace(/(?: \*\n)? \* This interface was referenced by [^*]*\n \* via the `definition`.*\n/g, '')
    .replace(/\/\*\*\n \*\/\n/g, '');
}

if (process.argv[1] === import.meta.filename) {
  for (const [path, text] of await generated()) writeFileSync(path, text);
}
