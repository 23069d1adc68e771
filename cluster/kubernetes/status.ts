import { ApiError } from '../../api/error.ts';
import { isObject, parseJson } from '../../api/json.ts';

type Code = ApiError['code'];

const byReason: Record<string, Code> = {
  AlreadyExists: 'ERR_BATON_EXISTS',
  Expired: 'ERR_BATON_GONE',
};

const byStatus: Record<number, Code> = {
  401: 'ERR_BATON_FORBIDDEN',
  403: 'ERR_BATON_FORBIDDEN',
  404: 'ERR_BATON_NOT_FOUND',
  409: 'ERR_BATON_CONFLICT',
  410: 'ERR_BATON_GONE',
  408: 'ERR_BATON_UNAVAILABLE',
  429: 'ERR_BATON_UNAVAILABLE',
};

/**
 * The error for an answer that is none of success: its body is a `metav1.Status`, or what a proxy in between says.
 *
 * @param request what was asked, for the facts: `PATCH /api/v1/...`
 */
export function errorOf(httpStatus: number, body: string, request: string): ApiError {
  const told = statusOf(body);
  const status = Number(told?.['code'] ?? httpStatus);
  const reason = typeof told?.['reason'] === 'string' ? told['reason'] : '';
  const message = typeof told?.['message'] === 'string' && told['message'] !== '' ? told['message'] : plain(body);
  const code =
    byReason[reason] ??
    (isTooLarge(told) ? 'ERR_BATON_GONE' : undefined) ??
    byStatus[status] ??
    (status >= 500 || status < 400 ? 'ERR_BATON_UNAVAILABLE' : 'ERR_BATON_INVALID');
  return new ApiError(code, message || `the API server answered ${status}`, {
    facts: { status, reason, message, request },
  });
}

/** An error below HTTP: refused, cut, timed out, no certificate to trust. */
export function unavailable(request: string, cause: unknown): ApiError {
  const said = cause instanceof AggregateError && !cause.message ? String(cause.errors[0]) : String(cause);
  return new ApiError('ERR_BATON_UNAVAILABLE', `the API server does not answer ${request}: ${said}`, {
    facts: { request },
    cause,
  });
}

function statusOf(body: string): Record<string, unknown> | undefined {
  try {
    const parsed = parseJson(body);
    return isObject(parsed) && parsed['kind'] === 'Status' ? parsed : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The server went back to an older state (etcd restored): what was seen is no longer a moment of its history. */
function isTooLarge(status: Record<string, unknown> | undefined): boolean {
  const details = status?.['details'];
  const causes = isObject(details) && Array.isArray(details['causes']) ? (details['causes'] as unknown[]) : [];
  return causes.some((cause) => isObject(cause) && cause['reason'] === 'ResourceVersionTooLarge');
}

const plain = (body: string): string => body.trim().slice(0, 500);
