/** What somebody else wrote, read without trust: the value, or why there is none. Test with `'problem' in reading`. */
export type Reading<T> = { value: T } | { problem: string };

/** The value, or `otherwise` where there is none. */
export function valueOr<T>(reading: Reading<T>, otherwise: T): T {
  return 'problem' in reading ? otherwise : reading.value;
}
