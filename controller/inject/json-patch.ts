import { LosslessNumber } from 'lossless-json';
import { isObject, printJson } from '../../api/json.ts';

/** One operation of a JSON patch (RFC 6902), of the three kinds that a difference needs. */
export type Operation = { op: 'add' | 'replace'; path: string; value: unknown } | { op: 'remove'; path: string };

/**
 * The operations that turn one JSON value into another: only what differs is named, and what is equal before and behind an
 * insertion into a list is left alone. Fields that are `undefined` count as absent.
 */
export function jsonPatch(before: unknown, after: unknown): Operation[] {
  return difference('', before, after);
}

function difference(path: string, before: unknown, after: unknown): Operation[] {
  if (isSame(before, after)) return [];
  if (isObject(before) && isObject(after)) return differentFields(path, before, after);
  if (Array.isArray(before) && Array.isArray(after)) return differentItems(path, before, after);
  return [{ op: 'replace', path, value: after }];
}

function differentFields(path: string, before: Record<string, unknown>, after: Record<string, unknown>): Operation[] {
  const operations: Operation[] = [];
  for (const [key, value] of Object.entries(before)) {
    if (value !== undefined && after[key] === undefined) operations.push({ op: 'remove', path: join(path, key) });
  }
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue;
    if (before[key] === undefined) operations.push({ op: 'add', path: join(path, key), value });
    else operations.push(...difference(join(path, key), before[key], value));
  }
  return operations;
}

function differentItems(path: string, before: unknown[], after: unknown[]): Operation[] {
  const operations: Operation[] = [];
  let position = 0;
  let [from, to] = [0, 0];
  for (const [keptFrom, keptTo] of [...commonItems(before, after), [before.length, after.length] as const]) {
    const [removed, added] = [before.slice(from, keptFrom), after.slice(to, keptTo)];
    const changed = Math.min(removed.length, added.length);
    for (let index = 0; index < changed; index++) {
      operations.push(...shorterOf(join(path, position), removed[index], added[index]));
      position++;
    }
    for (const value of added.slice(changed)) operations.push({ op: 'add', path: join(path, position++), value });
    for (let index = changed; index < removed.length; index++) {
      operations.push({ op: 'remove', path: join(path, position) });
    }
    position++;
    [from, to] = [keptFrom + 1, keptTo + 1];
  }
  return operations;
}

/** The pairs of positions of a longest common part of two lists; equal ends are found without comparing all with all. */
function commonItems(before: unknown[], after: unknown[]): (readonly [number, number])[] {
  let head = 0;
  while (head < before.length && head < after.length && isSame(before[head], after[head])) head++;
  let tail = 0;
  const rest = Math.min(before.length, after.length) - head;
  while (tail < rest && isSame(before.at(-1 - tail), after.at(-1 - tail))) tail++;
  const [rows, columns] = [before.length - head - tail, after.length - head - tail];
  if (rows * columns > LARGE) {
    const middle = commonByIdentity(before.slice(head, before.length - tail), after.slice(head, after.length - tail));
    return [
      ...Array.from({ length: head }, (_, index) => [index, index] as const),
      ...middle.map(([from, to]) => [head + from, head + to] as const),
      ...Array.from({ length: tail }, (_, index) => [rows + head + index, columns + head + index] as const),
    ];
  }
  const lengths = Array.from({ length: rows + 1 }, () => new Array<number>(columns + 1).fill(0));
  const lengthAt = (row: number, column: number): number => lengths[row]?.[column] ?? 0;
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      const line = lengths[row] ?? [];
      line[column] = isSame(before[head + row], after[head + column])
        ? lengthAt(row + 1, column + 1) + 1
        : Math.max(lengthAt(row + 1, column), lengthAt(row, column + 1));
    }
  }
  const pairs = Array.from({ length: head }, (_, index) => [index, index] as const);
  for (let row = 0, column = 0; row < rows && column < columns;) {
    if (isSame(before[head + row], after[head + column])) pairs.push([head + row++, head + column++]);
    else if (lengthAt(row + 1, column) >= lengthAt(row, column + 1)) row++;
    else column++;
  }
  for (let index = tail; index > 0; index--) pairs.push([before.length - index, after.length - index]);
  return pairs;
}

/** How many pairs of items are compared at most: nobody's pod has more, and anybody may send one. */
const LARGE = 100_000;

/** A common part of two long lists, not always the longest one: of what is the very same, and in the same order. */
function commonByIdentity(before: readonly unknown[], after: readonly unknown[]): (readonly [number, number])[] {
  const places = new Map(after.map((item, index) => [item, index]));
  const pairs: (readonly [number, number])[] = [];
  let behind = -1;
  for (const [index, item] of before.entries()) {
    const place = places.get(item) ?? -1;
    if (place <= behind) continue;
    pairs.push([index, place]);
    behind = place;
  }
  return pairs;
}

/** An item changed field by field, or replaced where that is shorter: two containers may have nothing in common. */
function shorterOf(path: string, before: unknown, after: unknown): Operation[] {
  const fields = difference(path, before, after);
  const whole: Operation[] = [{ op: 'replace', path, value: after }];
  return printJson(fields).length <= printJson(whole).length ? fields : whole;
}

const join = (path: string, key: string | number): string =>
  `${path}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;

function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (a instanceof LosslessNumber) return b instanceof LosslessNumber && a.value === b.value;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => isSame(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = (value: Record<string, unknown>): string[] =>
    Object.keys(value).filter((key) => value[key] !== undefined);
  const own = keys(a);
  return own.length === keys(b).length && own.every((key) => isSame(a[key], b[key]));
}
