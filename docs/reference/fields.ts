import type { Schema } from '../../api/schema.ts';

/** A schema with the texts that the code does without. */
export interface Described extends Schema {
  title?: string;
  description?: string;
  properties?: Readonly<Record<string, Described>>;
  items?: Described;
}

/** A field as a reader writes it, `revision.policy` where its parent has no section of its own. */
interface Row {
  name: string;
  schema: Described;
  /** The only version that has it. */
  version?: string;
}

/**
 * A table of fields for each type of a CRD: `metadata` is Kubernetes' own and is left out.
 *
 * @param versions - schema by version
 */
export function fieldTables(versions: Readonly<Record<string, Described>>): string {
  const types = new Map<string, Map<string, Row>>();
  for (const [version, schema] of Object.entries(versions)) collect(schema, version, types);
  const names = Object.keys(versions);
  return [...types]
    .map(([title, rows]) => {
      const lines = [...rows.values()].map((row) => lineOf(row, names));
      return [`## ${title}`, '', '| field | type | meaning |', '| --- | --- | --- |', ...lines, ''].join('\n');
    })
    .join('\n');
}

function collect(schema: Described, version: string, types: Map<string, Map<string, Row>>): void {
  const { title = '' } = schema;
  const rows = types.get(title) ?? new Map<string, Row>();
  types.set(title, rows);
  for (const row of rowsOf(schema, '')) {
    const before = rows.get(row.name);
    // In two versions: in all of them, as there are two.
    rows.set(row.name, before && before.version !== version ? row : { ...row, version });
    const type = typeIn(row.schema);
    if (type.title !== undefined) collect(type, version, types);
  }
}

function rowsOf({ properties = {} }: Described, prefix: string): Row[] {
  return Object.entries(properties)
    .filter(([name]) => name !== 'metadata')
    .flatMap(([name, schema]) => {
      const row = { name: `${prefix}${name}`, schema };
      const type = typeIn(schema);
      return type.title === undefined && type.properties
        ? [row, ...rowsOf(type, `${row.name}${schema.type === 'array' ? '[]' : ''}.`)]
        : [row];
    });
}

/** What a list or map is of, or the type itself. */
const typeIn = (schema: Described): Described => schema.items ?? schema;

function lineOf({ name, schema, version }: Row, versions: readonly string[]): string {
  const { description = '', default: standard } = schema;
  const said = description.replace(/^Baton: /, '**Baton**: ');
  const only = version !== undefined && versions.length > 1 ? ` Only in \`${version}\`.` : '';
  const unset = standard === undefined || standard === '' ? '' : ` Default \`${JSON.stringify(standard)}\`.`;
  return `| \`${name}\` | ${typeOf(schema)} | ${`${said}${unset}${only}`.replaceAll('|', '\\|')} |`;
}

function typeOf(schema: Described): string {
  const type = typeIn(schema);
  const { title } = type;
  const name = title === undefined ? plainTypeOf(type) : `[${title}](#${title.toLowerCase()})`;
  return schema.type === 'array' ? `list of ${name}` : name;
}

function plainTypeOf(schema: Described): string {
  if (schema['x-kubernetes-int-or-string']) return 'number or percentage';
  if (schema.additionalProperties) return 'map of strings';
  return schema.type ?? 'object';
}
