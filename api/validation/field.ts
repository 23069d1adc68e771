import { LosslessNumber } from 'lossless-json';
import { isObject, numberText } from '../json.ts';

/** A value somewhere in an object, with its path: what rules read, so that no shape of the input can make them throw. */
export interface Field {
  at: string;
  value: unknown;
}

/** A field of an object; without a value if the parent is no object or has no such field, as Go's zero value would be. */
export const get = (parent: Field, key: string): Field => ({
  at: parent.at === '' ? key : `${parent.at}.${key}`,
  value: isObject(parent.value) && Object.hasOwn(parent.value, key) ? parent.value[key] : undefined,
});

/** A value of a map, its path in Kubernetes' spelling: `limits[cpu]`. */
export const getKey = (parent: Field, key: string): Field => ({ ...get(parent, key), at: `${parent.at}[${key}]` });

/** Whether a field is there and not `null`. */
export const isSet = ({ value }: Field): boolean => value !== undefined && value !== null;

/** Whether a field is boolean `true`. */
export const isTrue = ({ value }: Field): boolean => value === true;

/** A field's text, empty if it is none. */
export const text = ({ value }: Field): string => (typeof value === 'string' ? value : '');

/** A field's number, or undefined; integers above 2^53 lose their last digits, which no range check minds. */
export function number({ value }: Field): number | undefined {
  const digits = numberText(value);
  return digits === undefined ? undefined : Number(digits);
}

/** A field's number for an error to show, with all its digits; 0 if it is none. */
export function shownNumber({ value }: Field): number | LosslessNumber {
  const digits = numberText(value) ?? '0';
  const short = Number(digits);
  // Go knows no -0.
  return Number.isSafeInteger(short) ? short + 0 : new LosslessNumber(digits);
}

/** The members of a list. */
export const list = ({ at, value }: Field): Field[] =>
  Array.isArray(value) ? value.map((member: unknown, index) => ({ at: `${at}[${index}]`, value: member })) : [];

/** The texts of a list, without what is no text. */
export const texts = (field: Field): string[] =>
  list(field).flatMap(({ value }) => (typeof value === 'string' ? [value] : []));

/** The members of a map of texts; mistyped ones count as empty. */
export const entries = ({ value }: Field): [string, string][] =>
  isObject(value) ? Object.entries(value).map(([key, member]) => [key, typeof member === 'string' ? member : '']) : [];
