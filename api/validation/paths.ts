import type { NameRule } from './names.ts';

/** No `..` among a path's parts. */
export const pathWithoutBacksteps: NameRule = (path) =>
  path.split('/').includes('..') ? ["must not contain '..'"] : [];

/** A relative path that stays below where it starts. */
export const descendingPath: NameRule = (path) => [
  ...(path.startsWith('/') ? ['must be a relative path'] : []),
  ...pathWithoutBacksteps(path),
];

/** A descending path that leaves names starting with `..` to the kubelet. */
export const unreservedPath: NameRule = (path) => [
  ...descendingPath(path),
  ...(path.startsWith('..') && !path.startsWith('../') ? ["must not start with '..'"] : []),
];
