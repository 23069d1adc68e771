// What is asked of arguments before they reach C++: every refusal is a TypeError with code `ERR_BATON_ARGUMENT`.

/** Raises the TypeError: `argument` must be `wanted`. */
export function refuse(argument: string, wanted: string, value: unknown): never {
  const message = `Argument "${argument}" must be ${wanted}, not ${shown(value)}`;
  throw Object.assign(new TypeError(message), { code: 'ERR_BATON_ARGUMENT' });
}

/** Never converts an object: that may throw. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' || value === null) return `${value}`;
  return typeof value;
}

export function isDescriptor(value: unknown): boolean {
  // `| 0` leaves only what is an int32 already.
  return typeof value === 'number' && (value | 0) === value && value >= 0;
}

export function checkDescriptor(argument: string, value: unknown): void {
  if (!isDescriptor(value)) refuse(argument, 'an open descriptor', value);
}

export function checkArray(argument: string, value: unknown): void {
  if (!Array.isArray(value)) refuse(argument, 'an array', value);
}

export function checkBytes(argument: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) refuse(argument, 'a Uint8Array', typeof value);
}

export function checkInteger(argument: string, value: unknown, least: number, most: number): void {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    refuse(argument, `an integer from ${least} to ${most}`, value);
  }
}

export function checkPath(value: unknown): void {
  if (typeof value !== 'string' || value === '') refuse('path', 'a non-empty string', value);
  if (value.indexOf('\0', 1) > 0) refuse('path', 'without a NUL except in front (an abstract name)', value);
}

export function checkObject(argument: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) refuse(argument, 'an object with options', value);
}
