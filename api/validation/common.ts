import { broken, notSupported, required, type FieldError } from './field-error.ts';
import { text, type Field } from './field.ts';
import { dnsLabel } from './names.ts';

/** The name of something in a pod. */
export const nameErrors = (name: Field): FieldError[] =>
  text(name) === '' ? [required(name.at)] : broken(name.at, text(name), dnsLabel(text(name)));

/** A value that must be one of a few. */
export function choiceErrors(field: Field, choices: readonly string[]): FieldError[] {
  if (text(field) === '') return [required(field.at)];
  return choices.includes(text(field)) ? [] : [notSupported(field.at, text(field), choices)];
}
