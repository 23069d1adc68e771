import { LosslessNumber } from 'lossless-json';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments, visit, type Document, type Node } from 'yaml';
import { isObject, parseJson, type JsonObject } from '../api/json.ts';

/** What is wrong with a file, where; a warning stops nothing. */
export interface Problem {
  severity: 'error' | 'warning';
  file: string;
  line: number;
  /** Path of the field, as Kubernetes writes it; empty for the object as a whole. */
  field: string;
  message: string;
}

/** One object of a file. */
export interface Manifest {
  object: JsonObject;
  file: string;
  /** The line of a field, or of the innermost one around it that the file has. */
  lineOf: (field: string) => number;
}

/** `FILE:LINE: FIELD: MESSAGE`, the way editors find it. */
export const formatProblem = ({ severity, file, line, field, message }: Problem): string =>
  `${file}:${line}: ${severity === 'warning' ? 'warning: ' : ''}${field === '' ? '' : `${field}: `}${message}`;

/**
 * The Kubernetes objects in a text of YAML (several documents) or JSON; those in a `List` one by one. YAML is read as
 * kubectl reads it, by version 1.1, so that `0644` is octal and `yes` is true; numbers keep their digits.
 */
export function readManifests(text: string, file: string): { manifests: Manifest[]; problems: Problem[] } {
  const json = readJson(text);
  if (json !== undefined) {
    // A big list of pods comes as JSON: lines are looked for only when something is wrong with it.
    let tree: Tree | undefined;
    return objectsIn(json, file, (field) => lineIn((tree ??= parse(text)[0]), field));
  }
  const read = parse(text).map((tree) => {
    const { contents, errors } = tree.document;
    // What the library says after its first error is about its own confusion.
    const problems = errors.slice(0, 1).map(({ pos, message }): Problem => {
      return { severity: 'error', file, line: tree.lines.linePos(pos[0]).line, field: '', message };
    });
    if (contents === null || problems.length > 0) return { manifests: [], problems };
    return objectsIn(plainNumbers(tree.document.toJS()), file, (field) => lineIn(tree, field));
  });
  return { manifests: read.flatMap(({ manifests }) => manifests), problems: read.flatMap(({ problems }) => problems) };
}

function objectsIn(
  value: unknown,
  file: string,
  lineOf: Manifest['lineOf'],
): { manifests: Manifest[]; problems: Problem[] } {
  if (value === null) return { manifests: [], problems: [] };
  if (!isObject(value)) {
    const problem: Problem = { severity: 'error', file, line: lineOf(''), field: '', message: 'must be an object' };
    return { manifests: [], problems: [problem] };
  }
  const { apiVersion, kind, items } = value;
  if (typeof kind !== 'string' || !kind.endsWith('List') || !Array.isArray(items)) {
    return { manifests: [{ object: value, file, lineOf }], problems: [] };
  }
  const read = items.map((item: unknown, index) => {
    // The items of a typed list may leave out what its own kind says.
    const typed = isObject(item) && kind !== 'List' ? { apiVersion, kind: kind.slice(0, -4), ...item } : item;
    return objectsIn(typed, file, (field) => lineOf(`items[${index}].${field}`));
  });
  return { manifests: read.flatMap(({ manifests }) => manifests), problems: read.flatMap(({ problems }) => problems) };
}

/** A document, and where its lines begin. */
interface Tree {
  document: Document;
  lines: LineCounter;
}

function readJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

function parse(text: string): Tree[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: '1.1',
    lineCounter: lines,
    prettyErrors: false,
    intAsBigInt: true,
    // Version 1.1 also has times and numbers to base 60, which kubectl's reader has not.
    customTags: (tags) =>
      tags.filter((tag) => typeof tag === 'string' || !(tag.format === 'TIME' || tag.tag.endsWith(':timestamp'))),
  });
  return documents.map((document) => ({ document: document, lines }));
}

function plainNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    return Number.isSafeInteger(Number(value)) ? Number(value) : new LosslessNumber(String(value));
  }
  if (Array.isArray(value)) return value.map(plainNumbers);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plainNumbers(field)]));
}

/** OpenKruise leaves `spec.` or an index out of some paths; what such a path ends with may still be there only once. */
function lineIn(tree: Tree | undefined, field: string): number {
  const root = tree?.document.contents;
  if (!tree || !root) return 1;
  const steps = [...field.matchAll(/\[([^\]]*)\]|[^.[\]]+/g)].map(([name, inBrackets]) => inBrackets ?? name);
  const plain = walk(tree, root, steps);
  const inSpec = walk(tree, root, ['spec', ...steps]);
  const found = plain.depth === 0 && inSpec.depth > 1 ? inSpec : plain;
  const only = found.depth < steps.length ? onlyKey(found.node, steps.at(-1)) : undefined;
  return tree.lines.linePos(only ?? found.offset).line;
}

interface Found {
  node: unknown;
  offset: number;
  /** How many steps led somewhere. */
  depth: number;
}

function walk({ document }: Tree, root: Node, steps: readonly string[]): Found {
  let node: unknown = root;
  let offset = root.range?.[0] ?? 0;
  for (const [depth, step] of steps.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && String(key.value) === step) : undefined;
    const next: unknown = pair?.value ?? (isSeq(node) ? node.items[Number(step)] : undefined);
    const place = (pair?.key ?? next) as Node | undefined;
    if (!place) return { node, offset, depth };
    offset = place.range?.[0] ?? offset;
    node = next;
  }
  return { node, offset, depth: steps.length };
}

/** Where the one key of that name inside a node is. */
function onlyKey(node: unknown, name: string | undefined): number | undefined {
  const offsets: number[] = [];
  if (!isMap(node) && !isSeq(node)) return undefined;
  visit(node, {
    Pair(_, { key }) {
      if (isScalar(key) && key.value === name && key.range) offsets.push(key.range[0]);
    },
  });
  return offsets.length === 1 ? offsets[0] : undefined;
}
