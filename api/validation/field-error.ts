import type { LosslessNumber } from 'lossless-json';
import { printJson } from '../json.ts';

/** What is wrong with a field, in the words of the Kubernetes API. */
const HEADINGS = {
  FieldValueRequired: 'Required value',
  FieldValueDuplicate: 'Duplicate value',
  FieldValueInvalid: 'Invalid value',
  FieldValueNotSupported: 'Unsupported value',
  FieldValueForbidden: 'Forbidden',
  FieldValueTooLong: 'Too long',
  FieldValueNotFound: 'Not found',
  FieldValueTypeInvalid: 'Invalid value',
} as const;

type Scalar = string | number | LosslessNumber | boolean;

/** One mistake in an object: the field's path, what is wrong, and the value if it is a plain string, number or boolean. */
export interface FieldError {
  type: keyof typeof HEADINGS;
  field: string;
  detail: string;
  badValue?: Scalar;
  /** How {@link reasonText} shows a value that is not plain. */
  shown?: string;
  /** OpenKruise accepts it. An update of a set that had the same mistake before passes, with a warning. */
  stricter?: true;
}

/** A value is missing; the rule on `badValue` is Kubernetes': the empty string. */
export const required = (field: string, detail = ''): FieldError => ({
  type: 'FieldValueRequired',
  field,
  detail,
  badValue: '',
});

/** A field may not be set. */
export const forbidden = (field: string, detail: string): FieldError => ({
  type: 'FieldValueForbidden',
  field,
  detail,
  badValue: '',
});

/** A text is over its limit, which is in bytes. */
export const tooLong = (field: string, limit: number): FieldError => ({
  type: 'FieldValueTooLong',
  field,
  detail: `may not be more than ${limit} bytes`,
  badValue: '<value omitted>',
});

/** A list has one value twice. */
export const duplicate = (field: string, badValue: Scalar): FieldError => ({
  type: 'FieldValueDuplicate',
  field,
  detail: '',
  badValue,
});

/** A list has one member of an enumeration twice. */
export const duplicateMember = (field: string, value: string): FieldError => ({
  type: 'FieldValueDuplicate',
  field,
  detail: '',
  shown: show(value),
});

/** A plain value is wrong. */
export const invalid = (field: string, badValue: Scalar, detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  detail,
  badValue,
});

/** An object, a list or a member of an enumeration is wrong: the value is shown in the text only. */
export const invalidObject = (field: string, value: unknown, detail: string): FieldError => ({
  type: 'FieldValueInvalid',
  field,
  detail,
  shown: show(value),
});

/** A value is none of those that there are. */
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldError => ({
  type: 'FieldValueNotSupported',
  field,
  detail: `supported values: ${supported.map((name) => JSON.stringify(name)).join(', ')}`,
  shown: show(value),
});

/** A name refers to nothing. */
export const notFound = (field: string, badValue: Scalar, detail = ''): FieldError => ({
  type: 'FieldValueNotFound',
  field,
  detail,
  badValue,
});

/** A field cannot be read at all. */
export const typeInvalid = (field: string, detail: string): FieldError => ({
  type: 'FieldValueTypeInvalid',
  field,
  detail,
  shown: '',
});

/** The same mistake, as one that OpenKruise accepts. */
export const stricter = (error: FieldError): FieldError => ({ ...error, stricter: true });

/** What a rule for texts finds wrong with one. */
export const broken = (field: string, value: string, problems: readonly string[]): FieldError[] =>
  problems.map((problem) => invalid(field, value, problem));

const show = (value: unknown): string => (value === undefined ? 'null' : printJson(value));

/** The error as one line, as the Kubernetes API prints it: `spec.name: Invalid value: "x": must be …`. */
export const errorText = (error: FieldError): string =>
  `${error.field === '' ? 'SidecarSet' : error.field}: ${reasonText(error)}`;

/** The same without the field. */
export function reasonText({ type, detail, badValue, shown }: FieldError): string {
  const bare = ['FieldValueRequired', 'FieldValueForbidden', 'FieldValueTooLong'].includes(type) || shown === '';
  const value = bare ? '' : `: ${shown ?? show(badValue)}`;
  return `${HEADINGS[type]}${value}${detail === '' ? '' : `: ${detail}`}`;
}

/** All errors as one message; one that occurs twice is said once. */
export function errorsText(errors: readonly FieldError[]): string {
  const texts = [...new Set(errors.map(errorText))];
  return texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
}
