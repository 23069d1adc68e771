import { ApiError } from '../api/error.ts';
import type { Key } from './cluster.ts';
import type { Resource } from './resource.ts';

/** The API server's reasons (`metav1.StatusReason`) that matter here, with Baton's code for each and the HTTP status. */
const reasons = {
  NotFound: ['ERR_BATON_NOT_FOUND', 404],
  AlreadyExists: ['ERR_BATON_EXISTS', 409],
  Conflict: ['ERR_BATON_CONFLICT', 409],
  Invalid: ['ERR_BATON_INVALID', 422],
  Forbidden: ['ERR_BATON_FORBIDDEN', 403],
  Expired: ['ERR_BATON_GONE', 410],
  ServiceUnavailable: ['ERR_BATON_UNAVAILABLE', 503],
} as const;

export type Reason = keyof typeof reasons;

/** The error of a request to a cluster; `message` is what the API server says. */
export function clusterError(reason: Reason, message: string, facts: Record<string, unknown> = {}): ApiError {
  const [code, status] = reasons[reason];
  return new ApiError(code, message, { facts: { status, reason, ...facts } });
}

/** `pods "name"`, as the API server says it. */
export function nameOf({ group, plural }: Resource, { name }: Key): string {
  return `${plural}${group ? `.${group}` : ''} "${name}"`;
}

export function notFound(resource: Resource, key: Key): ApiError {
  return clusterError('NotFound', `${nameOf(resource, key)} not found`, { ...key });
}

export function conflict(resource: Resource, key: Key, because: string): ApiError {
  return clusterError('Conflict', `Operation cannot be fulfilled on ${nameOf(resource, key)}: ${because}`, { ...key });
}
