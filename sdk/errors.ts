const KIND = Symbol.for('baton-sidecar.error');

/** Every error that Baton raises on purpose. `code` is stable, `facts` are plain data, the message says what to do. */
export class BatonError extends Error {
  override readonly name = 'BatonError';
  readonly code: `ERR_BATON_${string}`;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly [KIND] = true;

  constructor(
    code: `ERR_BATON_${string}`,
    message: string,
    { facts = {}, cause }: { facts?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = facts;
  }
}

/** Whether a value is a {@link BatonError}, also one of another realm or of a second copy of this package. */
export const isBatonError = (value: unknown): value is BatonError =>
  typeof value === 'object' && value !== null && KIND in value;

/** The `code` of any error, or `undefined`. */
export const codeOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

/** A thrown value as text for a person. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Raises what an application's callback threw in a turn of its own: it must not leave a handover half done. */
export const raise = (error: unknown): void =>
  queueMicrotask(() => {
    throw error;
  });

/** What a state file or a `refuse` frame carries of an error. */
export const summary = (error: unknown): { code: string; message: string } => ({
  code: codeOf(error) ?? 'ERR_BATON_UNEXPECTED',
  message: messageOf(error),
});
