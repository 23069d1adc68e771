import { ApiError } from '../../api/error.ts';

/** Why a request gets no review for an answer, with the HTTP status to say it with. */
export const requestError = (status: number, message: string, facts: Record<string, unknown> = {}): ApiError =>
  new ApiError('ERR_BATON_REQUEST', message, { facts: { ...facts, status } });
