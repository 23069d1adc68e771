import type { Node, ParsedNode } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { nearest } from '../../api/nearest.ts';

/** What is wrong with a file, where. */
export interface Problem {
  line: number;
  /** Dotted path of the field; empty for the file as a whole. */
  field: string;
  message: string;
}

/** A place in a file: its value, its line and its path. */
export interface Field {
  node: Node | null;
  line: number;
  path: string;
}

/** Reads fields, collects what is wrong with them. Every reader returns undefined after it has complained. */
export interface Fields {
  readonly problems: Problem[];
  complain: (field: Field, message: string) => void;
  /** The fields of a mapping; one that is not in `known` is a problem that names the nearest one. */
  map: (field: Field, known: readonly string[]) => Map<string, Field>;
  /** A mapping with free keys. */
  entries: (field: Field) => [string, Field][];
  list: (field: Field) => Field[] | undefined;
  text: (field: Field) => string | undefined;
  integer: (field: Field, min: number, max: number) => number | undefined;
  choice: <T extends string>(field: Field, choices: readonly T[]) => T | undefined;
  /** Milliseconds: a number of seconds, or text such as `500ms`, `2s`, `1.5s`, `3m`. */
  duration: (field: Field) => number | undefined;
  /** A program and its arguments. */
  command: (field: Field) => string[] | undefined;
  textMap: (field: Field) => Record<string, string> | undefined;
  isMap: (field: Field) => boolean;
  isList: (field: Field) => boolean;
  /** A scalar's plain value. */
  scalar: (field: Field) => unknown;
  boolean: (field: Field) => boolean | undefined;
  /** A mapping as it is, whatever is in it. */
  object: (field: Field) => Record<string, unknown> | undefined;
}

/** Parses YAML (one document) and returns its root with the readers. Syntax errors are among the problems already. */
export function readFields(source: string): { root: Field; fields: Fields } {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const problems: Problem[] = document.errors.map((error) => ({
    line: lines.linePos(error.pos[0]).line,
    field: '',
    message: error.message,
  }));
  const resolve = (node: Node | null): Node | null => (isAlias(node) ? (node.resolve(document) ?? null) : node);
  const lineOf = (node: Node | null, otherwise: number) => {
    const range = (node as ParsedNode | null)?.range;
    return range ? lines.linePos(range[0]).line : otherwise;
  };
  const child = (parent: Field, key: string, keyNode: Node | null, value: Node | null): Field => {
    const path = parent.path === '' ? key : key.startsWith('[') ? parent.path + key : `${parent.path}.${key}`;
    return { node: resolve(value), line: lineOf(keyNode ?? value, parent.line), path };
  };
  const complain = (field: Field, message: string): void => {
    problems.push({ line: field.line, field: field.path, message });
  };
  const scalar = ({ node }: Field): unknown => (isScalar(node) ? node.value : undefined);
  const entries = (field: Field): [string, Field][] => {
    if (!isMap(field.node)) {
      complain(field, `must be a mapping (name: value), not ${kindOf(field.node)}`);
      return [];
    }
    return field.node.items.map(({ key, value }) => {
      const name = isScalar(key) ? String(key.value) : String(key);
      return [name, child(field, name, key as Node | null, value as Node | null)];
    });
  };
  const list = (field: Field): Field[] | undefined => {
    if (!isSeq(field.node)) {
      complain(field, `must be a list, not ${kindOf(field.node)}`);
      return undefined;
    }
    return field.node.items.map((item, index) => child(field, `[${index}]`, null, item as Node | null));
  };
  const text = (field: Field): string | undefined => {
    const value = scalar(field);
    if (typeof value === 'string') return value;
    const quotable = typeof value === 'number' || typeof value === 'boolean';
    complain(field, quotable ? `must be text: put ${value} in quotes` : `must be text, not ${kindOf(field.node)}`);
    return undefined;
  };
  const fields: Fields = {
    problems,
    complain,
    scalar,
    entries,
    list,
    text,
    boolean(field) {
      const value = scalar(field);
      if (typeof value === 'boolean') return value;
      complain(field, 'must be true or false');
      return undefined;
    },
    object(field) {
      if (isMap(field.node)) return field.node.toJS(document) as Record<string, unknown>;
      complain(field, `must be a mapping (name: value), not ${kindOf(field.node)}`);
      return undefined;
    },
    isMap: ({ node }) => isMap(node),
    isList: ({ node }) => isSeq(node),
    map(field, known) {
      const found = new Map<string, Field>();
      for (const [name, value] of entries(field)) {
        if (known.includes(name)) {
          found.set(name, value);
        } else {
          const meant = nearest(name, known);
          complain(
            value,
            meant === undefined
              ? `is not known here; known are ${known.join(', ')}`
              : `is not known; did you mean ${meant}?`,
          );
        }
      }
      return found;
    },
    integer(field, min, max) {
      const value = scalar(field);
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
      complain(field, `must be a whole number from ${min} to ${max}`);
      return undefined;
    },
    choice(field, choices) {
      const value = scalar(field);
      const chosen = choices.find((choice) => choice === value);
      if (chosen !== undefined) return chosen;
      const meant = typeof value === 'string' ? nearest(value, choices) : undefined;
      complain(field, `must be one of ${choices.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`);
      return undefined;
    },
    duration(field) {
      const value = scalar(field);
      const ms =
        typeof value === 'number' ? value * 1000 : typeof value === 'string' ? parseDuration(value) : undefined;
      if (ms !== undefined && ms >= 0 && ms <= 86_400_000) return ms;
      complain(field, 'must be a duration: seconds, or 500ms, 2s, 3m (at most 24 hours)');
      return undefined;
    },
    command(field) {
      if (typeof scalar(field) === 'string') {
        complain(field, `must be a list: [${String(scalar(field)).split(/\s+/).join(', ')}]`);
        return undefined;
      }
      const words = list(field)?.map((word) => {
        const value = scalar(word);
        return typeof value === 'number' ? String(value) : text(word);
      });
      if (!words) return undefined;
      if (words.length === 0) {
        complain(field, 'must name a program');
        return undefined;
      }
      return words.every((word) => word !== undefined) ? words : undefined;
    },
    textMap(field) {
      const map: Record<string, string> = {};
      for (const [name, value] of entries(field)) {
        const plain = scalar(value);
        const word = typeof plain === 'number' || typeof plain === 'boolean' ? String(plain) : text(value);
        if (word !== undefined) map[name] = word;
      }
      return map;
    },
  };
  return { root: { node: document.contents, line: 1, path: '' }, fields };
}

function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m)?$/.exec(text.trim());
  if (!match) return undefined;
  const unit = match[2] === 'ms' ? 1 : match[2] === 'm' ? 60_000 : 1000;
  return Number(match[1]) * unit;
}

function kindOf(node: Node | null): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return 'a list';
  if (isScalar(node) && node.value !== null) return `a ${typeof node.value === 'string' ? 'text' : typeof node.value}`;
  return 'nothing';
}
