import { ApiError } from './error.ts';
import { numberText } from './json.ts';

/** In which family of suffixes a quantity is printed. */
export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

/**
 * An amount of a resource, exactly `unscaled * 10^exponent`. It behaves as Go's `resource.Quantity` to the letter, because
 * its text is hashed: what of the text as written is `kept`, and where `wide` (more than an `int64` holds) rounds otherwise.
 */
export interface Quantity {
  readonly unscaled: bigint;
  readonly exponent: number;
  readonly format: QuantityFormat;
  readonly wide: boolean;
  /** The text as written, where Go prints that instead of the canonical one (surprise 1 of the recorded corpus). */
  readonly kept?: string;
}

const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };
const SYNTAX = /^[+-]?(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/;

const NANO = -9;
const MILLI = -3;
const MAX = 2n ** 63n - 1n;
/** 10^64 is a multiple of 2^64, so what is scaled further up reads as 0 in an `int64`. */
const WRAPS_TO_ZERO = 64;
/** By how many places Go multiplies at once, and lets the product overflow; otherwise it notices, and gives 0. */
const WRAPPING_SCALES: readonly number[] = [1, 2, 3, 6, 9];
/** Amounts whose exponents are further apart are not added: nobody has them, and their sum would fill the memory. */
const MAX_ALIGNMENT = 10_000;

const isInt64 = (value: bigint): boolean => BigInt.asIntN(64, value) === value;
const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);
const digitsOf = (value: bigint): number => magnitude(value).toString().length;

/** @throws ApiError `ERR_BATON_QUANTITY` */
export function parseQuantity(text: string): Quantity {
  const [, digits, fraction = '', suffix = ''] = SYNTAX.exec(text) ?? [];
  if (digits === undefined || text === '') throw malformed(text, 'it must look like 100m, 0.5, 2Gi or 1e3');
  const { exponent, format } = readSuffix(text, suffix);
  const whole = digits.replace(/^0+/, '') || '0';
  const written = whole + fraction;
  const sign = text.startsWith('-') ? -1n : 1n;
  if (format === 'BinarySI') {
    if (fraction === '' && whole.length + (exponent * 3) / 10 <= 14) {
      const value = BigInt(written);
      const amount = { unscaled: sign * (value << BigInt(exponent)), exponent: 0, format, wide: false };
      return (value & 7n) === 0n ? amount : { ...amount, kept: text };
    }
  } else if (written.length <= 18 && exponent - fraction.length >= NANO) {
    const scale = exponent - fraction.length;
    const amount = { unscaled: sign * BigInt(written), exponent: scale, format, wide: false };
    const canonical = scale % 3 === 0 && !written.endsWith('000') && !written.startsWith('0');
    return canonical ? { ...amount, kept: text } : amount;
  }
  if (digits === '' && fraction === '') throw malformed(text, 'it has no digits');
  return parseWide(sign, BigInt(written), fraction.length, exponent, format);
}

/** What does not fit the quick way: rounded up to a billionth, and cut at the largest `int64` if the suffix is binary. */
function parseWide(sign: bigint, written: bigint, places: number, exponent: number, format: QuantityFormat): Quantity {
  const binary = format === 'BinarySI';
  const unscaled = binary ? written << BigInt(exponent) : written;
  const amount = { ...inNanos(unscaled, (binary ? 0 : exponent) - places), format, wide: true };
  if (binary && compareQuantities(amount, { ...ZERO, unscaled: MAX }) > 0) {
    return { ...amount, unscaled: sign * MAX, exponent: 0 };
  }
  const small = binary && compareQuantities(amount, { ...ZERO, unscaled: 1n }) < 0;
  return { ...amount, unscaled: sign * amount.unscaled, format: small ? 'DecimalSI' : format };
}

/** Where Go holds billionths, so do we; what is so large that an `int64` reads 0 of it stays short. */
function inNanos(unscaled: bigint, exponent: number): { unscaled: bigint; exponent: number } {
  if (exponent <= NANO) return roundUp(unscaled, exponent, NANO);
  if (exponent >= WRAPS_TO_ZERO) return { unscaled, exponent };
  return { unscaled: unscaled * 10n ** BigInt(exponent - NANO), exponent: NANO };
}

function readSuffix(text: string, suffix: string): { exponent: number; format: QuantityFormat } {
  const decimal = DECIMAL[suffix];
  if (decimal !== undefined) return { exponent: decimal, format: 'DecimalSI' };
  const binary = BINARY[suffix];
  if (binary !== undefined) return { exponent: binary, format: 'BinarySI' };
  const exponent = /^[eE]([-+]?\d+)$/.exec(suffix)?.[1];
  if (exponent === undefined || !isInt64(BigInt(exponent.replace('+', '')))) {
    throw malformed(text, `"${suffix}" is no unit`);
  }
  // Go cuts the exponent to 32 bits.
  return { exponent: Number(BigInt.asIntN(32, BigInt(exponent.replace('+', '')))), format: 'DecimalExponent' };
}

function malformed(text: string, why: string): ApiError {
  return new ApiError('ERR_BATON_QUANTITY', `"${text}" is not a quantity: ${why}`, { facts: { text } });
}

const ZERO: Quantity = { unscaled: 0n, exponent: 0, format: 'DecimalSI', wide: false };

/**
 * A quantity as it stands in JSON: a string (blanks around it do not count), a number, or `null`, which is 0.
 *
 * @throws ApiError `ERR_BATON_QUANTITY`
 */
export function quantityOf(value: unknown): Quantity {
  if (value === null || value === undefined) return ZERO;
  const text = typeof value === 'string' ? value : numberText(value);
  if (text === undefined) throw malformed(JSON.stringify(value), 'it must be a string or a number');
  return parseQuantity(text.replace(/^[\p{Zs}\u0085]+|[\p{Zs}\u0085]+$/gu, ''));
}

/** `value` thousandths. */
export const fromMilli = (value: bigint, format: QuantityFormat): Quantity => ({
  unscaled: value,
  exponent: MILLI,
  format,
  wide: false,
});

export const fromWhole = (value: bigint, format: QuantityFormat): Quantity => ({
  unscaled: value,
  exponent: 0,
  format,
  wide: false,
});

/** The text that Go prints: as written where it is {@link Quantity.kept}, else the canonical one. */
export function quantityText(quantity: Quantity): string {
  if (quantity.kept !== undefined) return quantity.kept;
  if (quantity.unscaled === 0n) return '0';
  const bytes = quantity.format === 'BinarySI' ? wholeBinary(quantity) : undefined;
  return bytes === undefined ? decimalText(quantity) : binaryText(bytes);
}

function binaryText(bytes: bigint): string {
  let amount = bytes;
  let times = 0;
  for (; magnitude(amount) >= 1024n && amount % 1024n === 0n; times++) amount /= 1024n;
  return `${amount}${Object.keys(BINARY)[times - 1] ?? ''}`;
}

function decimalText({ unscaled, exponent, format }: Quantity): string {
  const written = String(unscaled);
  let length = written.length;
  while (written[length - 1] === '0') length -= 1;
  const scale = exponent + written.length - length;
  const multiple = Math.floor(scale / 3) * 3;
  const digits = written.slice(0, length) + '0'.repeat(scale - multiple);
  if (format === 'DecimalExponent') return multiple === 0 ? digits : `${digits}e${multiple}`;
  // Above 10^18 there is no suffix, and Go leaves it out: 10^21 becomes "1".
  const suffix = Object.entries(DECIMAL).find(([, value]) => value === multiple)?.[0] ?? '';
  return `${digits}${suffix}`;
}

/** The amount if a binary suffix can express it: whole, and at least 1024 either way. */
function wholeBinary({ unscaled, exponent }: Quantity): bigint | undefined {
  const factor = 10n ** BigInt(Math.abs(exponent));
  if (exponent < 0 && unscaled % factor !== 0n) return undefined;
  const value = exponent < 0 ? unscaled / factor : unscaled * factor;
  return magnitude(value) < 1024n ? undefined : value;
}

/** Rounded away from zero to thousandths, as the API server's defaults do it; the text as written stays if nothing changes. */
export function roundUpToMilli(quantity: Quantity): Quantity {
  if (!quantity.wide && quantity.exponent >= MILLI) return quantity;
  const { format, wide } = quantity;
  return { ...roundUp(quantity.unscaled, quantity.exponent, MILLI), format, wide };
}

function roundUp(unscaled: bigint, exponent: number, least: number): { unscaled: bigint; exponent: number } {
  if (exponent >= least || unscaled === 0n) return { unscaled, exponent: Math.max(exponent, least) };
  return { unscaled: divideAwayFromZero(unscaled, least - exponent), exponent: least };
}

function divideAwayFromZero(value: bigint, places: number): bigint {
  const sign = value < 0n ? -1n : 1n;
  if (places >= digitsOf(value)) return value === 0n ? 0n : sign;
  const divisor = 10n ** BigInt(places);
  return value / divisor + (value % divisor === 0n ? 0n : sign);
}

/** Thousandths, rounded up, as an `int64`: what is larger overflows as in Go. */
export const milliValue = (quantity: Quantity): bigint => scaledValue(quantity, MILLI);

/** The whole amount, rounded up, as an `int64`: what is larger overflows as in Go. */
export const wholeValue = (quantity: Quantity): bigint => scaledValue(quantity, 0);

function scaledValue({ unscaled, exponent, wide }: Quantity, scale: number): bigint {
  if (wide) return scaledWide(unscaled, exponent, scale);
  const up = exponent - scale;
  if (up < 0) return divideAwayFromZero(unscaled, -up);
  const value = unscaled * 10n ** BigInt(Math.min(up, WRAPS_TO_ZERO));
  return isInt64(value) || WRAPPING_SCALES.includes(up) ? BigInt.asIntN(64, value) : 0n;
}

/** Go divides the lowest 64 bits of all that is below 2^63, so that negative amounts wrap, and adds one for the rest. */
function scaledWide(unscaled: bigint, exponent: number, scale: number): bigint {
  const up = exponent - scale;
  if (up >= 0) return BigInt.asIntN(64, unscaled * 10n ** BigInt(Math.min(up, WRAPS_TO_ZERO)));
  const divisor = 10n ** BigInt(-up);
  const dividend = unscaled < MAX ? BigInt.asIntN(64, unscaled) : unscaled;
  return BigInt.asIntN(64, dividend / divisor + (dividend % divisor === 0n ? 0n : 1n));
}

/** Negative, 0 or positive, as `a` is less than, equal to or greater than `b`. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  const signs = signOf(a) - signOf(b);
  if (signs !== 0 || a.unscaled === 0n) return Math.sign(signs);
  const sizes = digitsOf(a.unscaled) + a.exponent - digitsOf(b.unscaled) - b.exponent;
  if (sizes !== 0) return Math.sign(sizes) * signOf(a);
  const [left, right] = aligned(a, b);
  return signOf({ unscaled: left - right });
}

const signOf = ({ unscaled }: { unscaled: bigint }): number => (unscaled > 0n ? 1 : unscaled < 0n ? -1 : 0);

/**
 * The sum, printed in `a`'s format, or in `b`'s if `a` is 0.
 *
 * @throws ApiError `ERR_BATON_QUANTITY` if they are more than 10,000 orders of magnitude apart
 */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  const format = a.unscaled === 0n ? b.format : a.format;
  const { wide } = a;
  if (b.unscaled === 0n) return { unscaled: a.unscaled, exponent: a.exponent, format, wide: wide || b.wide };
  if (a.unscaled === 0n) return { unscaled: b.unscaled, exponent: b.exponent, format, wide: wide || b.wide };
  const [left, right, exponent] = aligned(a, b);
  const unscaled = left + right;
  const fits = isInt64(left) && isInt64(right) && isInt64(unscaled);
  return { unscaled, exponent, format, wide: wide || b.wide || !fits };
}

/** The difference, printed in `a`'s format, or in `b`'s if `a` is 0; errors as {@link addQuantities}. */
export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return addQuantities(a, { unscaled: -b.unscaled, exponent: b.exponent, format: b.format, wide: b.wide });
}

function aligned(a: Quantity, b: Quantity): [left: bigint, right: bigint, exponent: number] {
  const exponent = Math.min(a.exponent, b.exponent);
  if (Math.max(a.exponent, b.exponent) - exponent > MAX_ALIGNMENT) {
    throw new ApiError('ERR_BATON_QUANTITY', `${quantityText(a)} and ${quantityText(b)} are too far apart to be added`);
  }
  const lift = (quantity: Quantity): bigint => quantity.unscaled * 10n ** BigInt(quantity.exponent - exponent);
  return [lift(a), lift(b), exponent];
}
