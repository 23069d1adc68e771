import { LosslessNumber, stringify as printJson } from 'lossless-json';
import { stringify as printYaml } from 'yaml';
import { isObject } from '../api/json.ts';
import { UsageError } from './options.ts';

const formats = ['yaml', 'json'] as const;
export type Format = (typeof formats)[number];

/** The value of `-o`. */
export function formatOption(text: string): Format {
  const format = formats.find((format) => format === text);
  if (format === undefined) throw new UsageError(`-o is ${JSON.stringify(text)}; it must be ${formats.join(' or ')}`);
  return format;
}

/** Objects for people and programs: YAML documents that kubectl reads as they are meant, or JSON, several as a `List`. */
export function formatObjects(objects: readonly unknown[], format: Format): string {
  if (format === 'yaml') return objects.map(formatYaml).join('---\n');
  const [first] = objects;
  const json = objects.length === 1 ? first : { apiVersion: 'v1', kind: 'List', items: objects };
  return `${printJson(json, undefined, 2) ?? 'null'}\n`;
}

/** By YAML's version 1.1, which quotes `yes` and `0644` where they are text. */
const formatYaml = (value: unknown): string =>
  printYaml(withBigNumbers(value), { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });

function withBigNumbers(value: unknown): unknown {
  if (value instanceof LosslessNumber) return /^-?\d+$/.test(value.value) ? BigInt(value.value) : Number(value.value);
  if (Array.isArray(value)) return value.map(withBigNumbers);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, withBigNumbers(field)]));
}
