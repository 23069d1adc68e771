import { request } from 'node:https';

/** How to reach an API server as one user. */
export interface Access {
  url: string;
  /** The authority that signed the server's certificate, as PEM. */
  ca: string;
  token: string;
}

/** What the API server answers with instead of success. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly reason: string | undefined;
  constructor(what: string, status: number, body: string) {
    const { reason, message } = statusOf(body);
    super(`${what}: ${status} ${reason ?? ''} ${message ?? body}`);
    this.status = status;
    this.reason = reason;
  }
}

const TIMEOUT_MS = 30_000;

/**
 * One request of the harness's own, with nothing of the project between: the answer's text.
 *
 * @param body an object, sent as JSON
 * @throws ApiFailure for an answer that is no success; SystemError without a connection
 */
export function ask(
  { url, ca, token }: Access,
  method: string,
  path: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<string> {
  return new Promise((resolve, reject) => {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      authorization: `Bearer ${token}`,
      // Node sends no length with a DELETE by itself.
      ...(bytes && { 'content-type': contentType, 'content-length': bytes.length }),
    };
    const sent = request(`${url}${path}`, { method, ca, headers, agent: false, timeout: TIMEOUT_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      answer.on('error', reject);
      answer.on('end', () => {
        const { statusCode = 0 } = answer;
        if (statusCode >= 200 && statusCode < 300) resolve(text);
        else reject(new ApiFailure(`${method} ${path}`, statusCode, text));
      });
    });
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${path}: no answer within ${TIMEOUT_MS} ms`)));
    sent.on('error', reject);
    sent.end(bytes);
  });
}

const statusOf = (body: string): { reason?: string; message?: string } => {
  try {
    return JSON.parse(body) as { reason?: string; message?: string };
  } catch {
    return {};
  }
};
