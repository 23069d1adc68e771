/** An error of Baton: a stable `code`, what is wrong and what to do as the message, the facts as plain data. */
export class ApiError extends Error {
  readonly code: `ERR_BATON_${string}`;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    code: `ERR_BATON_${string}`,
    message: string,
    { facts = {}, cause }: { facts?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'BatonError';
    this.code = code;
    this.facts = facts;
  }
}
