import { compareBytes, printJsonLikeGo } from './json.ts';

/** A value while it is merged: compact text that nothing has looked into, or what was found inside. `null` is JSON's. */
type Node = string | Doc | (Node | null)[] | null;
type Doc = Map<string, Node>;

const STRING_OR_BLANK = /"(?:[^"\\]|\\.)*"|\s+/g;
const HTML = /[<>&\u2028\u2029]/g;

/**
 * RFC 7386 on texts, as OpenKruise answers it (oracle surprise 10): keys sorted wherever it looked, the spelling of numbers and
 * escapes kept, `<>&` escaped, lists replaced.
 *
 * @returns the merged text, or which of the two is no usable JSON
 */
export function mergePatch(document: string, patch: string): { text: string } | { invalid: 'document' | 'patch' } {
  if (!isJson(document) || document.trim() === 'null') return { invalid: 'document' };
  if (!isJson(patch) || patch.trim() === 'null') return { invalid: 'patch' };
  const target = lookInto(compact(document));
  const change = lookInto(compact(patch));
  if (isDoc(target) && isDoc(change)) return { text: print(merge(target, change)) };
  if (isDoc(change) || Array.isArray(change)) return { text: print(prune(change)) };
  return { invalid: 'patch' };
}

function merge(target: Doc, change: Doc): Doc {
  const merged = new Map(target);
  for (const [key, value] of change) {
    if (value === null) {
      merged.delete(key);
      continue;
    }
    const current = lookInto(merged.get(key) ?? null);
    const next = lookInto(value);
    if (!isDoc(current)) merged.set(key, prune(next));
    else merged.set(key, isDoc(next) ? merge(current, next) : value);
  }
  return merged;
}

/** A value without the members that are null; lists keep theirs. */
function prune(node: Node): Node {
  const inner = lookInto(node);
  if (Array.isArray(inner)) return inner.map(prune);
  if (!isDoc(inner)) return node;
  return new Map([...inner].filter(([, value]) => value !== null).map(([key, value]) => [key, prune(value)]));
}

const isDoc = (node: Node): node is Doc => node instanceof Map;

function print(node: Node): string {
  if (node === null) return 'null';
  if (typeof node === 'string') return node;
  if (Array.isArray(node)) return `[${node.map(print).join(',')}]`;
  const members = [...node].sort(([a], [b]) => compareBytes(a, b));
  return `{${members.map(([key, value]) => `${printJsonLikeGo(key)}:${print(value)}`).join(',')}}`;
}

/** The members of an object or list one level down; anything else as it is. */
function lookInto(node: Node): Node {
  if (typeof node !== 'string') return node;
  if (node.startsWith('[')) return split(node).map(nodeOf);
  if (!node.startsWith('{')) return node;
  return new Map(
    split(node).map((member) => {
      const key = /^"(?:[^"\\]|\\.)*"/.exec(member)?.[0] ?? '';
      return [JSON.parse(key) as string, nodeOf(member.slice(key.length + 1))];
    }),
  );
}

const nodeOf = (text: string): Node => (text === 'null' ? null : text);

/** The texts between the commas of a compact object or list. */
function split(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 1;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},]/g)) {
    if (token === '[' || token === '{') depth++;
    else if (token === ']' || token === '}') depth--;
    if ((token === ',' && depth === 1) || depth === 0) {
      if (index > start) parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  return parts;
}

function compact(text: string): string {
  return text.replace(STRING_OR_BLANK, (token) =>
    token.startsWith('"')
      ? token.replace(HTML, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
      : '',
  );
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
