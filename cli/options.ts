/** Wrong words on the command line; the caller prints the message and exits with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A positive number given to an option. */
export function numberOption(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new UsageError(`${option} is ${JSON.stringify(text)}; it must be a number above 0`);
  }
  return value;
}

/** The name of a namespace given to an option. */
export function namespaceOf(option: string, text: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text)) return text;
  throw new UsageError(`--${option} must be the name of a namespace, not ${JSON.stringify(text)}`);
}

/** Whether `-o json` was given, which is all that `-o` may say. */
export function isJson(output: string | undefined): boolean {
  if (output !== undefined && output !== 'json')
    throw new UsageError(`-o is ${JSON.stringify(output)}; it must be json`);
  return output === 'json';
}

/** Whether an error is about the command line: ours, or one of `parseArgs`. */
export const isUsageError = (error: unknown): error is Error =>
  error instanceof UsageError ||
  (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_'));
