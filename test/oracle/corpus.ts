import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, parseJson } from '../../api/json.ts';

const data = new URL('data/', import.meta.url).pathname;

/** One recorded case; the fields beside these depend on the file (docs: `test/oracle/README.md`). */
export interface Case {
  id: string;
  desc: string;
  out: Record<string, unknown>;
  [field: string]: unknown;
}

/** The cases of one file of the corpus that OpenKruise's own code answered; `BATON_ORACLE=DIR` takes another corpus. */
export function oracle<T = Case>(name: string): T[] {
  return parseJson(readFileSync(join(process.env['BATON_ORACLE'] ?? data, `${name}.json`), 'utf8')) as T[];
}

/** One section of the hand-collected vectors; `BATON_VECTORS=FILE` takes another file. */
export function vectors(section: string): unknown {
  const file = process.env['BATON_VECTORS'] ?? join(data, 'vectors.json');
  return (parseJson(readFileSync(file, 'utf8')) as Record<string, unknown>)[section];
}

/** Fields that Go prints although they are unset (rule 2 of the corpus), in objects of the API. */
const NOISE = [
  'status',
  'resources',
  'updateStrategy',
  'injectionStrategy',
  'upgradeStrategy',
  'shareVolumePolicy',
  'metadata',
];

/** An object of the API without what only Go's printing added: `null`, unset structs and zero status. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    if (field === null || field === undefined) continue;
    const inner = plain(field);
    if (NOISE.includes(key) && isObject(inner) && isNoise(key, inner)) continue;
    kept[key] = inner;
  }
  return kept;
}

const isNoise = (key: string, value: Record<string, unknown>): boolean =>
  Object.keys(value).length === 0 || (key === 'status' && Object.values(value).every((field) => field === 0));
